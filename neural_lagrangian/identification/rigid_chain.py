"""A planar chain of rigid bodies: its Lagrangian, equations of motion and friction, also as a formula of the angles."""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._types import Scalar
from ..discovery import Formula, Library, angle_name, coordinate_names, velocity_names
from ..mechanics import AbstractForce, AtJoints, Cholesky, LinearDamping, SmoothFriction

MAX_BODIES = 3
"""Largest number of bodies of a chain that is tried."""
NEGLIGIBLE = 1e-12
"""A coefficient below this share of the largest one is left out of a formula: it is rounding, as in cos(pi / 2)."""


class RigidChain(eqx.Module):
    r"""A chain of rigid bodies in a plane, the first of which turns about a fixed axis. With $\phi = \theta + o$:

    $$L = \tfrac12 \sum_{ij} I_{ij} \cos(\phi_i - \phi_j)\, \dot\phi_i \dot\phi_j + \sum_i g_i \cos \phi_i, \qquad
      f_k = -c_k r_k - \mu_k \tanh(r_k / w_k)$$

    at joint rates $r_k = \dot\phi_k - \dot\phi_{k-1}$, for the angles $\theta$ of the bodies. `inertia`: $I$,
    symmetric. `weight`: $g$. `offset`: $o$, in radians. `linear`, `dry`, `width`: $c$, $\mu$, $w$.
    """

    inertia: Float[Array, "body body"]
    weight: Float[Array, " body"]
    offset: Float[Array, " body"]
    linear: Float[Array, " body"]
    dry: Float[Array, " body"]
    width: Float[Array, " body"]

    def lagrangian(self, t: ArrayLike, theta: Array, w: Array) -> Scalar:
        phi = theta + self.offset
        M = self.inertia * jnp.cos(phi[:, None] - phi[None])
        return w @ M @ w / 2 + self.weight @ jnp.cos(phi)

    def acceleration(self, t: ArrayLike, theta: Array, w: Array) -> Array:
        """The acceleration in closed form; NaN if the mass matrix is not positive definite."""
        phi = theta + self.offset
        between = phi[:, None] - phi[None]
        rates = jnp.diff(w, prepend=jnp.zeros_like(w[:1]))
        f = -self.linear * rates - self.dry * jnp.tanh(rates / self.width)
        b = f - jnp.append(f[1:], jnp.zeros_like(f[:1]))  # a joint turns both of its bodies
        b = b - self.weight * jnp.sin(phi) - (self.inertia * jnp.sin(between)) @ w**2
        solve = Cholesky()
        return solve.apply(solve.factor(self.inertia * jnp.cos(between)), b)

    def in_units(self, energy: ArrayLike, time: ArrayLike) -> "RigidChain":
        """The chain with $L$ multiplied by `energy`, and with `time` as the old unit of time in new ones."""
        return RigidChain(
            self.inertia * energy,
            self.weight * energy / time**2,
            self.offset,
            self.linear * energy / time,
            self.dry * energy / time**2,
            self.width / time,
        )


class Frame(NamedTuple):
    r"""How the recorded angles $q$ give the angles of the bodies: $\theta = B q$. `kind` is a word for it."""

    kind: str
    matrix: np.ndarray

    @property
    def joints(self) -> np.ndarray:
        r"""The matrix of the joint rates, $r = R \dot q$."""
        return np.diff(self.matrix, axis=0, prepend=0)


def frames(dof: int) -> list[Frame]:
    """Absolute angles and, with more than one body, relative ones: each from the direction of the body before."""
    absolute = Frame("absolute", np.eye(dof, dtype=int))
    return [absolute] if dof == 1 else [absolute, Frame("relative", np.tril(np.ones((dof, dof), int)))]


def atoms_of_a_chain(dof: int, names: Sequence[str] | None) -> Library:
    """A library with every factor of the terms of a chain."""
    return Library.waves(dof, dof, names=names) + Library.velocities(dof, 1, names=names)


class ChainTerms(NamedTuple):
    """The terms of a chain in the recorded angles. Their coefficients are `matrix @ parts_of(chain)`."""

    library: Library
    matrix: np.ndarray

    @staticmethod
    def of(frame: Frame, names: Sequence[str] | None) -> "ChainTerms":
        """The terms, in the order in which `parts_of` gives their coefficients."""
        B, dof = frame.matrix, len(frame.matrix)
        rates = velocity_names(dof, names)
        terms: dict[tuple, np.ndarray] = {}
        pairs = [(i, j) for i in range(dof) for j in range(i + 1, dof)]
        count = dof + 2 * len(pairs) + 2 * dof

        def add(part: int, wave: tuple, squares: np.ndarray | None, sign: float = 1.0) -> None:
            if squares is None:
                terms.setdefault(wave, np.zeros(count))[part] += sign
                return
            for a, b in zip(*np.nonzero(np.triu(squares)), strict=True):
                product = ((rates[a], 2),) if a == b else ((rates[a], 1), (rates[b], 1))
                terms.setdefault((*wave, *product), np.zeros(count))[part] += sign * squares[a, b]

        def add_waves(part: int, step: int, k: np.ndarray, squares: np.ndarray | None) -> None:
            sign = np.sign(k[np.flatnonzero(k)[0]])  # names of waves begin with a positive multiple
            angle = angle_name((sign * k).tolist(), coordinate_names(dof, names))
            add(part, ((f"cos({angle})", 1),), squares)
            add(part + step, ((f"sin({angle})", 1),), squares, float(sign))

        def product(i: int, j: int) -> np.ndarray:
            squares = np.outer(B[i], B[j])
            return squares + np.triu(squares.T, 1)

        for i in range(dof):
            add(i, (), product(i, i))
        for k, (i, j) in enumerate(pairs, dof):
            add_waves(k, len(pairs), B[i] - B[j], product(i, j))
        for k in range(dof):
            add_waves(dof + 2 * len(pairs) + k, dof, B[k], None)
        library = Library(dof, atoms_of_a_chain(dof, names).atoms, list(terms))
        return ChainTerms(library, np.stack(list(terms.values())))

    def coefficients(self, chain: RigidChain) -> Array:
        """The coefficients of the terms."""
        o, pairs = chain.offset, np.triu_indices(len(chain.offset), 1)
        between, inertia = (o[:, None] - o[None])[pairs], chain.inertia
        waves = [inertia[pairs] * jnp.cos(between), -inertia[pairs] * jnp.sin(between)]
        weights = [chain.weight * jnp.cos(o), -chain.weight * jnp.sin(o)]
        parts = jnp.concatenate([jnp.diagonal(inertia) / 2, *waves, *weights])
        return jnp.asarray(self.matrix, parts.dtype) @ parts

    def formula(self, chain: RigidChain, errors: np.ndarray) -> Formula:
        """The chain as a formula, without terms that vanish. `errors`: standard errors of the coefficients."""
        c = self.coefficients(chain)
        kept = np.flatnonzero(np.abs(np.asarray(c)) > NEGLIGIBLE * np.abs(np.asarray(c)).max())
        return Formula(self.library.select(kept.tolist()), c[kept], errors[kept].tolist())


def friction_at_joints(linear: Array, dry: Array, width: Array, joints: np.ndarray) -> AbstractForce | None:
    """The friction as a force on the recorded angles; `None` without friction."""
    forces: list[AbstractForce] = []
    if (some := np.flatnonzero(np.asarray(linear) > 0)).size:
        forces.append(AtJoints(LinearDamping(jnp.sqrt(linear[some])), joints[some].tolist()))
    if (some := np.flatnonzero(np.asarray(dry) > 0)).size:
        forces.append(AtJoints(SmoothFriction(dry[some], width[some]), joints[some].tolist()))
    return None if not forces else forces[0] if len(forces) == 1 else forces[0] + forces[1]
