r"""Compares two Lagrangians up to scale, a constant and a total derivative, and by their motion."""

from dataclasses import KW_ONLY
from typing import Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._types import Lagrangian, Scalar
from ..mechanics import BoundaryTerm, mass_matrix
from ..numerics import equilibrated
from .double_precision import double_precision, in_default_precision
from .equations import EquationSamples, sample_equations
from .errors import EquationsError

Kind = Literal["equal", "gauge-equivalent", "solution-equivalent", "different"]


class Comparison(eqx.Module):
    r"""How two Lagrangians are related: $L_2 \approx \alpha L_1 + \frac{d}{dt} F(t, q) + c$.

    - `first`, `second`: $L_1$ and $L_2$. `scale`: $\alpha$. `constant`: $c$.
    - `gauge_function`: $F$, callable `(t, q) -> scalar`, zero at the mean of the states. It has a meaning only if the
      two Lagrangians are gauge-equivalent.
    - `gauge_residual`: $|X_2 - \alpha X_1| / |X_2|$, the difference that neither scale nor gauge explains.
    - `acceleration_residual`: root mean square of $a_2 - a_1$ over that of $a_1$.
    - `kind`: "equal", "gauge-equivalent", "solution-equivalent" (the same motion, but $(M, h)$ are not proportional) or
      "different".
    """

    _: KW_ONLY
    scale: float
    constant: float
    gauge_function: BoundaryTerm
    gauge_residual: float
    acceleration_residual: float
    kind: Kind = eqx.field(static=True)
    first: Lagrangian
    second: Lagrangian

    def conserved(self, t: ArrayLike, q: Array, v: Array) -> Float[Array, " dof"]:
        r"""$\mathrm{tr}\, (M_1^{-1} M_2)^k$ for $k = 1, \dots, n$: conserved if both Lagrangians have the same motion.

        For gauge-equivalent Lagrangians these are constants. For solution-equivalent ones they may be new conserved
        quantities. (Hojman and Harleston 1981.)
        """
        M1, d = equilibrated(mass_matrix(self.first, t, q, v))
        ratio = jnp.linalg.solve(M1, mass_matrix(self.second, t, q, v) * d[:, None] * d[None])
        powers = [ratio]
        for _ in range(q.shape[0] - 1):
            powers.append(powers[-1] @ ratio)
        return jnp.stack([jnp.trace(power) for power in powers])

    def __str__(self) -> str:
        return (
            f"{self.kind}: L2 = {self.scale:.4g} L1 + dF/dt + {self.constant:.4g}, gauge residual "
            f"{100 * self.gauge_residual:.2g} %, acceleration residual {100 * self.acceleration_residual:.2g} %"
        )


def compare_lagrangians(
    first: Lagrangian, second: Lagrangian, states: ArrayLike, *, ts: ArrayLike = 0.0, tolerance: float = 0.01
) -> Comparison:
    r"""Compares two Lagrangians up to scale, a constant and a total derivative, which motion does not determine.

    $X$ holds $[\ell_i M_{ij} \sigma_j, \ell_i h_i]$ at all states. All entries are energies: $\ell$ is the standard
    deviation of the coordinates, and $\sigma$ is the root mean square acceleration of $L_1$. Then

    $$\alpha = \frac{\langle X_1, X_2 \rangle}{\langle X_1, X_1 \rangle}, \qquad
      \text{gauge residual} = \frac{|X_2 - \alpha X_1|}{|X_2|}.$$

    $F$ is the integral of $\partial (L_2 - \alpha L_1) / \partial v$ at rest, along rays from the mean $q^*$ of the
    coordinates, and $c = (L_2 - \alpha L_1)(t, q^*, 0)$. All is computed in double precision.

    **Arguments:**

    - `first`, `second`: callables `(t, q, v) -> scalar`, such as those of a system and of a trained model.
    - `states`: `[q, v]`, shape `(state, 2 dof)`. They should fill the region of interest, because different Lagrangians
      may agree on a single orbit.
    - `ts`: times of the states, shape `(state,)`, or one number for all.
    - `tolerance`: relative residuals below it count as zero for `kind`.

    **Returns:** a `Comparison`.

    **Raises:** `EquationsError` for a Lagrangian that is not finite, or that has no equations of motion (a total
    derivative); `ValueError` for wrong shapes, and for a Lagrangian that always computes in single precision.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> spring = lambda t, q, v: (v @ v - 4 * q @ q) / 2
    >>> gauged = lambda t, q, v: 3 * spring(t, q, v) + q @ v  # three times as large, plus d/dt (q^2 / 2)
    >>> states = np.random.default_rng(0).normal(size=(50, 2))
    >>> found = nl.discovery.compare_lagrangians(spring, gauged, states)
    >>> found.kind, round(found.scale, 6)
    ('gauge-equivalent', 3.0)
    ```
    """
    if not 0 < tolerance < 1:
        raise ValueError(f"`tolerance` is {tolerance}; expected a number between 0 and 1")
    one, two = (sample_equations(L, states, ts=ts) for L in (first, second))
    scales, a1, a2 = one.scales, one.accelerations, two.accelerations
    X1, X2 = scales.rows(one.M, one.h), scales.rows(two.M, two.h)
    for name, X in (("first", X1), ("second", X2)):
        if not np.linalg.norm(X) > 0:
            raise EquationsError(
                f"`{name}` has M = 0 and h = 0 at all `states`, so it has no equations of motion; expected a "
                "Lagrangian with a kinetic energy"
            )
    alpha = np.vdot(X1, X2) / np.vdot(X1, X1)
    gauge_residual = np.linalg.norm(X2 - alpha * X1) / np.linalg.norm(X2)
    acceleration_residual = np.sqrt(np.mean(((a2 - a1) / scales.acceleration) ** 2))

    t_ref, q_ref = one.ts.mean(), np.split(one.states.mean(axis=0), 2)[0]
    constant = _at_rest(first, second, alpha, t_ref, q_ref)
    of_difference = in_default_precision((jnp.asarray(alpha), jnp.asarray(constant)))
    F = BoundaryTerm(_Difference(first, second, *of_difference), jnp.asarray(q_ref, float))

    gauge_residual, acceleration_residual = float(gauge_residual), float(acceleration_residual)
    return Comparison(
        scale=float(alpha),
        constant=constant,
        gauge_function=F,
        gauge_residual=gauge_residual,
        acceleration_residual=acceleration_residual,
        kind=_kind(one, two, alpha, gauge_residual, acceleration_residual, tolerance),
        first=first,
        second=second,
    )


def _kind(
    one: EquationSamples, two: EquationSamples, alpha: float, gauge: float, acceleration: float, tolerance: float
) -> Kind:
    if gauge <= tolerance:
        same = np.linalg.norm(two.values - one.values) <= tolerance * np.linalg.norm(two.values)
        return "equal" if same and abs(alpha - 1) <= tolerance else "gauge-equivalent"
    return "solution-equivalent" if acceleration <= tolerance else "different"


@double_precision()
def _at_rest(first: Lagrangian, second: Lagrangian, alpha: float, t: float, q: Float[np.ndarray, " dof"]) -> float:
    r"""The difference $L_2 - \alpha L_1$ at rest at `q`."""
    difference = _Difference(first, second, jnp.asarray(alpha), jnp.zeros(()))
    return float(difference(jnp.asarray(t), jnp.asarray(q), jnp.zeros(len(q))))


class _Difference(eqx.Module):
    r"""The Lagrangian $L_2 - \alpha L_1 - c$."""

    first: Lagrangian
    second: Lagrangian
    scale: Array
    constant: Array

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return self.second(t, q, v) - self.scale.astype(q.dtype) * self.first(t, q, v) - self.constant.astype(q.dtype)
