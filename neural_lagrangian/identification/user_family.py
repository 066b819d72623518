"""`Family`: a Lagrangian with unknown constants that a user adds to the candidates of `identify`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._types import Scalar
from ..mechanics import Cholesky, acceleration, mass_matrix
from .columns import Columns
from .family import AbstractBody, AbstractFamily, Pieces, Slices, Units
from .friction import Friction

Lagrangian = Callable[[Mapping[str, Any], Array, Array], Any]


@dataclass(frozen=True)
class Family:
    r"""A Lagrangian $L(c, q, \dot q)$ with unknown constants $c$, as a candidate of `identify`.

    It is fitted like all other candidates: by rollouts with estimated initial states, with each kind of friction at
    each coordinate.

    **Arguments:**

    - `name`: what it is, for the table of candidates.
    - `lagrangian`: callable `(constants, q, v) -> scalar` in SI units, written with `jax.numpy`. `constants` is a
      dictionary of scalars; `q` and `v` have shape `(dof,)`. Fix its scale, for example by a mass of 1: motion cannot
      determine it.
    - `start`: a guess of each constant, not zero, by name.

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
        eye, width = jnp.eye(dof, dtype=dtype), jnp.ones(dof, dtype)
        guesses = tuple((name, float(value)) for name, value in self.start.items())
        of_user = (self.name, self.lagrangian, guesses, columns.coordinates)
        return UserFamily(eye, width, *of_user, tuple(sizes.tolist()), units.time, energy if energy > 0 else 1.0)


class UserFamily(AbstractFamily):
    """A `Family` in natural units. The unknowns are the constants divided by the sizes of their guesses."""

    matrix: Float[Array, "dof dof"]
    width: Float[Array, " joint"]
    title: str = eqx.field(static=True)
    lagrangian: Lagrangian = eqx.field(static=True)
    guesses: tuple[tuple[str, float], ...] = eqx.field(static=True)
    coordinates: tuple[str, ...] = eqx.field(static=True)
    sizes: tuple[float, ...] = eqx.field(static=True)
    time: float = eqx.field(static=True)
    energy: float = eqx.field(static=True)

    @property
    def name(self) -> str:
        return self.title

    @property
    def slices(self) -> Slices:
        return Slices.of(len(self.guesses), 0, len(self.coordinates))

    @property
    def optional(self) -> np.ndarray:
        return self.slices.of_friction

    @property
    def joints(self) -> np.ndarray:
        return np.eye(len(self.coordinates))

    @property
    def joint_names(self) -> list[str]:
        return list(self.coordinates)

    def body(self, x: Array) -> "UserBody":
        return UserBody(family=self, x=x, friction=self.slices.friction(x, self.width))

    def start(self, pieces: Pieces) -> np.ndarray | None:
        signs = np.sign([value for _, value in self.guesses])
        return np.concatenate([signs, np.zeros(3 * len(self.coordinates))])

    def scale(self, x: Array, units: Units) -> tuple[Array, Array]:
        return jnp.asarray(self.energy, x.dtype), jnp.asarray(self.sizes, x.dtype)

    def constants(self, x: Array, units: Units) -> Array:
        return x[self.slices.constants] * jnp.asarray([abs(value) for _, value in self.guesses], x.dtype)

    @property
    def labels(self) -> list[tuple[str, str]]:
        return [(name, "") for name, _ in self.guesses]

    def library(self, names: list[str] | None) -> None:
        return None


class UserBody(AbstractBody):
    """A member of a user's family, in natural units."""

    family: UserFamily
    x: Array
    friction: Friction

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        family = self.family
        sizes = jnp.asarray(family.sizes, q.dtype)
        constants = {name: abs(value) * self.x[k] for k, (name, value) in enumerate(family.guesses)}
        return jnp.asarray(family.lagrangian(constants, q * sizes, v * sizes / family.time)) / family.energy

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Array:
        def force(t, q, v):
            return self.friction(v)

        return acceleration(self.lagrangian, t, q, v, force=force, mass_solve=Cholesky())
