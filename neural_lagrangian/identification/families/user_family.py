"""`Family`: a Lagrangian with unknown constants that a user adds to the candidates of `identify`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ..._types import Scalar
from ...discovery import Library
from ...mechanics import mass_matrix
from ..recordings import Columns
from .family import AbstractBodyOfFamily, AbstractFamily, Pieces, Slices, Units
from .joint_forces import JointForces

Lagrangian = Callable[[Mapping[str, Any], Array, Array], Any]


@dataclass(frozen=True)
class Family:
    r"""A Lagrangian $L(c, q, \dot q)$ with unknown constants $c$, as a candidate of `identify`.

    It is fitted like all other candidates: by rollouts with estimated initial states, with each kind of friction, and
    a gain of each recorded control, at each joint.

    **Arguments:**

    - `name`: what it is, for the table of candidates.
    - `lagrangian`: callable `(constants, q, v) -> scalar` in SI units, written with `jax.numpy`. `constants` is a
      dictionary of scalars; `q` and `v` have shape `(dof,)`. Fix its scale, for example by a mass of 1: motion cannot
      determine it.
    - `start`: a guess of each constant, not zero, by name.
    - `joints`: a row for each joint with friction; the row times the velocities is the rate of the joint. The default
      is a joint at each coordinate.

    **Raises:** `ValueError` for a guess that is zero or not finite.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> morse = lambda c, q, v: v[0] ** 2 / 2 - c["depth"] * (1 - jnp.exp(-c["a"] * q[0])) ** 2
    >>> bond = nl.identification.Family("Morse potential", morse, {"depth": 1.0, "a": 1.0})
    >>> bond.name  # nl.identification.identify("bond.csv", dof=1, candidates=[bond])
    'Morse potential'
    ```
    """

    name: str
    lagrangian: Lagrangian
    start: Mapping[str, float]
    joints: Sequence[Sequence[float]] | None = None

    def __post_init__(self) -> None:
        for name, value in self.start.items():
            if not (np.isfinite(value) and value != 0):
                raise ValueError(f"`start` has {name} = {value}; expected a finite number other than zero")

    def on(self, columns: Columns, units: Units, mean: np.ndarray) -> "UserFamily":
        """The family in the natural units of a recording. `mean`: the mean coordinates, in SI units."""
        sizes, dof = units.scaling(columns.periodic, columns.dof).q_scale, columns.dof
        q, dtype = jnp.asarray(mean), jnp.result_type(float)
        M = mass_matrix(lambda t, q, v: self.lagrangian(dict(self.start), q, v), 0.0, q, jnp.zeros(dof, q.dtype))
        energy = float(M[0, 0]) * float(sizes[0] / units.time) ** 2
        names, rows = self._joints_of(columns)
        of_joints = sizes[np.argmax(rows != 0, axis=1)]
        arrays = {"matrix": np.eye(dof), "width": np.ones(len(rows)), "guess": list(self.start.values())}
        arrays |= {"sizes": sizes, "of_joints": of_joints, "time": units.time}
        arrays["energy"] = energy if energy > 0 else 1.0
        return UserFamily(
            **{name: jnp.asarray(part, dtype) for name, part in arrays.items()},
            title=self.name,
            lagrangian=self.lagrangian,
            names=tuple(self.start),
            at=names,
            rows=tuple(map(tuple, rows.tolist())),
        )

    def _joints_of(self, columns: Columns) -> tuple[tuple[str, ...], np.ndarray]:
        """Names of the joints, and the matrix of their rates."""
        if self.joints is None:
            return columns.coordinates, np.eye(columns.dof)
        rows = np.array(self.joints, float)
        if rows.ndim != 2 or rows.shape[1] != columns.dof or not rows.any(axis=1).all():
            raise ValueError(f"`joints` is {self.joints!r}; expected rows of {columns.dof} numbers, not all zero")
        is_angle = np.isin(np.arange(columns.dof), columns.periodic)
        if (rows[:, is_angle].any(axis=1) & rows[:, ~is_angle].any(axis=1)).any():
            raise ValueError(f"`joints` is {self.joints!r}; expected no row with both an angle and a length")
        return tuple(f"joint {k + 1}" for k in range(len(rows))), rows


class UserLagrangian(eqx.Module):
    """The Lagrangian of a `Family` with known constants, in SI units."""

    constants: dict[str, Array]
    formula: Lagrangian = eqx.field(static=True)

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return jnp.asarray(self.formula(self.constants, q, v))


class UserFamily(AbstractFamily):
    """A `Family` in natural units. The unknowns are the constants divided by the sizes of their guesses.

    `guess`: of the constants. `sizes`, `of_joints`, `time`, `energy`: the natural units of coordinates, of joints, of
    time and of the Lagrangian in SI units, as arrays, so that recordings share a program. `at`: names of the joints.
    """

    matrix: Float[Array, "dof dof"]
    width: Float[Array, " joint"]
    guess: Float[Array, " constant"]
    sizes: Float[Array, " dof"]
    of_joints: Float[Array, " joint"]
    time: Float[Array, ""]
    energy: Float[Array, ""]
    title: str = eqx.field(static=True)
    lagrangian: Lagrangian = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)
    at: tuple[str, ...] = eqx.field(static=True)
    rows: tuple[tuple[float, ...], ...] = eqx.field(static=True)

    @property
    def name(self) -> str:
        return self.title

    @property
    def slices(self) -> Slices:
        return Slices.of(len(self.names), 0, len(self.at))

    @property
    def optional(self) -> np.ndarray:
        return self.slices.of_friction

    @property
    def joints(self) -> np.ndarray:
        return np.array(self.rows)

    @property
    def joint_names(self) -> list[str]:
        return list(self.at)

    def body(self, x: Array) -> "UserBody":
        return UserBody(family=self, x=x, forces=self.slices.forces(x, self.width))

    def start(self, pieces: Pieces) -> np.ndarray | None:
        controls = pieces[0][3].shape[1]
        return np.concatenate([np.sign(self.guess), np.zeros((3 + controls) * len(self.at))])

    def scale(self, x: Array, units: Units) -> tuple[Array, Array]:
        return self.energy.astype(x.dtype), self.of_joints.astype(x.dtype)

    def constants(self, x: Array, units: Units) -> Array:
        return x[self.slices.constants] * jnp.abs(self.guess).astype(x.dtype)

    @property
    def labels(self) -> list[tuple[str, str]]:
        return [(name, "") for name in self.names]

    def library(self, names: list[str] | None) -> Library | None:
        return None


class UserBody(AbstractBodyOfFamily):
    """A member of a user's family, in natural units."""

    family: UserFamily
    x: Array
    forces: JointForces

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        family = self.family
        sizes, time, energy = (part.astype(q.dtype) for part in (family.sizes, family.time, family.energy))
        values = family.constants(self.x, Units(1.0, 1.0))
        constants = {name: values[k] for k, name in enumerate(family.names)}
        return jnp.asarray(family.lagrangian(constants, q * sizes, v * sizes / time)) / energy
