"""The Kepler problem."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._types import Coordinates, Scalar
from ..integrators import Integration
from .drawing import Drawing, no_lines
from .parameter import Value, parameter
from .sampling import orbits
from .system import AbstractConservativeSystem, reference_integration


class Kepler(AbstractConservativeSystem):
    r"""The Kepler problem: a planet that orbits a sun fixed at the origin, in the plane of the orbit.

    $$L = \tfrac12 m \dot q \cdot \dot q + \frac{\mu m}{|q|}$$

    (Roberts 2024, eq. 24 with $\beta = 0$.)

    **Arguments:**

    - `mass`: mass $m$ of the planet in kg. `pull`: $\mu = G M$ of the sun in m^3/s^2.
    - `integration`: solver and step sizes of rollouts, an `Integration`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> planet = nl.systems.Kepler()  # circular orbit of 1 m: speed 1 m/s, period 2 pi
    >>> motion = planet(jnp.array([0.0, jnp.pi / 2]), jnp.array([1.0, 0.0, 0.0, 1.0]))
    >>> round(float(motion[-1, 1]), 3)  # after a quarter of a period
    1.0
    ```
    """

    mass: Value = parameter("kg", 1.0)
    pull: Value = parameter("m^3/s^2", 1.0)
    integration: Integration = reference_integration()

    @property
    def dof(self) -> int:
        return 2

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return self.mass * (0.5 * jnp.dot(v, v) + self.pull / jnp.linalg.norm(q))

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        return -self.pull * q / (q[0] ** 2 + q[1] ** 2) ** 1.5

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return self.mass * (0.5 * (v[0] ** 2 + v[1] ** 2) - self.pull / jnp.hypot(*q))

    def invariants(self, t: ArrayLike, q: Array, v: Array) -> dict[str, Scalar]:
        """Conserved quantities: the energy, the angular momentum, and the eccentricity (Laplace-Runge-Lenz) vector."""
        (x, y), (u, w) = q, v
        h, r = x * w - y * u, jnp.hypot(x, y)
        return {
            "energy": self.energy(t, q, v),
            "angular_momentum": self.mass * h,
            "eccentricity_x": w * h / self.pull - x / r,
            "eccentricity_y": -u * h / self.pull - y / r,
        }

    def sample_states(self, key: PRNGKeyArray, count: int, *, eccentricity: float = 0.5) -> Array:
        """Random states on elliptic orbits: semi-major axis 0.8 to 1.2 m, any orientation, any point of the orbit."""
        return orbits(key, count, self.pull, size=1.0, eccentricity=eccentricity)

    def drawing(self, q: Array) -> Drawing:
        """Bodies: the sun and the planet."""
        return Drawing(jnp.stack([jnp.zeros_like(q), q]), no_lines(q))
