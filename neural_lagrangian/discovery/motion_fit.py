"""Fits coefficients to the runs of one system by rollouts, in natural units."""

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import Lagrangian
from ..integrators import Integration
from ..mechanics import EulerLagrangeTerm, momentum, velocity_from_momentum
from ..numerics import root_mean_square
from .family import LagrangianFamily, Vector
from .identifiability import identifiability
from .integral_form import Motion, driven_term
from .natural_units import NaturalUnits
from .shared_least_squares import descend, linearized, projected_jacobian

FAILED_RESIDUAL = 1e3
"""Residual of a failed rollout, relative to the size of the data, so large that the step is rejected."""
STEP_TOLERANCE = 1e-8
"""Relative length of a step, in natural units, at which the iteration ends."""
PRIOR_WEIGHT = 1e-6
"""Weight that keeps undetermined combinations at their start. It changes determined ones by its square."""


def fit_to_motion(
    family: LagrangianFamily,
    integration: Integration,
    units: NaturalUnits,
    motion: Motion,
    start: Vector,
    scale: Vector,
    momenta: bool,
    max_steps: int,
) -> dict[str, Any]:
    """Fits one system; returns the fields of a `CoefficientFit` except `family`.

    **Arguments:**

    - `start`: initial coefficients. `scale`: their typical sizes.
    """
    # A non-negative coefficient may become negative during the iteration. If it ends negative, it is set to zero and
    # the others are fitted again. With a logarithmic coordinate zero would be infinitely far, and the fit would not
    # converge.
    free, may_vanish = family.unbounded_below(), jnp.asarray(family.may_vanish)
    x_start = free.coordinates(start, scale)
    problem = _Rollouts.of(free, integration, units, motion, free.within(x_start, scale), momenta)

    def again(carry: Any, _: None) -> tuple[Any, Any]:
        x, shifts, zero = carry

        def residual(x: Vector, shift: Array, run: Any) -> Array:
            return problem.errors(jnp.where(zero, 0, free.within(x, scale)), shift, run)

        end = descend(
            residual, x, shifts, problem.runs, weight=PRIOR_WEIGHT, tolerance=STEP_TOLERANCE, max_steps=max_steps
        )
        below = zero | (may_vanish & (free.within(end.x, scale) < 0))
        return (end.x, end.ys, below), (zero, end.rests, end.steps)

    start_at = x_start, jnp.zeros_like(motion.rows[:, 0]), jnp.zeros_like(may_vanish)
    (x, shifts, _), (zero, rests, steps) = jax.lax.scan(again, start_at, length=2)
    c = jnp.where(zero[-1], 0, free.within(x, scale))
    c = jnp.where(may_vanish, jnp.maximum(c, 0), c)
    fields = _report(family, problem, c, scale, shifts)
    return fields | {"converged": rests[-1] & (fields["error"] < FAILED_RESIDUAL / 10), "steps": jnp.sum(steps)}


class _Rollouts(NamedTuple):
    """Rollouts compared with the runs of one system; `errors` are relative to the `size` of each channel."""

    family: LagrangianFamily
    integration: Integration
    units: NaturalUnits
    size: Float[Array, " two_dof"]
    momenta: bool
    runs: Any

    @staticmethod
    def of(
        family: LagrangianFamily,
        integration: Integration,
        units: NaturalUnits,
        motion: Motion,
        start: Vector,
        momenta: bool,
    ) -> "_Rollouts":
        units = _with_energy(family, units, motion, momenta, start)
        y_starts = motion.rows[:, 0]
        if momenta:
            y_starts = jax.vmap(lambda t0, y: _velocities(units.lagrangian(family.lagrangian(start), t0), y))(
                motion.origins, y_starts
            )
        mask = motion.quadrature.mask
        size = root_mean_square(motion.rows, mask)
        size = jnp.where(size == 0, 1, size)
        runs = motion.origins, motion.ts, motion.rows, motion.controls, mask, y_starts
        return _Rollouts(family, integration, units, size, momenta, runs)

    def errors(self, c: Vector, shift: Array, run: Any) -> Array:
        """Residuals of one run whose initial state is shifted, as a vector."""
        origin, ts, data, us, real, y_start = run
        term = driven_term(self.family, self.units, c, origin, ts, us)
        rows = rollout(term, self.integration, ts, y_start + self.size * shift, self.momenta)
        relative = (rows - data) / self.size[None]
        return jnp.where(real[:, None], jnp.where(jnp.isfinite(relative), relative, FAILED_RESIDUAL), 0).reshape(-1)


def _report(family: LagrangianFamily, problem: _Rollouts, c: Vector, scale: Vector, shifts: Array) -> dict[str, Any]:
    """Coefficients with standard errors and identifiability, from the linearisation at the solution."""
    *_, rows, _, mask, y_starts = problem.runs
    count, channels = jnp.sum(mask), rows.shape[2]
    at = linearized(lambda x, y, run: problem.errors(x * scale, y, run), c / scale, shifts, problem.runs)
    remaining = at.r.reshape(*rows.shape)
    noise = jnp.sum(remaining**2, axis=(0, 1)) / jnp.maximum(count - (len(c) + shifts.size) / channels, 1)
    report, covariance = identifiability(
        projected_jacobian(at).reshape(-1, len(c)), c / scale, jnp.tile(noise, mask.size)
    )
    covariance = covariance * jnp.outer(scale, scale)
    deviations = jnp.where(report.fixed, jnp.sqrt(jnp.diagonal(covariance)), jnp.inf)
    return {
        "coefficients": dict(zip(family.names, c, strict=True)),
        "standard_errors": dict(zip(family.names, deviations, strict=True)),
        "covariance": covariance,
        "identifiability": report,
        "y0s": (y_starts + problem.size[None] * shifts) * problem.units.sizes(momenta=False)[None],
        "error": jnp.sqrt(jnp.sum(remaining**2) / (count * channels)),
    }


def _with_energy(
    family: LagrangianFamily, units: NaturalUnits, motion: Motion, momenta: bool, c: Vector
) -> NaturalUnits:
    """The units with a unit of energy from the momenta of the Lagrangian, if the data hold no momenta."""
    if momenta:
        return units

    def size(origin: Array, y: Array) -> Array:
        lagrangian = units.lagrangian(family.lagrangian(c), origin)
        return jnp.sum(momentum(lagrangian, jnp.zeros_like(origin), *jnp.split(y, 2)) ** 2)

    squares = jax.vmap(jax.vmap(size, (None, 0)))(motion.origins, motion.rows)
    energy = jnp.sqrt(jnp.sum(jnp.where(motion.quadrature.mask, squares, 0)) / jnp.sum(motion.quadrature.mask))
    return eqx.tree_at(lambda u: u.energy, units, jnp.where(jnp.isfinite(energy) & (energy > 0), energy, 1))


def _velocities(lagrangian: Lagrangian, y: Array) -> Array:
    """The state [q, v] from [q, p] at the beginning of a run."""
    q, p = jnp.split(y, 2)
    v = velocity_from_momentum(lagrangian, jnp.zeros((), q.dtype), q, p)
    return jnp.concatenate([q, jnp.where(jnp.isfinite(v), v, 0)])


def rollout(
    term: EulerLagrangeTerm, integration: Integration, ts: Array, y0: Array, momenta: bool
) -> Float[Array, "time two_dof"]:
    """Rollout of a term from `y0` = [q, v], as rows [q, v], or [q, p] with `momenta`."""
    ys = integration.rollout(term, ts, y0)
    if not momenta:
        return ys
    q, v = jnp.split(ys, 2, axis=1)
    p = jax.vmap(functools.partial(momentum, term.lagrangian))(ts, q, v)
    return jnp.concatenate([q, p], axis=1)
