"""The harmonic oscillator in n dimensions."""

from itertools import combinations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._checks import is_concrete, positive_integer
from .._types import Coordinates, Scalar
from ..integrators import Integration
from .drawing import Drawing, projected, zigzag
from .parameter import Value, parameter
from .sampling import box
from .system import AbstractConservativeSystem, reference_integration


class HarmonicOscillator(AbstractConservativeSystem):
    r"""The harmonic oscillator in n dimensions: a particle on springs about the origin.

    $$L = \tfrac12 m \dot q \cdot \dot q - \tfrac12 q \cdot K q$$

    (Bigwood 2025, eq. 13, and eq. 16 for the acceleration; Roberts 2024, eq. 8; Hamzaoğulları 2024, "Physical Systems",
    no. 2, for the defaults m = 1 and k = 10.)

    **Arguments:**

    - `mass`: $m$ in kg. `stiffness`: $K$ in N/m, one number for all directions, or a symmetric positive definite
      matrix, shape `(dof, dof)`.
    - `dimension`: n. `None` means the size of the matrix, or 1.
    - `integration`: solver and step sizes of rollouts, an `Integration`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> oscillator = nl.systems.HarmonicOscillator(mass=1.0, stiffness=4.0)  # period pi
    >>> motion = oscillator(jnp.array([0.0, jnp.pi / 2]), jnp.array([1.0, 0.0]))
    >>> round(float(motion[-1, 0]), 3)  # after half a period
    -1.0
    ```
    """

    mass: Value = parameter("kg", 1.0)
    stiffness: Value = parameter("N/m", 10.0, matrix=True)
    dimension: int | None = eqx.field(default=None, static=True)
    integration: Integration = reference_integration()

    def __check_init__(self):
        n, K = self.dimension, self.stiffness
        if n is not None:
            positive_integer("dimension", n)
        if not isinstance(K, Array) or K.ndim == 0:
            return
        shape = K.shape
        if shape != 2 * shape[:1] or n not in (None, shape[0]):
            expected = "(dof, dof)" if n is None else f"({n}, {n})"
            raise ValueError(f"`stiffness` has shape {shape}; expected a number or shape {expected}")
        if is_concrete(K) and not (np.allclose(K, np.transpose(K)) and np.all(np.linalg.eigvalsh(K) > 0)):
            raise ValueError(f"`stiffness` is {K}; expected a symmetric positive definite matrix")

    @property
    def dof(self) -> int:
        if isinstance(self.stiffness, Array) and self.stiffness.ndim == 2:
            return self.stiffness.shape[0]
        return 1 if self.dimension is None else self.dimension

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return 0.5 * self.mass * jnp.dot(v, v) - 0.5 * jnp.dot(q, self._pull(q))

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        return -self._pull(q) / self.mass  # Bigwood, eq. 16

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return 0.5 * (self.mass * jnp.sum(v**2) + jnp.sum(q * self._pull(q)))

    def invariants(self, t: ArrayLike, q: Array, v: Array) -> dict[str, Scalar]:
        """Conserved quantities: the energy; for equal stiffness in all directions also the angular momenta."""
        conserved = {"energy": self.energy(t, q, v)}
        if jnp.ndim(self.stiffness) == 0:
            planes = combinations(range(self.dof), 2)
            conserved |= {f"angular_momentum_{i}{j}": self.mass * (q[i] * v[j] - q[j] * v[i]) for i, j in planes}
        return conserved

    def sample_states(self, key: PRNGKeyArray, count: int) -> Array:
        """Random states: positions within 1 m, velocities within 2 m/s of zero in each component (Hamzaoğulları)."""
        return box(key, count, [1.0] * self.dof + [2.0] * self.dof)

    def drawing(self, q: Array) -> Drawing:
        body = projected(q[None])
        return Drawing(body, zigzag(jnp.zeros_like(body[0]), body[0])[None])

    def _pull(self, q: Array) -> Array:
        K = jnp.asarray(self.stiffness, q.dtype)
        return K * q if K.ndim == 0 else K @ q
