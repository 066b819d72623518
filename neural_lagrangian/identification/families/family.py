"""Families of Lagrangians: their form is known, their constants are not."""

import abc
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ..._types import Scalar
from ...discovery import Formula, Library
from ...mechanics import Cholesky, acceleration
from ...trajectories import Scaling, Trajectories
from .friction import WORDS, Friction
from .joint_forces import JointForces

NEGLIGIBLE = 1e-12
"""A coefficient below this share of the largest one is left out of a formula: it is rounding, as in cos(pi / 2)."""
SAMPLES_PER_TERM = 4
"""Number of random states, for each term, at which a Lagrangian is expanded into terms."""

Pieces = list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]
"""Times, coordinates of a family, their rates, and controls of each piece, in natural units."""


class Units(NamedTuple):
    """Natural units: `time` in seconds, `length` in metres, `controls` in those of each control. Angles stay in
    radians.
    """

    time: float
    length: float
    controls: tuple[float, ...] = ()

    def scaling(self, angles: tuple[int, ...], dof: int) -> Scaling:
        """The scaling to these units, with the origin of the coordinates kept."""
        sizes = [1.0 if i in angles else self.length for i in range(dof)]
        return Scaling(np.zeros(dof), np.array(sizes), self.time)

    def motion(self, recorded: Trajectories, angles: tuple[int, ...]) -> Trajectories:
        """A motion in SI units in these units."""
        inside, us = self.scaling(angles, recorded.dof).scale(recorded), recorded.controls
        return inside if us is None else replace(inside, controls=us / np.array(self.controls))


class AbstractBody(eqx.Module):
    """A member of a family, with all constants known, in natural units. `forces`: at the joints."""

    forces: eqx.AbstractVar[JointForces]

    @abc.abstractmethod
    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        """The Lagrangian in the coordinates of the family."""

    @abc.abstractmethod
    def acceleration(self, q: Array, v: Array, u: Array) -> Array:
        """The acceleration with friction and controls `u`; NaN if the mass matrix is not positive definite."""


class AbstractBodyOfFamily(AbstractBody):
    """A member whose acceleration follows from its Lagrangian and the joints of its `family`."""

    family: eqx.AbstractVar[Any]

    def acceleration(self, q: Array, v: Array, u: Array) -> Array:
        def force(t: ArrayLike, q: Array, v: Array) -> Array:
            R = jnp.asarray(self.family.joints, v.dtype)
            return self.forces(R @ v, u) @ R

        return acceleration(self.lagrangian, 0.0, q, v, force=force, mass_solve=Cholesky())


class Slices(NamedTuple):
    """Slices of the vector of unknowns: constants of the Lagrangian, offsets of the sensors, friction at joints, and
    the gains of the controls, which are the rest.
    """

    constants: slice
    offset: slice
    linear: slice
    dry: slice
    drag: slice
    gain: slice

    @staticmethod
    def of(constants: int, offsets: int, joints: int) -> "Slices":
        """The slices of so many unknowns of each kind."""
        ends = np.cumsum([0, constants, offsets, joints, joints, joints]).tolist()
        known = (slice(a, b) for a, b in pairwise(ends))
        return Slices(*known, gain=slice(ends[-1], None))

    @property
    def of_friction(self) -> np.ndarray:
        """The indices of all constants of friction."""
        return np.r_[self.linear, self.dry, self.drag]

    def kind(self, index: int, unknowns: int) -> str:
        """The kind of an unknown, of so many."""
        return next(kind for kind, part in self._asdict().items() if index in range(*part.indices(unknowns)))

    def gains(self, unknowns: int) -> np.ndarray:
        """The indices of the gains in a vector of so many unknowns."""
        return np.arange(unknowns)[self.gain]

    def forces(self, x: Array, width: Array) -> JointForces:
        """The forces at joints of a vector of unknowns."""
        friction = Friction(x[self.linear], x[self.dry], x[self.drag], width)
        return JointForces(friction, x[self.gain].reshape(len(width), -1))


class AbstractFamily(eqx.Module):
    r"""A family of Lagrangians $L(\theta, \dot\theta; x)$ with friction and controls at joints, and $\theta = B q$.

    The unknowns $x$ are of order one in natural units. `matrix`: $B$. `width`: the rate below which dry friction falls
    to zero, shape `(joint,)`.
    """

    matrix: eqx.AbstractVar[Float[Array, "dof dof"]]
    width: eqx.AbstractVar[Float[Array, " joint"]]

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What the family is, such as `a cart with a pendulum`."""

    @property
    @abc.abstractmethod
    def slices(self) -> Slices:
        """Where each kind of unknown is."""

    @property
    @abc.abstractmethod
    def optional(self) -> np.ndarray:
        """Indices of the constants and of the friction that may be zero, as may every gain."""

    @property
    @abc.abstractmethod
    def joints(self) -> np.ndarray:
        r"""The matrix of the rates of the joints, in the coordinates $\theta$."""

    @property
    @abc.abstractmethod
    def joint_names(self) -> list[str]:
        """The names of the joints in texts."""

    @abc.abstractmethod
    def body(self, x: Array) -> AbstractBody:
        """The member of the family with these unknowns."""

    @abc.abstractmethod
    def start(self, pieces: Pieces) -> np.ndarray | None:
        """Unknowns from the equations of motion; `None` if the motion does not determine them."""

    @abc.abstractmethod
    def constants(self, x: Array, units: Units) -> Array:
        """The constants in SI units, in the order of `labels`; a squared velocity has the coefficient 1/2 in L."""

    @property
    @abc.abstractmethod
    def labels(self) -> list[tuple[str, str]]:
        """Names and units of the constants of the Lagrangian and of the offsets."""

    @abc.abstractmethod
    def scale(self, x: Array, units: Units) -> tuple[Array, Array]:
        """The factor of the Lagrangian, and sizes of the joints' rates, shape `(joint,)`, in SI units."""

    @abc.abstractmethod
    def library(self, names: list[str] | None) -> Library | None:
        """The terms of a formula of the family in the recorded coordinates; `None` if it has no such terms."""

    def drawn(
        self, theta: Float[np.ndarray, "time dof"], x: Float[np.ndarray, " unknown"]
    ) -> Float[np.ndarray, "time point 2"] | None:
        r"""The points of a drawing of the motion $\theta$, joined by a line, x to the right and y up, in natural units.

        `None` if no drawing is known.
        """
        return None

    @property
    def is_drawn_to_scale(self) -> bool:
        """Whether the motion tells all lengths of the drawing."""
        return False

    @property
    def is_formula(self) -> bool:
        """Whether its members are formulas of terms."""
        return self.library(None) is not None

    @property
    def shared(self) -> "AbstractFamily":
        """The family with arrays in JAX's default precision."""
        dtype = jnp.result_type(float)
        return jax.tree.map(lambda a: jnp.asarray(a, dtype), self)


def forces_of(family: AbstractFamily, x: Array, units: Units) -> JointForces:
    """The forces at the joints of a member of a family in SI units, with gains per unit of each control."""
    factor, sizes = family.scale(x, units)
    return family.body(x).forces.in_units(factor / units.time, sizes / units.time, units.controls)


def labels_of_forces(family: AbstractFamily, controls: Sequence[str]) -> list[tuple[str, str]]:
    """Names of the constants of friction and of the gains of the named controls. Their units are not known."""
    friction = [f"{words} at {joint}" for words in WORDS.values() for joint in family.joint_names]
    gains = [f"gain of {control} at {joint}" for joint in family.joint_names for control in controls]
    return [(name, "") for name in (*friction, *gains)]


class InSI(eqx.Module):
    """The Lagrangian of a member of a family, in SI units and in the recorded coordinates."""

    family: AbstractFamily
    x: Array
    units: Units
    angles: tuple[int, ...] = eqx.field(static=True)

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        sizes = jnp.asarray(self.units.scaling(self.angles, len(q)).q_scale, q.dtype)
        factor, _ = self.family.scale(self.x, self.units)
        B = self.family.matrix
        return factor * self.family.body(self.x).lagrangian(t, B @ (q / sizes), B @ (v * self.units.time / sizes))


class Expansion(NamedTuple):
    """The Lagrangian of a family as a formula: the coefficients are linear in its values at some states."""

    library: Library
    states: np.ndarray
    inverse: np.ndarray

    @staticmethod
    def of(library: Library) -> "Expansion":
        """Random states, and the pseudoinverse of the terms there."""
        count = SAMPLES_PER_TERM * len(library)
        states = np.random.default_rng(0).normal(size=(count, 2 * library.dof))
        dtype = jnp.result_type(float)
        q, v = (jnp.asarray(part, dtype) for part in np.split(states, 2, axis=1))
        terms = np.asarray(jax.jit(jax.vmap(library, (None, 0, 0)))(0.0, q, v), np.float64)
        return Expansion(library, states, np.linalg.pinv(terms, rcond=1e-10))

    def coefficients(self, family: AbstractFamily, x: Array, units: Units, angles: tuple[int, ...]) -> Array:
        """The coefficients of the terms in SI units."""
        q, v = (jnp.asarray(part, x.dtype) for part in np.split(self.states, 2, axis=1))
        values = jax.vmap(InSI(family, x, units, angles), (None, 0, 0))(0.0, q, v)
        return jnp.asarray(self.inverse, x.dtype) @ values

    def formula(self, coefficients: np.ndarray, errors: np.ndarray) -> Formula:
        """A formula without the terms that vanish, and without a constant, which changes no motion."""
        varies = np.array([name != "1" for name in self.library.names])
        kept = np.flatnonzero(varies & (np.abs(coefficients) > NEGLIGIBLE * np.abs(coefficients).max()))
        chosen = jnp.asarray(coefficients[kept], jnp.result_type(float))
        return Formula(self.library.select(kept.tolist()), chosen, errors[kept].tolist())
