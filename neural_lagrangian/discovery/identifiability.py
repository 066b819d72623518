"""Identifiability: which coefficients, and which combinations of them, the data determine."""

from dataclasses import KW_ONLY

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .family import Vector

MIN_SHARE = 1e-2
"""Relative component along an undetermined direction below which a coefficient is not involved in it."""


class Identifiability(eqx.Module):
    """Which coefficients, and which combinations of them, the data determine; a part of each `CoefficientFit`.

    It is computed from the Jacobian of the residuals at the solution. Arrays have the leading axes of the fit.

    - `rank`: number of independent combinations of coefficients that the data determine.
    - `fixed`: for each coefficient, whether the data determine it. `effective`: whether the motion depends on it.
    - `singular_values`: those of the Jacobian with normalised columns, initial states projected out, in falling order.
      A value near zero belongs to an undetermined combination of effective coefficients. A coefficient without effect
      has the value one and its own direction.
    - `directions`: right singular vectors as rows, in relative changes of the coefficients (absolute for a coefficient
      that is zero).

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> spring = lambda t, q, v, *, m, k: (m * v @ v - k * q @ q) / 2
    >>> family = nl.discovery.LagrangianFamily(spring, dof=1, m="positive", k="positive")
    >>> t = np.linspace(0.0, 2.0, 21)
    >>> motion = np.stack([np.cos(2 * t), -2 * np.sin(2 * t)], axis=1)  # determines k / m only
    >>> found = nl.discovery.fit_coefficients(family, t, motion).identifiability
    >>> int(found.rank), found.fixed.tolist(), found.words(family.names)
    (1, [False, False], ['m, k are not determined by these data: relative changes as 1 : 1 have no effect'])
    ```
    """

    _: KW_ONLY
    rank: Int[Array, "*systems"]
    fixed: Bool[Array, "*systems coefficients"]
    effective: Bool[Array, "*systems coefficients"]
    singular_values: Float[Array, "*systems coefficients"]
    directions: Float[Array, "*systems coefficients coefficients"]

    def words(self, names: tuple[str, ...]) -> list[str]:
        """One line for each undetermined combination of coefficients, of one system."""
        effective = np.asarray(self.effective)
        lines = [
            f"{n} is not determined by these data: it has no effect"
            for n, e in zip(names, effective, strict=True)
            if not e
        ]
        for direction in np.asarray(self.directions)[int(self.rank) + int(np.sum(~effective)) :]:
            parts = [(name, d) for name, d in zip(names, direction, strict=True) if abs(d) > MIN_SHARE]
            rates = " : ".join(f"{d / parts[0][1]:.3g}" for _, d in parts)
            together = ", ".join(name for name, _ in parts)
            lines.append(f"{together} are not determined by these data: relative changes as {rates} have no effect")
        return lines


def identifiability(
    J: Float[Array, "residuals coefficients"], c: Vector, noise: Float[Array, " residuals"]
) -> tuple[Identifiability, Float[Array, "coefficients coefficients"]]:
    r"""Identifiability and covariance of coefficients, from the Jacobian of the residuals.

    The covariance is $(J^\top J)^{-1} J^\top W J\, (J^\top J)^{-1}$, restricted to the determined combinations. $W$ is
    the diagonal matrix of the variances of the residuals.

    **Arguments:**

    - `J`: Jacobian with respect to the coefficients in units of their typical sizes; the effect of all other unknowns
      is projected out.
    - `c`: the coefficients in the same units. `noise`: variance of each residual.
    """
    tolerance = float(jnp.finfo(c.dtype).eps) ** 0.4
    length = jnp.sqrt(jnp.sum(J**2, axis=0))
    effect = length * jnp.maximum(jnp.abs(c), 1)
    effective = effect > tolerance * jnp.max(effect)  # the other columns are rounding errors
    unit = jnp.where(effective, 1 / jnp.where(effective, length, 1), 0)
    columns = jnp.concatenate([J * unit[None], jnp.diag(jnp.where(effective, 0.0, 1.0).astype(c.dtype))])
    U, s, Vt = jnp.linalg.svd(columns, full_matrices=False)
    seen = s > tolerance * jnp.maximum(s[0], 1)
    inverse = (Vt * unit[None]).T * jnp.where(seen, 1 / jnp.where(seen, s, 1), 0)[None]
    U = U[: len(J)]
    covariance = inverse @ (U.T @ (noise[:, None] * U)) @ inverse.T
    # Directions in relative changes of the coefficients; absolute for a coefficient that is zero.
    relative = Vt * (jnp.where(effective, unit, 1) / jnp.where(c == 0, 1, c))[None]
    relative = relative / jnp.max(jnp.abs(relative), axis=1, keepdims=True)
    free = jnp.where(seen[:, None], 0, jnp.abs(Vt))
    fixed = (jnp.max(free, axis=0) < MIN_SHARE) & effective
    return Identifiability(
        rank=jnp.sum(seen) - jnp.sum(~effective),
        fixed=fixed,
        effective=effective,
        singular_values=s,
        directions=relative,
    ), covariance
