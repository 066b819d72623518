"""Which coefficients, and which combinations of them, data fix."""

from dataclasses import KW_ONLY

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .family import Vector

IRRELEVANT = 1e-2
"""Share of a coefficient in an undetermined direction below which it is taken to have no part in it."""


class Identifiability(eqx.Module):
    """What least squares at its solution say of the coefficients. Leading axes as of the fit.

    - `rank`: how many independent combinations of the coefficients the data fix.
    - `fixed`: of each coefficient, whether it is fixed by itself. `effective`: whether the motion depends on it.
    - `singular_values`: of the Jacobian with columns of length one, the initial state projected out: falling from
      about one, and near zero for each combination of effective coefficients that is not fixed. A coefficient
      without effect has the value one and a direction of its own.
    - `directions`: rows that belong to them, in relative changes of the coefficients where these are not zero.
    """

    _: KW_ONLY
    rank: Int[Array, "*systems"]
    fixed: Bool[Array, "*systems coefficients"]
    effective: Bool[Array, "*systems coefficients"]
    singular_values: Float[Array, "*systems coefficients"]
    directions: Float[Array, "*systems coefficients coefficients"]

    def words(self, names: tuple[str, ...]) -> list[str]:
        """A line on each combination that the data of one system leave open."""
        effective = np.asarray(self.effective)
        lines = [
            f"{n} is not fixed by these data: it has no effect" for n, e in zip(names, effective, strict=True) if not e
        ]
        for direction in np.asarray(self.directions)[int(self.rank) + int(np.sum(~effective)) :]:
            parts = [(name, d) for name, d in zip(names, direction, strict=True) if abs(d) > IRRELEVANT]
            rates = " : ".join(f"{d / parts[0][1]:.3g}" for _, d in parts)
            together = ", ".join(name for name, _ in parts)
            lines.append(f"{together} are not fixed by these data: relative changes as {rates} have no effect")
        return lines


def identifiability(
    J: Float[Array, "residuals coefficients"], c: Vector, noise: Float[Array, " residuals"]
) -> tuple[Identifiability, Float[Array, "coefficients coefficients"]]:
    r"""The report and the covariance, from the Jacobian of the residuals in the coefficients.

    $(J^\top J)^{-1} J^\top W J\, (J^\top J)^{-1}$ with W the variances of the residuals, over what the data fix.

    **Arguments:**

    - `J`: what else is fitted projected out. The coefficients count in sizes at which they would matter.
    - `c`: the coefficients, in those sizes. `noise`: the variance of each residual.
    """
    tolerance = float(jnp.finfo(c.dtype).eps) ** 0.4
    length = jnp.sqrt(jnp.sum(J**2, axis=0))
    effect = length * jnp.maximum(jnp.abs(c), 1)
    effective = effect > tolerance * jnp.max(effect)  # else its column is rounding errors
    unit = jnp.where(effective, 1 / jnp.where(effective, length, 1), 0)
    columns = jnp.concatenate([J * unit[None], jnp.diag(jnp.where(effective, 0.0, 1.0).astype(c.dtype))])
    U, s, Vt = jnp.linalg.svd(columns, full_matrices=False)
    seen = s > tolerance * jnp.maximum(s[0], 1)
    inverse = (Vt * unit[None]).T * jnp.where(seen, 1 / jnp.where(seen, s, 1), 0)[None]
    U = U[: len(J)]
    covariance = inverse @ (U.T @ (noise[:, None] * U)) @ inverse.T
    # Directions of the coefficients themselves, each relative to its coefficient unless that is zero.
    relative = Vt * (jnp.where(effective, unit, 1) / jnp.where(c == 0, 1, c))[None]
    relative = relative / jnp.max(jnp.abs(relative), axis=1, keepdims=True)
    free = jnp.where(seen[:, None], 0, jnp.abs(Vt))
    fixed = (jnp.max(free, axis=0) < IRRELEVANT) & effective
    return Identifiability(
        rank=jnp.sum(seen) - jnp.sum(~effective),
        fixed=fixed,
        effective=effective,
        singular_values=s,
        directions=relative,
    ), covariance
