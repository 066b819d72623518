r"""Coefficients of a family from recorded motion: nonlinear least squares through the integrator.

$$\min_{c,\, y_0} \sum_{n, k} \left( \frac{y_k(t_n; c, y_0) - \tilde y_{nk}}{\mathrm{rms}(\tilde y_k)} \right)^2$$

by Levenberg and Marquardt's method, from the coefficients that the integrated equations of motion give. The initial
state of each run is fitted too: it is measured no better than any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from ..integrators import GalerkinGaussLobatto, Integration, StepsPerSample
from ..numerics import root_mean_square
from ..trajectories import Trajectories
from .double_precision import double_precision, in_default_precision
from .family import LagrangianFamily, Vector
from .identifiability import Identifiability
from .integral_form import integral_start, is_affine
from .motion_fit import fit_to_motion, rollout
from .motions import Recorded, Scaled, check, recorded, scaled
from .natural_units import NaturalUnits


class CoefficientFit(eqx.Module):
    """Coefficients fitted to motions, and how well these fix them.

    Errors of the motion are taken relative to each channel's root mean square, as is right for noise in proportion to
    it. Standard errors are those of a linear fit at the solution, with the noise of each channel as large as its
    residuals are. Arrays have a leading axis of systems where the data had one.

    - `coefficients`, `standard_errors`: by name. The error is infinite where the data do not fix a coefficient.
    - `covariance`: of the coefficients, shape `(coefficients, coefficients)`.
    - `identifiability`: what the data fix: see `Identifiability`.
    - `y0s`: fitted initial states [q, v]; of several runs of one system, shape `(run, 2 dof)`. `Trajectories` are split
      at their gaps.
    - `error`: root mean square error in units of each channel's root mean square.
    - `converged`: whether the iteration came to rest. `steps`: how many it took.
    """

    _: KW_ONLY
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

    Positions and velocities do not tell the scale of a Lagrangian: leave a known coefficient as a number in the
    formula, or read ratios. Momenta and controls tell it. All is computed in double precision and in natural units.

    **Arguments:**

    - `ts`: times, shape `(time,)`, in seconds: those of every motion. A sequence of such arrays means several runs of
      **one** system, of any lengths; so do `Trajectories`, which hold the states too. They are split at their gaps, and
      stretches of fewer than four samples left out. Their controls, linear between samples, drive a force that takes
      them.
    - `data`: rows [q, v], or [q, p] with `momenta`. Shape `(time, 2 dof)` is one motion, `(systems, time, 2 dof)` one
      of each of many **systems**, each with its own coefficients; with a sequence of times, as many arrays.
    - `start`: coefficients to begin from, by name: numbers, or one for each system. `None`: the integral form's.
    - `solver`: of rollouts; `None` is `GalerkinGaussLobatto(2)`. `steps_per_sample`: equal steps between samples.
    - `max_steps`: of the iteration.

    **Raises:** `ValueError` for data of the wrong shape, not finite, at rest, or fewer than the unknowns; for
    accelerations, which are not fitted to; for controls that the family does not take, or takes and are not there.

    **Example:**

    ```python
    family = LagrangianFamily(lambda t, q, v, *, k: 0.5 * v @ v - 0.5 * k * q @ q, dof=1, k="positive")
    t = np.linspace(0.0, 2.0, 21)
    fit_coefficients(family, t, np.stack([np.cos(2 * t), -2 * np.sin(2 * t)], axis=1)).coefficients["k"]  # 4
    ```
    """
    with double_precision():
        parts = _fit_motions(family, recorded(ts, data, family), momenta, start, solver, steps_per_sample, max_steps)
    return CoefficientFit(family=family, **in_default_precision(parts))


def _fit_motions(
    family: LagrangianFamily,
    given: Recorded,
    momenta: bool,
    start: Mapping[str, ArrayLike] | None,
    solver: diffrax.AbstractSolver | None,
    steps_per_sample: int,
    max_steps: int,
) -> dict[str, Any]:
    check(given, family)
    motions = scaled(given, momenta)
    integration = Integration(
        GalerkinGaussLobatto(2) if solver is None else solver, stepsize_controller=StepsPerSample(steps_per_sample)
    )
    first = family.default if start is None else family.vector(start)
    firsts = jnp.broadcast_to(first, (len(motions.rows), len(family.names)))
    affine = bool(_is_affine(family, motions, momenta, firsts[0]))
    improve = jnp.asarray(start is None)  # an array: with a start and without, one function is compiled
    parts = _fit_all(family, integration, motions, firsts, improve, affine, momenta, max_steps)
    if not given.batched:
        parts = jax.tree.map(lambda x: x[0], parts)
    if not given.several:
        parts["y0s"] = parts["y0s"][..., 0, :]
    return parts


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
        start = jnp.where(improve, found, first)
        return fit_to_motion(family, integration, units, motion, start, scale, momenta, max_steps)

    return jax.vmap(one)(motions.units, motions.rows, firsts)


def channel_sizes(data: Float[Array, "time two_dof"]) -> Float[Array, " two_dof"]:
    """The root mean square of each channel, one where it is zero."""
    size = root_mean_square(data)
    return jnp.where(size == 0, 1, size)


def observed(
    family: LagrangianFamily, integration: Integration, ts: Array, c: Vector, y0: Array, momenta: bool
) -> Float[Array, "time two_dof"]:
    """The motion from `y0` = [q, v] with coefficients c, as rows [q, p] or [q, v]."""
    return rollout(family.term(c), integration, ts, y0, momenta)
