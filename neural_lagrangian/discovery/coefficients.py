r"""Coefficients of a family from recorded motion, by nonlinear least squares on rollouts (output error).

$$\min_{c,\, y_0} \sum_{n, k} \left( \frac{y_k(t_n; c, y_0) - \tilde y_{nk}}{\mathrm{rms}(\tilde y_k)} \right)^2$$

The Levenberg-Marquardt method solves it. It starts from the coefficients that the integral form of the equations of
motion gives. The initial state of each run is fitted too, because its measurement has noise like any other.
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
from .motions import Recorded, ScaledMotions, check, recorded, scaled
from .natural_units import NaturalUnits


class CoefficientFit(eqx.Module):
    """Fitted coefficients with standard errors and identifiability; returned by `fit_coefficients`.

    Residuals are relative to the root mean square of their channel (a coordinate, velocity or momentum). Standard
    errors come from a linear fit at the solution; the noise of each channel is estimated from its residuals. Arrays
    have a leading axis of systems if the data had one.

    - `family`: the `LagrangianFamily` that was fitted.
    - `coefficients`, `standard_errors`: by name. A standard error is infinite if the data do not determine the
      coefficient.
    - `covariance`: covariance of the coefficients, shape `(coefficients, coefficients)`.
    - `identifiability`: which coefficients the data determine; see `Identifiability`.
    - `y0s`: fitted initial states [q, v], shape `(2 dof,)`; for several runs of one system, shape `(run, 2 dof)`.
      `Trajectories` count one run for each stretch between gaps.
    - `error`: root mean square error, relative to the root mean square of each channel.
    - `converged`: whether the iteration converged. `steps`: number of its steps.
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
        lines.append(f"relative error {float(self.error):.2g}, {int(self.steps)} steps")
        if not self.converged:
            lines.append("NOT CONVERGED: the iteration was stopped here; increase `max_steps`, or give another `start`")
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
    r"""Fits the coefficients of a family to one motion, to several runs of one system, or to many systems at once.

    Positions and velocities do not determine the overall scale of a Lagrangian. Write one known coefficient as a number
    in the formula, or use ratios of coefficients only. Momenta or controls do determine the scale. The fit runs in
    double precision and in natural units.

    **Arguments:**

    - `family`: the formula and its coefficients.
    - `ts`: times in seconds, shape `(time,)`, shared by all motions. For several runs of **one** system give a sequence
      of such arrays, or `Trajectories`, which hold the states too. `Trajectories` are split at their gaps; stretches
      with fewer than four samples are dropped. Their controls, interpolated linearly, drive a force that takes them.
    - `data`: rows [q, v], or [q, p] with `momenta`. Shape `(time, 2 dof)` is one motion; shape
      `(systems, time, 2 dof)` is one motion of each of many **systems**, which are fitted separately. With a sequence
      of times, give a sequence of as many arrays.
    - `momenta`: whether `data` holds momenta p instead of velocities v.
    - `start`: initial coefficients by name, one number or one for each system. `None` starts from the integral form.
    - `solver`: integrator of the rollouts; `None` is `GalerkinGaussLobatto(2)`. `steps_per_sample`: its equal steps
      between two samples.
    - `max_steps`: most steps of the iteration.

    **Returns:** a `CoefficientFit`.

    **Raises:** `ValueError` for data that have the wrong shape, are not finite, do not move, or are fewer than the
    unknowns; for accelerations, which are not used; for controls that the family does not take, and for missing ones.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> family = nl.discovery.LagrangianFamily(lambda t, q, v, *, k: (v @ v - k * q @ q) / 2, dof=1, k="positive")
    >>> t = np.linspace(0.0, 2.0, 21)
    >>> motion = np.stack([np.cos(2 * t), -2 * np.sin(2 * t)], axis=1)  # a spring of 4 N/m on a mass of 1 kg
    >>> found = nl.discovery.fit_coefficients(family, t, motion)
    >>> round(float(found.coefficients["k"]), 4)
    4.0
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
    improve = jnp.asarray(start is None)  # an array, so that one compiled function serves with and without a start
    parts = _fit_all(family, integration, motions, firsts, improve, affine, momenta, max_steps)
    if not given.batched:
        parts = jax.tree.map(lambda x: x[0], parts)
    if not given.several:
        parts["y0s"] = parts["y0s"][..., 0, :]
    return parts


@eqx.filter_jit
def _is_affine(family: LagrangianFamily, motions: ScaledMotions, momenta: bool, first: Vector) -> Array:
    units, rows = jax.tree.map(lambda x: x[0], (motions.units, motions.rows))
    return is_affine(family, units, motions.motion(units, rows), momenta, first)


@eqx.filter_jit
def _fit_all(
    family: LagrangianFamily,
    integration: Integration,
    motions: ScaledMotions,
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
    """The root mean square of each channel; one if it is zero."""
    size = root_mean_square(data)
    return jnp.where(size == 0, 1, size)


def observed(
    family: LagrangianFamily, integration: Integration, ts: Array, c: Vector, y0: Array, momenta: bool
) -> Float[Array, "time two_dof"]:
    """Rollout from `y0` = [q, v] with coefficients c, as rows [q, v], or [q, p] with `momenta`."""
    return rollout(family.term(c), integration, ts, y0, momenta)
