"""The rigid chain as a candidate beside the network and the formula of the search."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..discovery import noise_of
from ..integrators import RK4, StepsPerSample
from ..models import NeuralLagrangian
from ..trajectories import Trajectories, spread
from .candidates import symbols_for
from .chain_fit import ChainFit, chain_of, fit_chain, misfit
from .chain_start import estimated
from .chain_windows import MAX_ROWS, MIN_ROWS, WindowPlan
from .columns import Columns
from .formulas import TIME_IS_UP, Attempt
from .judging import better_than_baselines, rollout_errors
from .measure import Measure
from .preparation import Task
from .refinement import MAX_LOSS_RATIO, Constant, RefinedFormula, damping_matrix
from .rigid_chain import MAX_BODIES, ChainTerms, Frame, RigidChain, frames, friction_at_joints
from .starts import starts_of

WIDTH_SHARE = 0.03
"""Speed below which dry friction falls to zero, as a share of the root mean square of the joint rate."""

FIRST_NOISE = (1e-4, 0.03)
"""Least noise of positions and of velocities at the start of a fit, as a share of their size. Recorded velocities are
often filtered, which delays them: they count little until the fit to the positions has shown how good they are.
"""


class Candidate(NamedTuple):
    """A fitted chain, and its mean square residual on the validation set."""

    fit: ChainFit
    misfit: float


def is_tried(columns: Columns) -> bool:
    """Whether a chain may describe a recording: all coordinates are angles, and there are few."""
    return len(columns.periodic) == columns.dof <= MAX_BODIES


def with_chain(
    formula: RefinedFormula | None, task: Task, is_over: Callable[[], bool] = lambda: False
) -> tuple[RefinedFormula | None, list[Attempt]]:
    """The formula of a rigid chain in place of `formula`, if it predicts the validation set better.

    If both predict equally well, the one with fewer constants is taken. Returns the formula and, if a chain was tried
    and is not taken, an attempt that says why.
    """
    if not is_tried(task.columns):
        return formula, []
    where = f"a rigid chain of {task.columns.dof} {'body' if task.columns.dof == 1 else 'bodies'}"
    if is_over():
        return formula, [Attempt(where, None, TIME_IS_UP)]
    best = best_chain(task, is_over)
    if best is None:
        return formula, [Attempt(where, None, "the motion does not determine its constants")]
    chain = _refined(where, best, task)
    return _chosen(formula, chain, int(best.fit.free.sum()), task)


def best_chain(task: Task, is_over: Callable[[], bool] = lambda: False) -> Candidate | None:
    """Fit chains with absolute and with relative angles. The better one on the validation set is taken, or the first.

    It is `None` if no fit ends with finite rollouts.
    """
    estimate, observed = (
        [task.scaling.scale(part) for part in (parts.train, parts.validation)] for parts in (task.parts, task.observed)
    )
    plan = WindowPlan.of(*estimate)
    if plan.rows < MIN_ROWS:
        return None
    size = _size(estimate[0])
    windows = plan.windows(estimate[0], observed[0], max(1, MAX_ROWS // plan.rows), size)
    held = plan.windows(estimate[1], observed[1], len(windows.ts), size).padded(len(windows.ts))
    noise = _noise(observed[0], size, bool(task.columns.velocities))
    found: list[Candidate] = []
    for frame in frames(task.columns.dof):
        pieces = [(t[:: plan.stride], *_turned(y[:: plan.stride], frame)) for t, y in estimate[0]]
        rates = np.concatenate([np.diff(w, axis=1, prepend=0.0) for _, _, w in pieces])
        width = WIDTH_SHARE * np.sqrt(np.mean(rates**2, axis=0))
        width = np.where(width > 0, width, WIDTH_SHARE)
        start = estimated(pieces, width)
        if start is None or (found and is_over()):
            continue
        fit = fit_chain(windows, frame, start, width, noise, is_over)
        # both are measured in the same noise
        found.append(Candidate(fit, misfit(fit._replace(noise=(found[0].fit if found else fit).noise), held)))
    found = [one for one in found if np.isfinite(one.misfit) and np.isfinite(one.fit.squares).all()]
    if not found:
        return None
    first, other = found[0], found[-1]
    return other if MAX_LOSS_RATIO * other.misfit < first.misfit else first


def _turned(ys: np.ndarray, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Angles of the bodies, without offsets, and their rates."""
    q, v = np.split(np.asarray(ys, np.float64), 2, axis=1)
    return q @ frame.matrix.T, v @ frame.matrix.T


def _size(motion: Trajectories) -> np.ndarray:
    """Typical size of each channel; of an angle at most 1 rad."""
    found = np.array(spread(motion, range(motion.dof)), np.float64)
    found[: motion.dof] = np.minimum(found[: motion.dof], 1.0)
    return np.where(found > 0, found, 1.0)


def _noise(observed: Trajectories, size: np.ndarray, recorded_velocities: bool) -> np.ndarray:
    """Estimated noise of each channel; infinite for velocities that were not recorded."""
    pieces = [(np.asarray(t, np.float64), np.asarray(y, np.float64)) for t, y in observed]
    noise, _ = noise_of(pieces, np.full(observed.dof, 2 * np.pi))
    noise = np.maximum(noise, np.repeat(FIRST_NOISE, observed.dof) * size)
    if not recorded_velocities:
        noise[observed.dof :] = np.inf
    return noise


def _refined(where: str, best: Candidate, task: Task) -> RefinedFormula:
    """The chain as a formula with its friction, in SI units of time, scaled as other formulas are."""
    fit, time = best.fit, float(task.scaling.t_scale)
    frame, dtype, n = fit.frame, jnp.result_type(float), len(fit.width)
    first = 0 if frame.kind == "absolute" else n - 1  # a squared velocity has the coefficient 1/2
    width, x = (jnp.asarray(part, dtype) for part in (fit.width, fit.x))
    terms = ChainTerms.of(frame, symbols_for(task.columns))

    def chain(x):
        found = chain_of(x, width)
        return found.in_units(1 / found.inertia[first, first], time)

    def errors(of) -> np.ndarray:
        J = np.asarray(jax.jacfwd(of)(x), np.float64)
        return np.sqrt(np.maximum(np.einsum("ik,kl,il->i", J, fit.covariance, J), 0.0))

    found = chain(x)
    formula = terms.formula(found, errors(lambda x: terms.coefficients(chain(x))))
    values = np.asarray(_constants(found), np.float64)
    named = zip(_names(n), values, errors(lambda x: _constants(chain(x))), strict=True)
    constants = [Constant(*name, value, error) for name, value, error in named if value != 0 or error > 0]
    force = friction_at_joints(found.linear, found.dry, found.width, frame.joints)
    described = f"{where}, {frame.kind} angles" if n > 1 else where
    model = NeuralLagrangian(formula, force=force)
    return RefinedFormula(described, model, best.misfit, constants=tuple(constants))


def _constants(chain: RigidChain) -> jax.Array:
    """Inertias, weights, offsets in degrees, linear and dry friction, in the order of `_names`."""
    inertia = chain.inertia[np.triu_indices(len(chain.weight))]
    return jnp.concatenate([inertia, chain.weight, jnp.rad2deg(chain.offset), chain.linear, chain.dry])


def _names(n: int) -> list[tuple[str, str]]:
    """Names and units of the constants. The unit of inertia is that of the term that has the coefficient 1/2."""
    pairs = [(f"I_{i + 1}{j + 1}", "") for i, j in zip(*np.triu_indices(n), strict=True)]
    bodies = range(1, n + 1)
    units = {"g": "1/s^2", "offset": "deg", "linear friction": "1/s", "dry friction": "1/s^2"}
    return [*pairs, *((f"{name}_{i}", unit) for name, unit in units.items() for i in bodies)]


def _chosen(
    formula: RefinedFormula | None, chain: RefinedFormula, constants: int, task: Task
) -> tuple[RefinedFormula | None, list[Attempt]]:
    """The better one on the validation set. A chain that predicts no better than the baselines is not taken."""
    steps = StepsPerSample(2 * task.plan.substeps)
    candidates = {"chain": chain} | ({} if formula is None else {"formula": formula})

    def model(one: RefinedFormula) -> NeuralLagrangian:
        return NeuralLagrangian(one.formula, RK4(), force=one.model.force, stepsize_controller=steps)

    models = {name: model(one) for name, one in candidates.items()}
    starts, measure = starts_of(task.parts.validation, task.plan.stride), Measure.of(task.parts.train, task.columns)
    errors, _ = rollout_errors(models, starts, task.columns, measure)
    if not better_than_baselines(errors, "chain"):
        return formula, [Attempt(chain.where, None, "it predicts no better than constant velocity or rest")]
    if formula is None:
        return chain, []
    last = len(errors.times) - 1
    ratios = [errors.median("chain", i, last) / errors.median("formula", i, last) for i in range(task.columns.dof)]
    ratio = float(np.exp(np.mean(np.log(ratios)))) ** 2
    fewer = constants < _constants_of(formula)
    if ratio < 1 / MAX_LOSS_RATIO or (ratio <= MAX_LOSS_RATIO and fewer):
        return chain, []
    text = "; ".join(
        [f"its squared error on the validation set is {ratio:.3g} of that of the formula", *map(str, chain.constants)]
    )
    return formula, [Attempt(chain.where, None, text)]


def _constants_of(found: RefinedFormula) -> int:
    """Number of constants of a formula and its damping, without its scale."""
    model, dof = found.model, found.formula.dof
    D = np.zeros((dof, dof)) if model.force is None else damping_matrix(model, jnp.zeros(dof))
    return len(found.formula.support) - 1 + int(np.count_nonzero(np.triu(D)))
