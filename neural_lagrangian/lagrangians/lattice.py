"""Lagrangians of a one-dimensional field: sums of a Lagrangian density over equally spaced sites."""

from collections.abc import Callable
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from .._types import Scalar
from ..mechanics import AbstractMassSolve, BlockDiagonal
from .lagrangian import AbstractLagrangian


class LatticeLagrangian(AbstractLagrangian):
    r"""A one-dimensional field $\phi(x)$, discretised on equally spaced sites, $q_i = \phi(i \Delta)$,

    $$L = \Delta \sum_{(i, j)} \tfrac12 \bigl[\mathcal{L}(\phi_i, \dot\phi_i, s_{ij})
        + \mathcal{L}(\phi_j, \dot\phi_j, s_{ij})\bigr], \quad s_{ij} = \frac{\phi_j - \phi_i}{\Delta}
      \;\to\; \int \mathcal{L}(\phi, \phi_t, \phi_x)\, dx,$$

    summed over the bonds (i, j) between neighbours. The error is of second order in the spacing $\Delta$. All bonds use
    the same density, so a model trained on few sites can be used on many. Each term contains the velocity of one site
    only: the mass matrix is diagonal, and the cost of an acceleration is proportional to the number of sites.

    (Cranmer et al. 2020, the 1-D wave equation on a graph.)

    **Arguments:**

    - `density`: $\mathcal{L}$, callable from the array $[\phi, \phi_t, \phi_x]$ to a scalar or to shape `(1,)`, such
      as `eqx.nn.MLP(3, "scalar", ...)`.
    - `spacing`: $\Delta > 0$.
    - `ends`: boundary conditions. `"periodic"` is a ring; `"fixed"` has one more site with $\phi = 0$ beyond each end.

    **Raises:** `ValueError` for an invalid spacing or boundary condition, and if the density does not return a scalar.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> density = lambda x: (x[1] ** 2 - x[2] ** 2) / 2  # a string: (phi_t^2 - phi_x^2) / 2
    >>> string = nl.lagrangians.LatticeLagrangian(density, spacing=0.5)
    >>> float(string(0.0, jnp.zeros(4), jnp.array([2.0, 2.0, 2.0, 2.0])))  # 2 m that move at 2 m/s
    4.0
    ```
    """

    density: Callable[[Array], Array]
    spacing: float = eqx.field(static=True)
    ends: Literal["periodic", "fixed"] = eqx.field(static=True, default="periodic")

    def __check_init__(self):
        if not isinstance(self.spacing, float | int) or not self.spacing > 0:
            raise ValueError(f"`spacing` is {self.spacing!r}; expected a positive number")
        if self.ends not in ("periodic", "fixed"):
            raise ValueError(f"`ends` is {self.ends!r}; expected 'periodic' or 'fixed'")

    @property
    def dof(self) -> None:
        return None

    @property
    def mass_solve(self) -> AbstractMassSolve:
        return BlockDiagonal(1)

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        phi, phi_t = self._with_ends(q), self._with_ends(v)
        slope = jnp.diff(phi) / self.spacing
        left, right = (jnp.stack([phi[at], phi_t[at], slope], axis=1) for at in (slice(-1), slice(1, None)))
        densities = jax.vmap(self.density)(jnp.concatenate([left, right]))
        if densities.shape[1:] not in ((), (1,)):
            raise ValueError(f"`density` returned shape {densities.shape[1:]}; expected a scalar, () or (1,)")
        return self.spacing / 2 * jnp.sum(densities)

    def _with_ends(self, x: Array) -> Array:
        """The values at all sites with the boundary sites added, from left to right."""
        return jnp.pad(x, (0, 1), mode="wrap") if self.ends == "periodic" else jnp.pad(x, 1)
