r"""Coefficients of a family from recorded motion: nonlinear least squares through the integrator.

$$\min_{c,\, y_0} \sum_{n, k} \left( \frac{y_k(t_n; c, y_0) - \tilde y_{nk}}{\mathrm{rms}(\tilde y_k)} \right)^2$$

by Levenberg and Marquardt's method, from the coefficients that the integrated equations of motion give. The initial
state of each run is fitted too: it is measured no better than any other.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from ..integrators import GalerkinGaussLobatto, Integration, StepsPerSample
from ..mechanics import EulerLagrangeTerm, momentum, velocity_from_momentum
from ..trajectories import Trajectories
from .double_precision import double_precision, in_default_precision
from .family import LagrangianFamily, Vector
from .identifiability import Identifiability, identifiability
from .integral_form import Motion, integral_start, is_affine
from .motions import Scaled, check, recorded, scaled
from .natural_units import NaturalUnits
from .shared_least_squares import descend, linearized, projected

LARGE = 1e3
"""Stands for the error of a rollout that failed, in units of the data: no step there is taken."""
TOLERANCE = 1e-8
"""Length of a step, in natural units, at which the iteration ends."""
PRIOR = 1e-6
"""Weight that holds what the data do not tell at its start. It moves what they tell by the square of this."""


class CoefficientFit(eqx.Module):
    """Coefficients fitted to motions, and how well these fix them.

    Arrays have a leading axis of systems where the data had one.

    - `coefficients`, `standard_errors`: by name. The error is infinite where the data do not fix a coefficient.
    - `covariance`: of the coefficients, shape `(coefficients, coefficients)`.
    - `identifiability`: what the data fix: see `Identifiability`.
    - `y0s`: fitted initial states [q, v]; of several runs of one system, shape `(run, 2 dof)`.
    - `error`: root mean square error in units of each channel's root mean square.
    - `converged`: whether the iteration came to rest. `steps`: how many it took.
    """

    family: LagrangianFamily
    coefficients: dict[str, Array]
    standard_errors: dict[str, Array]
    covariance: Float[Array, "*systems coefficients coefficients"]
    identifiability: Identifiability
    y0s: Float[Array, "*systems_or_runs two_dof"]
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
    ts: ArrayLike | Sequence[ArrayLike] | Trajectories,
    data: ArrayLike | Sequence[ArrayLike] | None = None,
    *,
    momenta: bool = False,
    start: Mapping[str, ArrayLike] | None = None,
    solver: diffrax.AbstractSolver | None = None,
    steps_per_sample: int = 1,
    max_steps: int = 64,
) -> CoefficientFit:
    r"""The coefficients of a family, for one recorded motion, for several runs of one system, or for many systems.

    With positions and velocities alone the scale of a Lagrangian is not in the data: leave a known coefficient as a
    number in the formula, or read ratios. With momenta the scale is there.

    Errors are taken relative to each channel's root mean square, as is right for noise in proportion to it. Standard
    errors are those of a linear fit at the solution, with the noise of each channel as large as its residuals are.
    All is computed in double precision and in natural units of the motion: in seconds or in years, in metres or in
    micrometres, the answer is the same.

    **Arguments:**

    - `ts`: times, shape `(time,)`, in seconds: those of every motion. A sequence of such arrays means several runs of
      **one** system, of any lengths; so do `Trajectories`, which hold the states too.
    - `data`: rows [q, v], or [q, p] with `momenta`. Shape `(time, 2 dof)` is one motion, shape
      `(systems, time, 2 dof)` one motion of each of many **systems**, each with its own coefficients; with a sequence
      of times, a sequence of as many arrays `(time, 2 dof)`, which share the coefficients.
    - `start`: coefficients to begin from, by name: numbers, or one for each system. `None` finds them by the integral
      form of the equations of motion.
    - `solver`: of rollouts; `None` is `GalerkinGaussLobatto(2)`. `steps_per_sample`: equal steps between samples.
    - `max_steps`: of the iteration.

    **Raises:** `ValueError` for data of the wrong shape, with values that are not finite, at rest, or fewer than the
    unknowns; for `Trajectories` with controls or accelerations, which are not fitted to.

    **Example:**

    ```python
    family = LagrangianFamily(lambda t, q, v, *, k: 0.5 * v @ v - 0.5 * k * q @ q, dof=1, k="positive")
    short, long = np.linspace(0.0, 2.0, 21), np.linspace(0.0, 3.0, 31)
    runs = [np.stack([np.cos(2 * t), -2 * np.sin(2 * t)], axis=1) for t in (short, long)]
    fit_coefficients(family, [short, long], runs).coefficients["k"]  # 4
    ```
    """
    with double_precision():
        motions = recorded(ts, data, family.dof)
        check(motions, family)
        parts = _fit_motions(family, scaled(motions, momenta), momenta, start, solver, steps_per_sample, max_steps)
        if not motions.batched:
            parts = jax.tree.map(lambda x: x[0], parts)
        if not motions.several:
            parts["y0s"] = parts["y0s"][..., 0, :]
    return CoefficientFit(family, **in_default_precision(parts))


def _fit_motions(
    family: LagrangianFamily,
    motions: Scaled,
    momenta: bool,
    start: Mapping[str, ArrayLike] | None,
    solver: diffrax.AbstractSolver | None,
    steps_per_sample: int,
    max_steps: int,
) -> dict[str, Any]:
    integration = Integration(
        GalerkinGaussLobatto(2) if solver is None else solver, stepsize_controller=StepsPerSample(steps_per_sample)
    )
    first = family.default if start is None else family.vector(start)
    firsts = jnp.broadcast_to(first, (len(motions.rows), len(family.names)))
    affine = bool(_is_affine(family, motions, momenta, firsts[0]))
    improve = jnp.asarray(start is None)  # an array: with a start and without, one function is compiled
    return _fit_all(family, integration, motions, firsts, improve, affine, momenta, max_steps)


@eqx.filter_jit
def _is_affine(family: LagrangianFamily, motions: Scaled, momenta: bool, first: Vector) -> Array:
    units, rows = jax.tree.map(lambda x: x[0], (motions.units, motions.rows))
    return is_affine(family, units, motions.motion(units, rows), momenta, first)


@eqx.filter_jit
def _fit_all(
    family: LagrangianFamily,
    integration: Integration,
    motions: Scaled,
    firsts: Array,
    improve: Array,
    affine: bool,
    momenta: bool,
    max_steps: int,
) -> dict[str, Any]:
    def one(units: NaturalUnits, rows: Array, first: Vector) -> dict[str, Any]:
        motion = motions.motion(units, rows)
        found, scale = integral_start(family, units, motion, momenta, first, affine)
        return _fit(family, integration, units, motion, jnp.where(improve, found, first), scale, momenta, max_steps)

    return jax.vmap(one)(motions.units, motions.rows, firsts)


def _fit(
    family: LagrangianFamily,
    integration: Integration,
    units: NaturalUnits,
    motion: Motion,
    start: Vector,
    scale: Vector,
    momenta: bool,
    max_steps: int,
) -> dict[str, Any]:
    mask = motion.quadrature.mask
    count = jnp.sum(mask)
    size = _sizes(motion.rows, mask)
    # On its way a coefficient may pass below zero. What comes to rest there is set to zero, and the rest fitted again:
    # a coordinate in which zero is infinitely far away would never come to rest.
    free = family.unbounded_below()
    may_vanish = jnp.asarray(family.may_vanish)
    x_start = free.coordinates(start, scale)
    y_starts = motion.rows[:, 0]
    units = _with_energy(family, units, motion, momenta, free.within(x_start, scale))
    if momenta:
        y_starts = jax.vmap(lambda t0, y: _velocities(units.term(family.term(free.within(x_start, scale)), t0), y))(
            motion.origins, y_starts
        )
    runs = motion.origins, motion.ts, motion.rows, mask, y_starts

    def errors(c: Vector, shift: Array, run: Any) -> Array:
        origin, ts, data, real, y_start = run
        rows = rollout(units.term(family.term(c), origin), integration, ts, y_start + size * shift, momenta)
        relative = (rows - data) / size[None]
        return jnp.where(real[:, None], jnp.where(jnp.isfinite(relative), relative, LARGE), 0)

    def again(carry: Any, _: None) -> tuple[Any, Any]:
        x, shifts, zero = carry

        def residual(x: Vector, shift: Array, run: Any) -> Array:
            return errors(jnp.where(zero, 0, free.within(x, scale)), shift, run).reshape(-1)

        end = descend(residual, x, shifts, runs, weight=PRIOR, tolerance=TOLERANCE, max_steps=max_steps)
        below = zero | (may_vanish & (free.within(end.x, scale) < 0))
        return (end.x, end.ys, below), (zero, end.rests, end.steps)

    start_at = x_start, jnp.zeros_like(y_starts), jnp.zeros_like(may_vanish)
    (x, shifts, _), (zero, rests, steps) = jax.lax.scan(again, start_at, length=2)
    c = jnp.where(zero[-1], 0, free.within(x, scale))
    c = jnp.where(may_vanish, jnp.maximum(c, 0), c)

    at = linearized(lambda x, y, run: errors(x * scale, y, run).reshape(-1), c / scale, shifts, runs)
    remaining = at.r.reshape(*motion.rows.shape)
    noise = jnp.sum(remaining**2, axis=(0, 1)) / jnp.maximum(count - (len(c) + shifts.size) / len(size), 1)
    report, covariance = identifiability(projected(at), c / scale, jnp.tile(noise, mask.size))
    error = jnp.sqrt(jnp.sum(remaining**2) / (count * len(size)))
    covariance = covariance * jnp.outer(scale, scale)
    deviations = jnp.where(report.fixed, jnp.sqrt(jnp.diagonal(covariance)), jnp.inf)
    return {
        "coefficients": dict(zip(family.names, c, strict=True)),
        "standard_errors": dict(zip(family.names, deviations, strict=True)),
        "covariance": covariance,
        "identifiability": report,
        "y0s": (y_starts + size[None] * shifts) * units.sizes(momenta=False)[None],
        "error": error,
        "converged": rests[-1] & (error < LARGE / 10),
        "steps": jnp.sum(steps),
    }


def _with_energy(
    family: LagrangianFamily, units: NaturalUnits, motion: Motion, momenta: bool, c: Vector
) -> NaturalUnits:
    """The units with that of the Lagrangian read off its momenta, where the data do not have them."""
    if momenta:
        return units

    def size(origin: Array, y: Array) -> Array:
        lagrangian = units.term(family.term(c), origin).lagrangian
        return jnp.sum(momentum(lagrangian, jnp.zeros_like(origin), *jnp.split(y, 2)) ** 2)

    squares = jax.vmap(jax.vmap(size, (None, 0)))(motion.origins, motion.rows)
    energy = jnp.sqrt(jnp.sum(jnp.where(motion.quadrature.mask, squares, 0)) / jnp.sum(motion.quadrature.mask))
    return eqx.tree_at(lambda u: u.energy, units, jnp.where(jnp.isfinite(energy) & (energy > 0), energy, 1))


def _velocities(term: EulerLagrangeTerm, y: Array) -> Array:
    """[q, v] of [q, p] at the beginning of a run."""
    q, p = jnp.split(y, 2)
    v = velocity_from_momentum(term.lagrangian, jnp.zeros((), q.dtype), q, p)
    return jnp.concatenate([q, jnp.where(jnp.isfinite(v), v, 0)])


def _sizes(rows: Float[Array, "run time two_dof"], mask: Array) -> Float[Array, " two_dof"]:
    size = jnp.sqrt(jnp.sum(jnp.where(mask[..., None], rows**2, 0), axis=(0, 1)) / jnp.sum(mask))
    return jnp.where(size == 0, 1, size)


def channel_sizes(data: Float[Array, "time two_dof"]) -> Float[Array, " two_dof"]:
    """The root mean square of each channel, one where it is zero."""
    size = jnp.sqrt(jnp.mean(data**2, axis=0))
    return jnp.where(size == 0, 1, size)


def observed(
    family: LagrangianFamily, integration: Integration, ts: Array, c: Vector, y0: Array, momenta: bool
) -> Float[Array, "time two_dof"]:
    """The motion from `y0` = [q, v] with coefficients c, as rows [q, p] or [q, v]."""
    return rollout(family.term(c), integration, ts, y0, momenta)


def rollout(
    term: EulerLagrangeTerm, integration: Integration, ts: Array, y0: Array, momenta: bool
) -> Float[Array, "time two_dof"]:
    """The motion of a term from `y0` = [q, v], as rows [q, p] or [q, v]."""
    ys = integration.rollout(term, ts, y0)
    if not momenta:
        return ys
    q, v = jnp.split(ys, 2, axis=1)
    p = jax.vmap(functools.partial(momentum, term.lagrangian))(ts, q, v)
    return jnp.concatenate([q, p], axis=1)
