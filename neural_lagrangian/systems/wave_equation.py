"""The one-dimensional wave equation on a lattice."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._types import Coordinates, Scalar
from ..integrators import Integration
from .drawing import Drawing
from .parameter import Value, parameter
from .system import AbstractConservativeSystem, reference_integration


class WaveEquation(AbstractConservativeSystem):
    r"""The wave equation on a lattice: transverse displacements $\phi_i$ of a string at equally spaced sites.

    $$L = \Delta \sum_i \tfrac12 \rho \dot\phi_i^2
        - \Delta \sum_i \tfrac12 T \Bigl(\frac{\phi_{i+1} - \phi_i}{\Delta}\Bigr)^2
      \;\to\; \int \tfrac12 \bigl(\rho\, \phi_t^2 - T \phi_x^2\bigr)\, dx$$

    Waves of wave number $\kappa$ have the frequency $(2 / \Delta) \sqrt{T / \rho}\, |\sin(\kappa \Delta / 2)|$.

    (Cranmer et al. 2020, the 1-D wave equation on a graph.)

    **Arguments:**

    - `density`: mass per length $\rho$ in kg/m. `tension`: $T$ in N. `spacing`: $\Delta$ in m.
    - `sites`: number of sites.
    - `ends`: boundary conditions. `"periodic"` is a ring; `"fixed"` has one more site at rest beyond each end.
    - `integration`: solver and step sizes of rollouts, an `Integration`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> string = nl.systems.WaveEquation(sites=4, spacing=0.5)  # T / rho = 1
    >>> string.acceleration(0.0, jnp.array([0.0, 1.0, 0.0, 0.0]), jnp.zeros(4)).tolist()
    [4.0, -8.0, 4.0, 0.0]
    ```
    """

    density: Value = parameter("kg/m", 1.0)
    tension: Value = parameter("N", 1.0)
    spacing: Value = parameter("m", 0.1)
    sites: int = eqx.field(default=20, static=True)
    ends: Literal["periodic", "fixed"] = eqx.field(default="periodic", static=True)
    integration: Integration = reference_integration()

    def __check_init__(self):
        if not isinstance(self.sites, int) or self.sites < 2:
            raise ValueError(f"`sites` is {self.sites!r}; expected an integer >= 2")
        if self.ends not in ("periodic", "fixed"):
            raise ValueError(f"`ends` is {self.ends!r}; expected 'periodic' or 'fixed'")

    @property
    def dof(self) -> int:
        return self.sites

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        slope = jnp.diff(self._with_ends(q)) / self.spacing
        slope = slope[1:] if self.ends == "periodic" else slope  # the first bond of a ring is also its last
        return self.spacing * (0.5 * self.density * jnp.dot(v, v) - 0.5 * self.tension * jnp.dot(slope, slope))

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        padded = self._with_ends(q)
        return self.tension / self.density * (padded[2:] - 2 * q + padded[:-2]) / self.spacing**2

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        # Summation by parts: the sum of squared slopes is minus that of displacement times second difference.
        padded = self._with_ends(q)
        bending = padded[2:] - 2 * q + padded[:-2]
        kinetic, potential = self.density * self.spacing * v**2, -self.tension / self.spacing * q * bending
        return 0.5 * jnp.sum(kinetic + potential)

    def invariants(self, t: ArrayLike, q: Array, v: Array) -> dict[str, Scalar]:
        """Conserved quantities: the energy; on a ring also the momentum, and the mean displacement at time zero."""
        conserved = {"energy": self.energy(t, q, v)}
        if self.ends == "periodic":
            conserved["momentum"] = self.density * self.spacing * jnp.sum(v)
            conserved["initial_mean"] = jnp.mean(q) - jnp.mean(v) * t
        return conserved

    def sample_states(self, key: PRNGKeyArray, count: int, *, modes: int = 3) -> Array:
        """Random states: sums of the `modes` longest standing waves, with amplitudes that decrease as 1 / number."""
        number = jnp.arange(1.0, modes + 1)
        if self.ends == "periodic":
            phase = 2 * jnp.pi * number[:, None] * jnp.arange(0.0, self.sites)[None] / self.sites
            shapes, span = jnp.concatenate([jnp.sin(phase), jnp.cos(phase)]), self.sites
            number = jnp.tile(number, 2)
            half_waves = 2 * number
        else:
            span = self.sites + 1
            shapes = jnp.sin(jnp.pi * number[:, None] * jnp.arange(1.0, span)[None] / span)
            half_waves = number
        draw = jax.random.normal(key, (count, 2, len(number)))
        length = jnp.asarray(span * self.spacing, draw.dtype)
        speed = jnp.sqrt(jnp.asarray(self.tension / self.density, draw.dtype))
        scale = 0.05 * length * jnp.stack([1 / number, jnp.pi * speed / length * half_waves / number])
        return jnp.einsum("abk,bk,ki->abi", draw, scale, shapes).reshape(count, 2 * self.sites)

    def drawing(self, q: Array) -> Drawing:
        """Bodies: the sites from left to right. Line: the string through them and the boundary sites."""
        x = self.spacing * jnp.arange(self.sites + 2, dtype=q.dtype)
        string = jnp.stack([x, self._with_ends(q)], axis=1)
        return Drawing(string[1:-1], string[None])

    def _with_ends(self, q: Array) -> Array:
        """Displacements of all sites, with the boundary sites beyond both ends."""
        return jnp.pad(q, 1, mode="wrap") if self.ends == "periodic" else jnp.pad(q, 1)
