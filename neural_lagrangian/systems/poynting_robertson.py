"""The Poynting-Robertson effect: a dust grain that spirals into a star because of its light."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._types import Coordinates, Scalar
from ..integrators import Integration
from .drawing import Drawing, no_lines
from .parameter import Value, parameter
from .sampling import orbits
from .system import AbstractSystem, reference_integration


class PoyntingRobertson(AbstractSystem):
    r"""The Poynting-Robertson effect: a dust grain orbits a star whose light pushes it outwards and slows it down.

    $$L = \tfrac12 m \dot q \cdot \dot q + (1 - \beta) \frac{\mu m}{|q|}, \qquad
      Q = -\frac{\beta \mu m}{c |q|^2} \Bigl[\dot q + \frac{(\dot q \cdot q)\, q}{|q|^2}\Bigr]$$

    Lengths are in astronomical units, times in years, and energies in kg au^2/yr^2. No quantity is conserved. The
    angular momentum decreases by $\beta \mu m / c$ for each radian of the orbit.

    (Roberts 2024, eqs. 24 and 26, with a corrected sign of the drag; Burns, Lamy and Soter 1979.)

    **Arguments:**

    - `mass`: $m$ in kg. `pull`: $\mu = G M$ in au^3/yr^2. `light_speed`: $c$ in au/yr.
    - `radiation`: $\beta$, ratio of radiation pressure to gravity, a pure number. Orbits are bound if it is below 1.
    - `integration`: solver and step sizes of rollouts, an `Integration`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> grain = nl.systems.PoyntingRobertson(pull=4.0, radiation=0.5)  # radiation cancels half of the gravity
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
        # In radial and tangential components: the radial drag has a factor of two.
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
        """Random states on orbits: semi-major axis 0.8 to 1.2 au, any orientation, any point of the orbit."""
        return orbits(key, count, (1 - self.radiation) * self.pull, size=1.0, eccentricity=eccentricity)

    def drawing(self, q: Array) -> Drawing:
        """Bodies: the star and the grain."""
        return Drawing(jnp.stack([jnp.zeros_like(q), q]), no_lines(q))

    @property
    def _drag(self) -> Value:
        return self.radiation * self.pull / self.light_speed
