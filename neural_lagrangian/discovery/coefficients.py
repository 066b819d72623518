r"""Coefficients of a family from recorded motion: nonlinear least squares through the integrator.

$$\min_{c,\, y_0} \sum_{n, k} \left( \frac{y_k(t_n; c, y_0) - \tilde y_{nk}}{\mathrm{rms}(\tilde y_k)} \right)^2$$

by Levenberg and Marquardt's method, from the coefficients that the integrated equations of motion give. The initial
state is fitted too: it is measured no better than any other.
"""

import functools
from collections.abc import Mapping
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from .._checks import floating
from ..integrators import GalerkinGaussLobatto, Integration, StepsPerSample
from ..mechanics import momentum, velocity_from_momentum
from .family import LagrangianFamily, Vector
from .identifiability import Identifiability, identifiability
from .integral_form import Quadrature, integral_start

LARGE = 1e3
"""Stands for the error of a rollout that failed, in units of the data: no step there is taken."""
PRIOR = 1e-6
"""Weight that holds what the data do not tell at its start. It moves what they tell by the square of this."""


class CoefficientFit(eqx.Module):
    """Coefficients fitted to motions, and how well these fix them.

    Arrays have a leading axis of systems where the data had one.

    - `coefficients`, `standard_errors`: by name. The error is infinite where the data do not fix a coefficient.
    - `covariance`: of the coefficients, shape `(coefficients, coefficients)`.
    - `identifiability`: what the data fix: see `Identifiability`.
    - `y0s`: fitted initial states [q, v].
    - `error`: root mean square error in units of each channel's root mean square.
    - `converged`: whether the iteration came to rest. `steps`: how many it took.
    """

    family: LagrangianFamily
    coefficients: dict[str, Array]
    standard_errors: dict[str, Array]
    covariance: Float[Array, "*systems coefficients coefficients"]
    identifiability: Identifiability
    y0s: Float[Array, "*systems two_dof"]
    error: Float[Array, "*systems"]
    converged: Bool[Array, "*systems"]
    steps: Int[Array, "*systems"]

    def __str__(self) -> str:
        if self.error.ndim:
            return self._of_many()
        lines = [
            f"{name} = {float(value):.6g} ± {float(self.standard_errors[name]):.2g}"
            for name, value in self.coefficients.items()
        ]
        lines.append(f"error {float(self.error):.2g} of each channel's size, {int(self.steps)} steps")
        if not self.converged:
            lines.append("NOT CONVERGED: these coefficients are where the iteration was stopped")
        return "\n".join(lines + self.identifiability.words(self.family.names))

    def _of_many(self) -> str:
        share = float(np.mean(np.asarray(self.converged)))
        lines = [f"{self.error.shape[0]} systems, {share:.1%} converged, median error {np.median(self.error):.2g}"]
        for name, value in self.coefficients.items():
            errors = np.asarray(self.standard_errors[name])
            fixed = float(np.mean(np.isfinite(errors)))
            lines.append(
                f"{name}: median {np.median(value):.6g}, standard error {np.median(errors):.2g}, fixed in {fixed:.1%}"
            )
        return "\n".join(lines)


def fit_coefficients(
    family: LagrangianFamily,
    ts: ArrayLike,
    data: ArrayLike,
    *,
    momenta: bool = False,
    start: Mapping[str, ArrayLike] | None = None,
    solver: diffrax.AbstractSolver | None = None,
    steps_per_sample: int = 1,
    max_steps: int = 64,
) -> CoefficientFit:
    r"""The coefficients of a family, for one recorded motion or for each of many.

    With positions and velocities alone the scale of a Lagrangian is not in the data: leave a known coefficient as a
    number in the formula, or read ratios. With momenta the scale is there.

    Errors are taken relative to each channel's root mean square, as is right for noise in proportion to it, and
    standard errors are those of a linear fit at the solution.

    **Arguments:**

    - `ts`: times, shape `(time,)`, in seconds: those of every motion.
    - `data`: rows [q, v], or [q, p] with `momenta`, shape `(time, 2 dof)` or `(systems, time, 2 dof)`.
    - `start`: coefficients to begin from, by name: numbers, or one for each system. `None` finds them by the integral
      form of the equations of motion.
    - `solver`: of rollouts; `None` is `GalerkinGaussLobatto(2)`. `steps_per_sample`: equal steps between samples.
    - `max_steps`: of the iteration.

    **Raises:** `ValueError` for data of the wrong shape, with values that are not finite, at rest, or fewer than the
    unknowns.
    """
    ts, data = _checked(family, ts, data)
    single = data.ndim == 2
    batch = data[None] if single else data
    integration = Integration(
        GalerkinGaussLobatto(2) if solver is None else solver, stepsize_controller=StepsPerSample(steps_per_sample)
    )
    quadrature = Quadrature.of(np.asarray(ts), data.dtype)
    first = family.default if start is None else family.vector(start)
    firsts = jnp.broadcast_to(first.astype(data.dtype), (batch.shape[0], len(family.names)))
    improve = jnp.asarray(start is None)  # an array: with a start and without, one function is compiled
    parts = _fit_all(family, integration, quadrature, ts, batch, firsts, improve, momenta, max_steps)
    return CoefficientFit(family, **(jax.tree.map(lambda x: x[0], parts) if single else parts))


@eqx.filter_jit
def _fit_all(
    family: LagrangianFamily,
    integration: Integration,
    quadrature: Quadrature,
    ts: Array,
    batch: Array,
    firsts: Array,
    improve: Array,
    momenta: bool,
    max_steps: int,
) -> dict[str, Any]:
    def one(data: Array, first: Vector) -> dict[str, Any]:
        found, scale = integral_start(family, quadrature, ts, data, momenta, first)
        return _fit(family, integration, ts, data, jnp.where(improve, found, first), scale, momenta, max_steps)

    return jax.vmap(one)(batch, firsts)


def _fit(
    family: LagrangianFamily,
    integration: Integration,
    ts: Array,
    data: Array,
    start: Vector,
    scale: Vector,
    momenta: bool,
    max_steps: int,
) -> dict[str, Any]:
    size = channel_sizes(data)
    # On its way a coefficient may pass below zero. What comes to rest there is set to zero, and the rest fitted again:
    # a coordinate in which zero is infinitely far away would never come to rest.
    free = family.unbounded_below()
    may_vanish = jnp.asarray(family.may_vanish)
    x_start = free.coordinates(start, scale)
    y_start = data[0]
    if momenta:
        q, p = jnp.split(data[0], 2)
        v = velocity_from_momentum(family.lagrangian(free.within(x_start, scale)), ts[0], q, p)
        y_start = jnp.concatenate([q, jnp.where(jnp.isfinite(v), v, 0)])

    def errors(c: Vector, y0: Array) -> Array:
        rows = observed(family, integration, ts, c, y0, momenta)
        relative = (rows - data) / size[None]
        return jnp.where(jnp.isfinite(relative), relative, LARGE)

    def state(unknowns: tuple[Vector, Array], zero: Array) -> tuple[Vector, Array]:
        x, shift = unknowns
        return jnp.where(zero, 0, free.within(x, scale)), y_start + size * shift

    def residual(unknowns: tuple[Vector, Array], zero: Array) -> tuple[Array, Vector]:
        return errors(*state(unknowns, zero)), PRIOR * (unknowns[0] - x_start)

    tolerance = float(jnp.finfo(data.dtype).eps) ** 0.6

    def descend(unknowns: tuple[Vector, Array], zero: Array) -> tuple[tuple[Vector, Array], Array, Array]:
        solution = optx.least_squares(
            residual,
            optx.LevenbergMarquardt(tolerance, tolerance),
            unknowns,
            zero,
            options={"jac": "fwd"},
            max_steps=max_steps,
            throw=False,
        )
        return solution.value, solution.result == optx.RESULTS.successful, solution.stats["num_steps"]

    def again(carry: Any, _: None) -> tuple[Any, Any]:
        unknowns, zero = carry
        unknowns, rests, steps = descend(unknowns, zero)
        return (unknowns, zero | (may_vanish & (free.within(unknowns[0], scale) < 0))), (zero, rests, steps)

    start_at = (x_start, jnp.zeros_like(y_start)), jnp.zeros_like(may_vanish)
    (unknowns, _), (zero, rests, steps) = jax.lax.scan(again, start_at, length=2)
    c, y0 = state(unknowns, zero[-1])
    c = jnp.where(may_vanish, jnp.maximum(c, 0), c)
    J_c, J_y = jax.jacfwd(lambda c, shift: errors(c, y0 + size * shift).reshape(-1), (0, 1))(c, jnp.zeros_like(y0))
    remaining = errors(c, y0)
    report, covariance = identifiability(J_c, J_y, c, scale, remaining)
    error = jnp.sqrt(jnp.mean(remaining**2))
    deviations = jnp.where(report.fixed, jnp.sqrt(jnp.diagonal(covariance)), jnp.inf)
    return {
        "coefficients": dict(zip(family.names, c, strict=True)),
        "standard_errors": dict(zip(family.names, deviations, strict=True)),
        "covariance": covariance,
        "identifiability": report,
        "y0s": y0,
        "error": error,
        "converged": rests[-1] & (error < LARGE / 10),
        "steps": jnp.sum(steps),
    }


def channel_sizes(data: Float[Array, "time two_dof"]) -> Float[Array, " two_dof"]:
    """The root mean square of each channel, one where it is zero."""
    size = jnp.sqrt(jnp.mean(data**2, axis=0))
    return jnp.where(size == 0, 1, size)


def observed(
    family: LagrangianFamily, integration: Integration, ts: Array, c: Vector, y0: Array, momenta: bool
) -> Float[Array, "time two_dof"]:
    """The motion from `y0` = [q, v] with coefficients c, as rows [q, p] or [q, v]."""
    ys = integration.rollout(family.term(c), ts, y0)
    if not momenta:
        return ys
    q, v = jnp.split(ys, 2, axis=1)
    p = jax.vmap(functools.partial(momentum, family.lagrangian(c)))(ts, q, v)
    return jnp.concatenate([q, p], axis=1)


def _checked(family: LagrangianFamily, ts: ArrayLike, data: ArrayLike) -> tuple[Array, Array]:
    shape = ("time", 2 * family.dof)
    data = floating("data", data, shape if np.ndim(data) < 3 else ("systems", *shape))
    ts = floating("ts", ts, (data.shape[-2],)).astype(data.dtype)
    if not np.all(np.diff(np.asarray(ts)) > 0):
        raise ValueError("`ts` do not increase; expected increasing times")
    batch = np.asarray(data)[None] if data.ndim == 2 else np.asarray(data)
    unknowns = len(family.names) + 2 * family.dof
    if batch.shape[1] < 4 or batch[0].size <= unknowns:
        raise ValueError(
            f"`data` has {batch.shape[1]} samples of {2 * family.dof} numbers for {unknowns} unknowns (coefficients "
            f"and initial state); expected more, and at least 4 samples"
        )
    bad = ~np.isfinite(batch).all(axis=(1, 2))
    if bad.any():
        raise ValueError(f"`data` of system {np.flatnonzero(bad)[0]} is not finite; expected finite values")
    still = np.ptp(batch, axis=1).max(axis=1) == 0
    if still.any():
        raise ValueError(f"`data` of system {np.flatnonzero(still)[0]} does not move; expected motion")
    return ts, data
