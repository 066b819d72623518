"""A dust grain that sunlight drags into the sun."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._types import Coordinates, Scalar
from ..integrators import Integration
from .drawing import Drawing, no_lines
from .parameter import Value, parameter
from .sampling import orbits
from .system import AbstractSystem, reference_integration


class PoyntingRobertson(AbstractSystem):
    r"""A grain of dust on an orbit about a star whose light pushes it outwards and, by aberration, holds it back.

    $$L = \tfrac12 m \dot q \cdot \dot q + (1 - \beta) \frac{\mu m}{|q|}, \qquad
      Q = -\frac{\beta \mu m}{c |q|^2} \Bigl[\dot q + \frac{(\dot q \cdot q)\, q}{|q|^2}\Bigr]$$

    Lengths in astronomical units and times in years; energies in kg au^2/yr^2. Nothing is conserved; the angular
    momentum falls by $\beta \mu m / c$ for each radian that the grain goes round.

    (Roberts 2024, eqs. 24 and 26, where the sign of the drag is missing; Burns, Lamy and Soter 1979.)

    **Arguments:**

    - `mass`: $m$ in kg. `pull`: $\mu = G M$ in au^3/yr^2. `light_speed`: $c$ in au/yr.
    - `radiation`: $\beta$, radiation pressure over gravity, a pure number below 1 where orbits are bound.
    - `integration`: how rollouts are integrated.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> grain = nl.systems.PoyntingRobertson(pull=4.0, radiation=0.5)  # light takes half of the attraction
    >>> float(grain.acceleration(0.0, jnp.array([1.0, 0.0]), jnp.zeros(2))[0])
    -2.0
    ```
    """

    mass: Value = parameter("kg", 1.0)
    pull: Value = parameter("au^3/yr^2", 39.478758435)
    light_speed: Value = parameter("au/yr", 63241.3)
    radiation: Value = parameter("1", 0.0576906 / 5, sign="non-negative")
    integration: Integration = reference_integration()

    @property
    def dof(self) -> int:
        return 2

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return self.mass * (0.5 * jnp.dot(v, v) + (1 - self.radiation) * self.pull / jnp.linalg.norm(q))

    def force(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        r2 = jnp.dot(q, q)
        return -self.mass * self._drag / r2 * (v + jnp.dot(v, q) / r2 * q)

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        # By components along and across the ray: the drag is doubled along it.
        r = jnp.hypot(*q)
        ray = q / r
        across = jnp.stack([-ray[1], ray[0]])
        gravity, drag = -(1 - self.radiation) * self.pull / r**2, -self._drag / r**2
        return (gravity + 2 * drag * jnp.sum(v * ray)) * ray + drag * jnp.sum(v * across) * across

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return self.mass * (0.5 * (v[0] ** 2 + v[1] ** 2) - (1 - self.radiation) * self.pull / jnp.hypot(*q))

    def invariants(self, t: ArrayLike, q: Array, v: Array) -> dict[str, Scalar]:
        return {}

    def sample_states(self, key: PRNGKeyArray, count: int, *, eccentricity: float = 0.5) -> Array:
        """Orbits of semi-major axis 0.8 to 1.2 au, of any orientation, at any point."""
        return orbits(key, count, (1 - self.radiation) * self.pull, size=1.0, eccentricity=eccentricity)

    def drawing(self, q: Array) -> Drawing:
        """The star, and the grain."""
        return Drawing(jnp.stack([jnp.zeros_like(q), q]), no_lines(q))

    @property
    def _drag(self) -> Value:
        return self.radiation * self.pull / self.light_speed
