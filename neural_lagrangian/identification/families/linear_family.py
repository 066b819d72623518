"""Families whose Lagrangian is linear in its constants, beside offsets of the sensors."""

import abc
from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ..._types import Scalar
from .family import AbstractBodyOfFamily, AbstractFamily, Pieces, Slices, Units
from .joint_forces import JointForces
from .weak_form import solved, weak_rows

MAX_ROWS_OF_START = 3000
"""Largest number of samples that the start of a fit uses, to bound its run time."""
MIN_MASS = 1e-3
"""Least coefficient of a term that must be positive, at the start of a fit."""
OFFSETS = {"angle": (0.0, np.pi / 2, np.pi, -np.pi / 2), "length": (0.0, 1.0, 3.0)}
"""Offsets at which the start is sought, in radians and in units of the motion, by kind."""
SAME_RESIDUAL = 1.01
"""Largest ratio of residuals of starts that are equally good."""


class Term(NamedTuple):
    """A constant of a Lagrangian and its term.

    `name`: of the constant; empty if the constant is 1. `length`: power of length in the term. `rates`: number of
    velocities in it. `positive`: whether the constant must be positive.
    """

    name: str
    length: int
    rates: int
    positive: bool = False


class LinearBody(AbstractBodyOfFamily):
    """A member of a linear family, in natural units."""

    family: "AbstractLinearFamily"
    coefficients: Array
    offset: Array
    forces: JointForces

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return self.coefficients @ self.family.values(self.family.shifted(q, self.offset), v)


class AbstractLinearFamily(AbstractFamily):
    r"""Families $L = \sum_k c_k\, \varphi_k(q + o, \dot q)$ with $c_1 = 1$. Final classes have the $\varphi_k$."""

    names: eqx.AbstractVar[tuple[str, ...]]

    @property
    @abc.abstractmethod
    def terms(self) -> list[Term]:
        """The constants. The first one is 1: half a squared velocity is its term."""

    @property
    @abc.abstractmethod
    def offsets(self) -> list[tuple[int, str]]:
        """Coordinates whose sensor has an unknown offset, and the kind of each: `angle` or `length`."""

    @abc.abstractmethod
    def values(self, q: Array, v: Array) -> Array:
        """The terms at a state, shape `(term,)`."""

    @property
    def slices(self) -> Slices:
        return Slices.of(len(self.terms) - 1, len(self.offsets), len(self.names))

    @property
    def optional(self) -> np.ndarray:
        may_vanish = [k for k, term in enumerate(self.terms[1:]) if not term.positive]
        return np.concatenate([may_vanish, self.slices.of_friction]).astype(int)

    @property
    def joint_names(self) -> list[str]:
        return list(self.names)

    @property
    def joints(self) -> np.ndarray:
        return np.eye(len(self.names))

    def shifted(self, q: Array, offset: Array) -> Array:
        """The coordinates without the offsets of the sensors."""
        for k, (i, _) in enumerate(self.offsets):
            q = q.at[i].add(offset[k])
        return q

    def without_offsets(
        self, theta: Float[np.ndarray, "time dof"], x: Float[np.ndarray, " unknown"]
    ) -> Float[np.ndarray, "time dof"]:
        """A motion without the offsets of the sensors."""
        offset = jnp.asarray(x[self.slices.offset])
        return np.asarray(jax.vmap(lambda q: self.shifted(q, offset))(jnp.asarray(theta)))

    def body(self, x: Array) -> LinearBody:
        at = self.slices
        coefficients = jnp.concatenate([jnp.ones_like(x[:1]), x[at.constants]])
        forces = at.forces(x, self.width)
        return LinearBody(family=self, coefficients=coefficients, offset=x[at.offset], forces=forces)

    def start(self, pieces: Pieces) -> np.ndarray | None:
        """Unknowns with the least residual of the integrated equations of motion, from several offsets."""
        from scipy.optimize import least_squares  # imported here because it takes a second

        some = list(_first(pieces))
        if not len(self._rows(some, np.zeros(len(self.offsets)))):
            return None

        def left(offset: np.ndarray) -> np.ndarray:
            X = self._rows(some, offset)
            return X @ solved(X) / np.linalg.norm(X[:, 0])

        found = []
        kinds = [kind for _, kind in self.offsets]
        of_kind = {kind: guesses if kind in kinds else (0.0,) for kind, guesses in OFFSETS.items()}
        for values in product(*of_kind.values()):  # the same for all offsets of a kind
            guess = dict(zip(of_kind, values, strict=True))
            offset = np.array([guess[kind] for kind in kinds])
            offset = least_squares(left, offset, max_nfev=20).x if len(offset) else offset
            c = solved(self._rows(some, offset))
            wrong = sum(c[k] <= 0 for k, term in enumerate(self.terms) if term.positive)
            found.append((wrong, float(np.sum(left(offset) ** 2)), offset, c))
        wrong, least = min(one[:2] for one in found)
        equal = [one for one in found if one[0] == wrong and one[1] <= SAME_RESIDUAL * least]
        _, _, offset, c = min(equal, key=lambda one: np.abs(one[2]).sum())  # half a turn changes signs only
        count = len(self.terms)
        c[:count] = [max(x, MIN_MASS) if term.positive else x for x, term in zip(c[:count], self.terms, strict=True)]
        friction, gains = np.split(c[count:], [2 * len(self.names)])
        drag = np.zeros(len(self.names))
        return np.concatenate([c[1:count], offset, np.maximum(friction, 0.0), drag, gains])

    def _rows(self, pieces: Pieces, offset: np.ndarray) -> np.ndarray:
        columns = partial(_columns, self, jnp.asarray(offset, jnp.result_type(float)))
        found = ((t, columns(*map(jnp.asarray, state))) for t, *state in pieces)
        parts = ((t, np.asarray(momentum), np.asarray(force)) for t, (momentum, force) in found)
        return weak_rows(parts, len(self.terms) + (2 + pieces[0][3].shape[1]) * len(self.names))

    def scale(self, x: Array, units: Units) -> tuple[Array, Array]:
        first = self.terms[0]
        sizes = jnp.where(jnp.asarray(self.lengths), units.length, 1.0)
        return jnp.asarray(units.length**first.length / units.time**2, x.dtype), sizes.astype(x.dtype)

    @property
    @abc.abstractmethod
    def lengths(self) -> list[bool]:
        """Whether each coordinate is a length."""

    def constants(self, x: Array, units: Units) -> Array:
        first, at = self.terms[0], self.slices
        factors = [
            units.length ** (first.length - term.length) / units.time ** (2 - term.rates) for term in self.terms[1:]
        ]
        sizes = [180 / np.pi if kind == "angle" else units.length for _, kind in self.offsets]
        return x[: at.offset.stop] * jnp.asarray([*factors, *sizes], x.dtype)

    @property
    def labels(self) -> list[tuple[str, str]]:
        first = self.terms[0]

        def unit(length: int, time: int) -> str:
            over = [f"s^{time}"] if time else []
            over += [f"m^{-length}".removesuffix("^1")] if length < 0 else []
            above = f"m^{length}".removesuffix("^1") if length > 0 else "1"
            below = f"({' '.join(over)})" if len(over) > 1 else "".join(over)
            return f"{above}/{below}" if below else above if length > 0 else ""

        named = [(term.name, unit(first.length - term.length, 2 - term.rates)) for term in self.terms[1:]]
        sensors = [(f"offset of {self.names[i]}", "deg" if kind == "angle" else "m") for i, kind in self.offsets]
        return [*named, *sensors]


@eqx.filter_jit
def _columns(family: AbstractLinearFamily, offset: Array, q: Array, v: Array, u: Array) -> tuple[Array, Array]:
    """Momenta and forces at unit constants, with linear and dry friction and gains; shapes `(time, dof, column)`."""

    def at(q: Array, v: Array, u: Array) -> tuple[Array, Array]:
        F, P = jax.jacfwd(lambda q, v: family.values(family.shifted(q, offset), v), (0, 1))(q, v)
        rates = jnp.asarray(family.joints, v.dtype) @ v
        gains = jnp.kron(jnp.eye(len(rates), dtype=u.dtype), u)
        at_joints = [jnp.diag(-rates), jnp.diag(-jnp.tanh(rates / family.width)), gains]
        forces = jnp.asarray(family.joints, v.dtype).T @ jnp.concatenate(at_joints, axis=1)
        return jnp.concatenate([P.T, jnp.zeros_like(forces)], axis=1), jnp.concatenate([F.T, forces], axis=1)

    return jax.vmap(at)(q, v, u)


def _first(pieces: Pieces) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Pieces of the same length, `MAX_ROWS_OF_START` samples in all, so that they share a compiled program."""
    shortest = max(min(len(t) for t, *_ in pieces), 1)
    long = [piece for piece in pieces if len(piece[0]) >= shortest]
    some = long[:: max(1, len(long) * shortest // MAX_ROWS_OF_START)]
    dtype = jnp.result_type(float)
    for t, *state in some:
        q, v, u = (part[:shortest].astype(dtype) for part in state)
        yield t[:shortest], q, v, u
