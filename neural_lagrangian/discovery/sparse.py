r"""A Lagrangian's formula straight from motion (sparse identification of nonlinear dynamics, for Lagrangians)."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from threadpoolctl import threadpool_limits

from ..integrators import RK4, StepsPerSample
from ..models import NeuralLagrangian
from ..trajectories import Trajectories
from .balance import Balance, Windows, pointwise, weak
from .columns import FREE_STATES, Columns, Independent, free_states, independent_terms, rank_tolerance, sample_columns
from .determination import coverage, disagreement
from .elimination import Step, by_information
from .equations import Scales
from .formula import Formula
from .found import FoundLagrangian, damping_force, pivot_of, warn_if_undetermined
from .library import Library

ROWS = 3000
"""Most observations that are used: more cost time and tell little."""
MOTIONS, SAMPLES = 30, 100
"""Trajectories that are predicted, and samples of each."""
UNTOLD = 1e-6
"""Formulas that the data tell apart by less than this of what they differ elsewhere are not told apart."""
SHORTEST = 9
"""Least samples of a window of the weak form."""
CLEAR = 1.01
"""By what factor one term less must change the residual, if a formula is to have a clear support."""
DISAGREEMENT = 0.2
"""Formulas of either half of the data may differ by this, root mean square and relative, in their accelerations."""
DAMPED = 0.1
"""Damping is looked for where it explains at least this share of the sum of squares that a Lagrangian leaves."""


def sparse_lagrangian(
    trajectories: Trajectories,
    library: Library,
    *,
    method: Literal["auto", "accelerations", "weak"] = "auto",
    window: int | None = None,
    tolerance: float = 1e-3,
    largest_residual: float = 0.5,
) -> FoundLagrangian:
    r"""The simplest Lagrangian of a library that has the observed motion.

    What is minimised is the error of accelerations, $r = M^{-1} (M a + h)$ (see `Balance`), by Gauss-Newton, over the
    terms that motion can tell apart. Terms are left out one by one, and the extended Bayesian information criterion
    chooses among the formulas. Without accelerations, the weak form takes averages over windows of the motion
    instead, which need no derivative of the data: $[q, v]$ with noise of a few per cent will do.

    The answer is checked on states that the data do not hold: their coordinates and velocities recombined at random.
    Where formulas that agree on the data differ there, as they do for a single orbit, there is no formula.

    **Arguments:**

    - `trajectories`: the motion. `accelerations` are used if they are there.
    - `library`: candidate terms, a kinetic energy among them.
    - `method`: "accelerations", "weak", or "auto": the former where there are accelerations.
    - `window`: samples in a window of the weak form; `None` means half the shortest period of the motion, and
      a quarter of the longest trajectory at most.
    - `tolerance`: errors of acceleration, over their root mean square, that are no noise: of integration, of
      quadrature. Terms that explain no more are not looked for.
    - `largest_residual`: what may be left unexplained of the accelerations; where more is, there is no formula.

    Where linear damping $Q = -D v$ explains what no Lagrangian of the library does, it is found beside the formula:
    `damping` and `force` of what is returned.

    **Returns:** a `FoundLagrangian`, without scale, constant and gauge function: data do not tell them. An
    `UndeterminedWarning` is given where it has no formula, and its `missing` says which data would do. Standard errors
    are those of independent errors of acceleration (in the weak form, of windows). They know nothing of what noise in
    the states, or the smoothing of velocities, shifts in one direction: where positions alone were recorded, refine the
    coefficients by rollouts (`training.polish` with `states`), and trust the difference more than the errors.

    **Raises:** `ValueError` for arguments that make no sense, a library without a kinetic energy, or of other degrees
    of freedom than the data; terms that are not finite at the data.
    """
    if method not in ("auto", "accelerations", "weak"):
        raise ValueError(f"`method` is {method!r}; expected 'auto', 'accelerations' or 'weak'")
    if method == "accelerations" and trajectories.accelerations is None:
        raise ValueError("`method` is 'accelerations', but `trajectories` has none")
    if trajectories.dof != library.dof:
        raise ValueError(f"`library` has dof {library.dof}; expected {trajectories.dof}, as `trajectories` has")
    if not 0 < tolerance < 1:
        raise ValueError(f"`tolerance` is {tolerance}; expected a number between 0 and 1")
    trajectories = trajectories.split_at_gaps()
    states, _ = _samples(trajectories)
    if not (np.ptp(states, axis=0) > 0).all():
        still = int(np.argmin(np.ptp(states, axis=0)))
        return warn_if_undetermined(_nothing(library, f"column {still} of the states never changes: let it move"))
    pointed = trajectories.accelerations is not None and method != "weak"
    observed = _at_samples(trajectories, library) if pointed else _in_windows(trajectories, library, window)
    if isinstance(observed, str):
        return warn_if_undetermined(_nothing(library, observed))
    balance, scales, independent, rates = observed
    kept = list(independent.kept)
    terms = library.select(kept)
    if balance.rows < 2 * len(kept):
        reason = f"{balance.rows} equations for {len(kept)} terms are too few: record more, or offer fewer terms"
        return warn_if_undetermined(_nothing(library, reason, independent))

    complexity = library.complexity[kept]
    step, gap = _search(balance, scales, complexity, tolerance)
    damped = _damped(balance, step, gap, rates, scales, complexity, tolerance)
    if damped is not None:
        balance, step, gap = damped
    support = [k for k in step.support if k < len(kept)]
    errors = balance.residual(step) / scales.acceleration
    residual = float(np.sqrt(np.mean(errors**2)))
    if not np.isfinite(residual):
        reason = "no combination of the terms has a regular mass matrix: the library lacks a term"
        return warn_if_undetermined(_nothing(library, reason, independent))
    pivot = pivot_of(terms.select(support), step.coefficients[: len(support)], balance.kinetic[support])
    c, covariance = balance.scaled(step, pivot)
    spread = np.sqrt(np.mean(errors**2) * np.diag(covariance))
    beside = [k - len(kept) for k in step.support[len(support) :]]
    damping, damping_errors = (
        _symmetric(dict(zip(beside, x[len(support) :], strict=True)), library.dof) for x in (c, spread)
    )
    c, spread = c[: len(support)], spread[: len(support)]
    formula = Formula(terms.select(support), jnp.asarray(c, states.dtype), tuple(spread))

    missing, notes = [], []
    if damping is not None and not _passive(damping):
        missing.append(f"beside a Lagrangian acts what no damping is, a force of {(-damping).tolist()} v")
    if residual > largest_residual:
        missing.append(
            f"{100 * residual:.2g} % of the accelerations are unexplained: the library lacks a term, a force that no "
            f"Lagrangian holds acts, or the noise is too large"
        )
    elif pointed and residual > 3 * tolerance and (follows := _follows(errors, trajectories)) > 0.5:
        notes.append(
            f"errors are no noise, they follow the motion (correlation {follows:.2f} from sample to sample): the "
            f"library may lack a term, or the accelerations are smoothed"
        )
    orbits, ts = _samples(trajectories) if pointed else _predicted(formula, damping, trajectories)
    told, equivalent = coverage(library, kept, [kept[k] for k in support], c, states, orbits, ts, scales)
    if told < (UNTOLD if states.dtype == np.float64 else 30 * UNTOLD):
        missing.append(
            f"the data tell some formulas apart by {told:.1g} of what they differ elsewhere, as a single orbit or a "
            f"single energy does: record motions of other energies and phases"
        )
    if residual > 3 * tolerance and gap < CLEAR:
        missing.append(
            f"leaving out one more of {len(step.support)} terms changes the residual by a factor of {gap:.4f} only: no "
            f"clear support"
        )
    if residual > 3 * tolerance and not missing:
        apart = _disagreement(balance, step, library, [kept[k] for k in support], states, ts, scales)
        if not apart < DISAGREEMENT:
            missing.append(
                f"formulas of either half of the data differ by {100 * apart:.2g} % in accelerations: noise tells them "
                f"apart; record more motion, or motion that differs more"
            )
    if equivalent:
        notes.append(f"{equivalent} other combinations of the terms have the same motion; this is the simplest")
    answer = None if missing else formula
    return warn_if_undetermined(
        FoundLagrangian(
            answer,
            formula,
            None,
            None,
            None,
            damping,
            residual,
            gap,
            tuple(missing),
            tuple(notes),
            library,
            independent,
            damping_errors,
        )
    )


class Observations(NamedTuple):
    """What the terms contribute to each of them, and the velocities there, `(row, dof)`."""

    balance: Balance
    scales: Scales
    independent: Independent
    rates: np.ndarray


def _rates(states: np.ndarray) -> np.ndarray:
    return np.split(states.astype(np.float64), 2, axis=-1)[1]


def _samples(trajectories: Trajectories) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([y for _, y in trajectories]), np.concatenate([t for t, _ in trajectories])


def _used(count: int) -> np.ndarray:
    return np.linspace(0, count - 1, min(count, ROWS)).astype(int)


def _at_samples(trajectories: Trajectories, library: Library) -> Observations:
    """Each sample with its acceleration is an observation."""
    states, times = _samples(trajectories)
    a = trajectories.accelerations[trajectories.mask].astype(np.float64)  # pyright: ignore[reportOptionalSubscript]
    rows, scales = _used(len(states)), Scales.of(states, a)
    independent, columns = _columns(library, states, states[rows], times[rows], scales)
    return Observations(pointwise(columns, a[rows], scales), scales, independent, _rates(states[rows]))


def _in_windows(trajectories: Trajectories, library: Library, window: int | None) -> Observations | str:
    """Each window is an observation; or the reason why there are none."""
    states, _ = _samples(trajectories)
    length = _window(trajectories, states) if window is None else window
    if length < SHORTEST:
        raise ValueError(f"`window` is {length}; expected at least {SHORTEST} samples")
    long = [(t.astype(np.float64), y) for t, y in trajectories if len(t) >= length]
    if not long:
        return f"no trajectory has the {length} samples of a window: record longer ones"
    windows = Windows.of([t for t, _ in long], length, ROWS)
    pieces = list(zip(windows.trajectory, windows.index, strict=True))
    ys, ts = (np.stack([long[i][k][rows] for i, rows in pieces]) for k in (1, 0))
    v = _rates(ys)
    scales = Scales.of(states, -np.einsum("wt,wti->wi", windows.slope, v))  # averages of the acceleration
    inside = ys.reshape(-1, ys.shape[2]), ts.reshape(-1)
    independent, columns = _columns(library, states, *inside, scales)
    rates = np.einsum("wt,wti->wi", windows.weight, v)
    return Observations(weak(columns, windows, scales), scales, independent, rates)


def _columns(
    library: Library, observed: np.ndarray, states: np.ndarray, ts: np.ndarray, scales: Scales
) -> tuple[Independent, Columns]:
    """Which terms can be told apart where states are free, and the columns of those at the states."""
    free = free_states(observed, max(FREE_STATES, 4 * len(library))).astype(observed.dtype)
    both = np.concatenate([free, states]), np.concatenate([np.resize(ts, len(free)), ts]).astype(observed.dtype)
    at_free, columns = sample_columns(library, *both).split(len(free))
    independent = independent_terms(library, at_free, scales, rank_tolerance(observed.dtype))
    return independent, columns.select(independent.kept)


@threadpool_limits.wrap(limits=1, user_api="blas")  # thousands of small products: threads wait for each other
@np.errstate(over="ignore", invalid="ignore")  # a combination whose numbers are too large is none
def _search(balance: Balance, scales: Scales, complexity: np.ndarray, tolerance: float) -> tuple[Step, float]:
    """The terms chosen, and by what factor the residual would grow with one less."""
    full = balance.fit(range(len(complexity)), None)
    noise = np.sqrt(np.mean(balance.residual(full) ** 2, axis=0))
    noise = np.where(np.isfinite(noise), np.minimum(noise, scales.acceleration), scales.acceleration)
    weighted = balance.weighted(np.sqrt(noise**2 + (tolerance * scales.acceleration) ** 2))
    floor = balance.rows * float(np.mean((tolerance * scales.acceleration / weighted.sigma) ** 2))
    step = by_information(weighted, len(complexity), complexity, 1e-9 * balance.rows, floor)
    step = weighted.fit(step.support, step.coefficients)  # quadratic: as far as rounding goes
    less = [weighted.fit(*step.without(i)).rss for i in range(len(step.support)) if step.covariance[i, i] > 0]
    return step, float(np.sqrt((min(less, default=np.inf) + floor) / (step.rss + floor)))


def _disagreement(
    balance: Balance,
    step: Step,
    library: Library,
    terms: list[int],
    states: np.ndarray,
    ts: np.ndarray,
    scales: Scales,
) -> float:
    """How far the terms found lead apart if they are fitted to either half of the observations."""
    count = len(balance.b) // 2
    halves = [balance.part(rows).fit(step.support, step.coefficients) for rows in (slice(count), slice(count, None))]
    if not all(np.isfinite(half.rss) for half in halves):
        return np.inf
    size = balance.size[list(step.support)]
    first, second = ((half.coefficients / size)[: len(terms)] for half in halves)
    return disagreement(library, terms, first, second, states, ts, scales)


def _damped(
    balance: Balance,
    step: Step,
    gap: float,
    rates: np.ndarray,
    scales: Scales,
    complexity: np.ndarray,
    tolerance: float,
) -> tuple[Balance, Step, float] | None:
    """The formula with linear damping beside it, where that explains what is left; `None` where it does not.

    A force that feeds energy in is believed if it explains as much beside the mass as it was found. With all free, a
    large mass that balances it can hide noise: on circles of one frequency velocities turn into accelerations.
    """
    damped = balance.damped(rates, scales)
    first = len(complexity)
    entries = range(first, len(damped.kinetic))
    errors = damped.residual(step)
    if not np.isfinite(errors).all():
        return None
    spread = np.sqrt(np.mean(errors**2, axis=0) + (tolerance * scales.acceleration) ** 2)
    weighted = damped.weighted(spread)
    without = weighted.fit(step.support, step.coefficients)

    def explains(gained: float) -> bool:
        return gained > DAMPED * without.rss and gained > tolerance**2 * damped.rows

    start = np.concatenate([step.coefficients, np.zeros(len(entries))])
    if not explains(without.rss - weighted.fit([*step.support, *entries], start).rss):
        return None
    found, found_gap = _search(damped, scales, np.concatenate([complexity, np.ones(len(entries))]), tolerance)
    coefficients = zip(found.support, found.coefficients, strict=True)
    matrix = _symmetric({k - first: c / damped.size[k] for k, c in coefficients if k >= first}, rates.shape[1])
    believed = gap < CLEAR or matrix is None or _passive(matrix) or explains(weighted.gain(without, entries))
    return (damped, found, found_gap) if believed and np.isfinite(found.rss) else None


def _passive(damping: np.ndarray) -> bool:
    """Whether it feeds energy into no motion."""
    return bool(np.linalg.eigvalsh(damping)[0] >= -1e-3 * np.abs(damping).max())


def _symmetric(entries: Mapping[int, float], dof: int) -> Float[np.ndarray, "dof dof"] | None:
    """A matrix from those entries of its lower triangle that were found, the others zero; `None` if none was."""
    if not entries:
        return None
    matrix, lower = np.zeros((dof, dof)), list(zip(*np.tril_indices(dof), strict=True))
    for k, value in entries.items():
        i, j = lower[k]
        matrix[i, j] = matrix[j, i] = value
    return matrix


def _follows(errors: np.ndarray, trajectories: Trajectories) -> float:
    """Correlation of errors from one sample of a trajectory to the next."""
    if int(trajectories.lengths.sum()) != len(errors):
        return 0.0
    pieces = np.split(errors, np.cumsum(trajectories.lengths)[:-1])
    products = np.concatenate([(e[1:] * e[:-1]).ravel() for e in pieces])
    return float(products.mean() / np.mean(errors**2)) if len(products) else 0.0


def _predicted(
    formula: Formula, damping: np.ndarray | None, trajectories: Trajectories
) -> tuple[np.ndarray, np.ndarray]:
    """States and times of the formula's own motion from the first states: those of one orbit lie on one, noise or not.

    The states as observed where it fails.
    """
    chosen = list(trajectories)[:MOTIONS]
    ts = jnp.stack([jnp.linspace(t[0], t[-1], SAMPLES, dtype=t.dtype) for t, _ in chosen])
    y0s = jnp.stack([jnp.asarray(y[0]) for _, y in chosen])
    force = None if damping is None else damping_force(damping, formula.coefficients.dtype)
    model = NeuralLagrangian(formula, RK4(), force=force, stepsize_controller=StepsPerSample(32))
    ys = np.asarray(_rollouts(model, ts, y0s))
    sound = np.isfinite(ys).all(axis=(1, 2))
    if not sound.any():
        return _samples(trajectories)
    return ys[sound].reshape(-1, ys.shape[2]), np.asarray(ts)[sound].reshape(-1)


@eqx.filter_jit
def _rollouts(model: NeuralLagrangian, ts: Array, y0s: Array) -> Array:
    return jax.vmap(lambda ts, y0: jnp.asarray(model.solve(ts, y0).ys))(ts, y0s)


def _window(trajectories: Trajectories, states: np.ndarray) -> int:
    r"""Samples in half the shortest period, $2 \pi$ spread over speed, of any coordinate; a quarter of all at most."""
    q, v = np.split(states.astype(np.float64), 2, axis=1)
    period = np.min(2 * np.pi * q.std(axis=0) / np.sqrt(np.mean(v**2, axis=0)))
    step = np.median(np.concatenate([np.diff(t) for t, _ in trajectories]))
    longest = int(trajectories.lengths.max())
    return int(np.clip(round(period / 2 / step), SHORTEST, max(longest // 4, SHORTEST)))


def _nothing(library: Library, reason: str, independent: Independent | None = None) -> FoundLagrangian:
    told = Independent((), ()) if independent is None else independent
    unknown = float("nan")
    return FoundLagrangian(None, None, None, None, None, None, unknown, unknown, (reason,), (), library, told)
