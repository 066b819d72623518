"""A charged particle in a uniform magnetic field."""

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._types import Coordinates, Scalar
from ..integrators import Integration
from .drawing import Drawing, no_lines
from .parameter import Value, parameter
from .sampling import box
from .system import AbstractConservativeSystem, reference_integration


class ChargedParticle(AbstractConservativeSystem):
    r"""A charge $e$ in a plane, in a uniform magnetic field $B$ perpendicular to it (towards the reader).

    $$L = \tfrac12 m \dot q \cdot \dot q + e A(q) \cdot \dot q, \qquad
      A = \tfrac12 B (-y, x) \;\text{(symmetric)} \quad\text{or}\quad A = B (-y, 0) \;\text{(Landau)}$$

    The two gauges differ by the total derivative of $\tfrac12 e B x y$, so the motion is the same.

    (Bigwood 2025, section 1.5; Unneberg and Kaarbø 2023, section 1, for the canonical momentum.)

    **Arguments:**

    - `mass`: $m$ in kg. `charge`: $e$ in C, of either sign. `field`: $B$ in T, of either sign.
    - `gauge`: `"symmetric"` or `"landau"`.
    - `integration`: solver and step sizes of rollouts, an `Integration`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> charge = nl.systems.ChargedParticle(mass=2.0, charge=1.0, field=4.0)  # cyclotron frequency e B / m = 2 rad/s
    >>> charge.acceleration(0.0, jnp.zeros(2), jnp.array([3.0, 4.0])).tolist()
    [8.0, -6.0]
    ```
    """

    mass: Value = parameter("kg", 1.0)
    charge: Value = parameter("C", 1.0, sign="any")
    field: Value = parameter("T", 1.0, sign="any")
    gauge: Literal["symmetric", "landau"] = eqx.field(default="symmetric", static=True)
    integration: Integration = reference_integration()

    def __check_init__(self):
        if self.gauge not in ("symmetric", "landau"):
            raise ValueError(f"`gauge` is {self.gauge!r}; expected 'symmetric' or 'landau'")

    @property
    def dof(self) -> int:
        return 2

    def vector_potential(self, q: Array) -> Array:
        """The vector potential $A(q)$ in T m, shape `(2,)`."""
        x, y = q
        if self.gauge == "symmetric":
            return 0.5 * self.field * jnp.stack([-y, x])
        return self.field * jnp.stack([-y, jnp.zeros_like(x)])

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return 0.5 * self.mass * jnp.dot(v, v) + self.charge * jnp.dot(self.vector_potential(q), v)

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        larmor = self.charge * self.field / self.mass
        return larmor * jnp.stack([v[1], -v[0]])

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return 0.5 * self.mass * (v[0] ** 2 + v[1] ** 2)

    def invariants(self, t: ArrayLike, q: Array, v: Array) -> dict[str, Scalar]:
        r"""Conserved quantities: the energy, and the Noether charges of both translations and of rotation.

        The charges of the translations determine the centre of the circle.
        """
        m, eB = self.mass, self.charge * self.field
        (x, y), (u, w) = q, v
        return {
            "energy": self.energy(t, q, v),
            "translation_x": m * u - eB * y,
            "translation_y": m * w + eB * x,
            "rotation": m * (x * w - y * u) + 0.5 * eB * (x**2 + y**2),
        }

    def sample_states(self, key: PRNGKeyArray, count: int) -> Array:
        """Random states: positions within 1 m and velocities within 1 m/s of zero in each component."""
        return box(key, count, [1.0] * 4)

    def drawing(self, q: Array) -> Drawing:
        return Drawing(q[None], no_lines(q))
