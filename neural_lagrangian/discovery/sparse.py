r"""A Lagrangian's formula straight from motion (sparse identification of nonlinear dynamics, for Lagrangians)."""

from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from threadpoolctl import threadpool_limits

from .._checks import positive_integer
from ..integrators import RK4, StepsPerSample
from ..models import NeuralLagrangian
from ..trajectories import Trajectories
from .balance import Balance, damping_columns
from .columns import Independent
from .determination import coverage, disagreement
from .double_precision import double_precision, in_default_precision
from .elimination import Step, by_information, grow
from .equations import Scales
from .evidence import LARGEST_MISFIT, Refined, refined
from .formula import Formula
from .found import FoundLagrangian, damping_force, pivot_of, warn_if_undetermined
from .library import Library
from .observations import Observations, Samples, at_samples, channel_scales, in_windows, periods
from .observations import window_samples as _window
from .parts import Part, described, parts_of
from .rollout_fit import Beside, WindowedMotion, windowed
from .smoothing import noise_of, smoothed

MOTIONS, SAMPLES = 30, 100
"""Trajectories that are predicted, and samples of each."""
UNTOLD = 1e-6
"""Identifiability threshold: formulas that the data tell apart by less than this fraction of their difference off the
data are not told apart.
"""
CLEAR = 1.03
"""By what factor one term less must change the residual, if a formula is to have a clear support."""
DISAGREEMENT = 0.2
"""Formulas of either half of the data may differ by this, root mean square and relative, in their accelerations."""
GROWN = 6
"""Terms that are added to the squares of the velocities, one by one."""
REFINED_DISAGREEMENT = 0.05
"""The same of coefficients that rollouts have refined."""
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
    rows: int = 3000,
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
    - `method`: "accelerations", "weak", or "auto": the former where there are accelerations, and states without noise.
    - `window`: samples in a window of the weak form; `None` means half the shortest period of the motion, and
      a quarter of the longest trajectory at most.
    - `tolerance`: errors of acceleration, over their root mean square, that are no noise: of integration, of
      quadrature. Terms that explain no more are not looked for.
    - `rows`: most observations that are used, spread evenly over the motion. More cost time and tell little; the answer
      says how many were used.
    - `largest_residual`: what may be left unexplained of the accelerations; where more is, there is no formula.

    Where linear damping $Q = -D v$ explains what no Lagrangian of the library does, it is found beside the formula:
    `damping` and `force` of what is returned. Recorded controls enter as a force $G u$, and the entries of $G$ are
    found with the coefficients: `control`. Of parts that do not act on each other motion does not tell the ratio of
    their scales: each has one half at a square of a velocity, all but the first have infinite standard errors, and the
    notes name them. Nothing crosses a gap of the recording. All is computed in double precision.

    **Returns:** a `FoundLagrangian`, without scale, constant and gauge function: data do not tell them. An
    `UndeterminedWarning` is given where it has no formula, and its `missing` says which data would do. Standard errors
    are those of independent errors of acceleration where states are clean. Noisy states are smoothed, and coefficients
    refined by rollouts; standard errors are then those of the refined coefficients.

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
    rows = positive_integer("rows", rows)
    with double_precision():
        found = _found(trajectories.split_at_gaps(), library, method, window, tolerance, largest_residual, rows)
    return warn_if_undetermined(in_default_precision(found))


def _found(
    trajectories: Trajectories,
    library: Library,
    method: str,
    window: int | None,
    tolerance: float,
    largest_residual: float,
    rows: int,
) -> FoundLagrangian:
    recorded = trajectories
    states = Samples.of(trajectories).states
    if not (np.ptp(states, axis=0) > 0).all():
        still = int(np.argmin(np.ptp(states, axis=0)))
        return _nothing(library, f"column {still} of the states never changes: let it move")
    trajectories, noise, noisy = _without_noise(recorded, tolerance)
    states = Samples.of(trajectories).states
    length = _window(trajectories, states) if window is None else window
    pointed = trajectories.accelerations is not None and method != "weak"
    if pointed and method == "auto" and noisy:  # averages over windows are shifted least by noise in the states
        pointed = int((trajectories.lengths // max(1, length // 2)).sum()) * library.dof < 4 * len(library)
    look = at_samples if pointed else in_windows
    observed = look(trajectories, library, length, rows)
    if isinstance(observed, str):
        return _nothing(library, observed)
    kept = observed.independent.kept
    if observed.balance.rows < 2 * len(kept):
        reason = (
            f"{observed.balance.rows} equations for {len(kept)} terms are too few: record more, or offer fewer terms"
        )
        return _nothing(library, reason, observed)
    fitted = _fitted(observed, library, tolerance)
    if not np.isfinite(fitted.residual):
        reason = "no combination of the terms has a regular mass matrix: the library lacks a term"
        return _nothing(library, reason, observed)
    named = _named(fitted, library, observed)
    better = None
    if noisy:
        motion = _windows_of(recorded, trajectories, length)
        if motion is not None:
            choices = [
                (one, *_refined(_named(one, library, observed), motion, noise, len(kept)))
                for one in (fitted, *_grown(fitted, library, observed, tolerance))
            ]
            fitted, named, better = min(choices, key=lambda choice: choice[2].score)
    missing, notes = _judged(
        fitted, named, better, trajectories, library, observed, pointed, tolerance, largest_residual
    )
    notes += described(named.names, named.parts, named.spread, named.c)
    answer = None if missing else named.formula
    damping, control = named.matrices(named.c)
    damping_errors, control_errors = named.matrices(named.reported)
    return FoundLagrangian(
        answer,
        named.formula,
        None,
        None,
        None,
        damping,
        fitted.residual,
        fitted.gap,
        tuple(missing),
        tuple(notes),
        library,
        observed.independent,
        damping_errors,
        control,
        control_errors,
        observed.used,
    )


class Fitted(NamedTuple):
    """The terms and entries chosen, their errors of acceleration over what is usual, and what they leave."""

    balance: Balance
    step: Step
    gap: float
    errors: np.ndarray

    @property
    def residual(self) -> float:
        return float(np.sqrt(np.mean(self.errors**2)))


def _fitted(observed: Observations, library: Library, tolerance: float) -> Fitted:
    entries = library.dof * observed.controls.shape[1]
    complexity = np.concatenate([library.complexity[list(observed.independent.kept)], np.ones(entries)])
    balance, scales = observed.balance, observed.scales
    step, gap = _search(balance, scales, complexity, tolerance)
    damped = _damped(balance, step, gap, observed.rates, scales, complexity, tolerance)
    if damped is not None:
        balance, step, gap = damped
    return Fitted(balance, step, gap, balance.residual(step) / scales.acceleration)


class Named(NamedTuple):
    """A fit as a formula with the forces beside it, at the scale of its pivots.

    `terms`: indices in the library of its terms; `forces`: entries of the matrices of the forces beside. `c`, `spread`:
    all coefficients, those of the terms first, and their standard errors beside the pivot of their part.
    """

    library: Library
    controls: int
    terms: list[int]
    forces: Beside
    c: np.ndarray
    spread: np.ndarray
    parts: list[Part]

    @property
    def reported(self) -> np.ndarray:
        """Standard errors: infinite in all parts but the first."""
        reported = self.spread.copy()
        for part in self.parts[1:]:
            reported[list(part.members)] = np.inf
        return reported

    @property
    def formula(self) -> Formula:
        count = len(self.terms)
        return Formula(self.library.select(self.terms), jnp.asarray(self.c[:count]), tuple(self.reported[:count]))

    @property
    def names(self) -> list[str]:
        """Of all coefficients."""
        matrices = (("G", self.forces.controls), ("D", self.forces.damping))
        return [
            *self.library.select(self.terms).names,
            *(f"{name}[{i}, {j}]" for name, entries in matrices for i, j in entries),
        ]

    def matrices(self, values: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Those of the damping and of the controls, from coefficients or their errors."""
        dof, first = self.library.dof, len(self.terms)
        second = first + len(self.forces.controls)
        G, D = np.zeros((dof, self.controls)), np.zeros((dof, dof))
        for (i, j), value in zip(self.forces.controls, values[first:second], strict=True):
            G[i, j] = value
        for (i, j), value in zip(self.forces.damping, values[second:], strict=True):
            D[i, j] = D[j, i] = value
        return D if self.forces.damping else None, G if self.controls else None

    def with_coefficients(self, c: np.ndarray, spread: np.ndarray, kept: np.ndarray) -> "Named":
        """With other values, and without those that are not kept."""
        first, second = len(self.terms), len(self.terms) + len(self.forces.controls)
        new = np.cumsum(kept) - 1
        controls = tuple(e for e, k in zip(self.forces.controls, kept[first:second], strict=True) if k)
        damping = tuple(e for e, k in zip(self.forces.damping, kept[second:], strict=True) if k)
        terms = [t for t, k in zip(self.terms, kept[:first], strict=True) if k]
        parts = [Part(tuple(int(new[k]) for k in part.members if kept[k]), int(new[part.pivot])) for part in self.parts]
        return Named(self.library, self.controls, terms, Beside(controls, damping), c[kept], spread[kept], parts)


def _named(fitted: Fitted, library: Library, observed: Observations) -> Named:
    balance, step = fitted.balance, fitted.step
    kept, dof, m = observed.independent.kept, library.dof, observed.controls.shape[1]
    first, second = len(kept), len(kept) + dof * m
    terms = [kept[k] for k in step.support if k < first]
    parts = _parts(fitted, library.select(terms))
    c, covariance = balance.scaled(step, parts)
    spread = np.sqrt(np.mean(fitted.errors**2) * np.diag(covariance))
    pairs = [(int(i), int(j)) for i, j in zip(*np.tril_indices(dof), strict=True)]
    controls = tuple(divmod(k - first, m) for k in step.support if first <= k < second)
    damping = tuple(pairs[k - second] for k in step.support if k >= second)
    return Named(library, m, terms, Beside(controls, damping), c, spread, parts)


def _parts(fitted: Fitted, terms: Library) -> list[Part]:
    """Those that do not act on each other, that of the pivot of all first, each with a pivot of its own."""
    step = fitted.step
    kinetic = fitted.balance.kinetic[list(step.support)]
    whole = pivot_of(terms, step.coefficients[: len(terms)], kinetic[: len(terms)])
    squares = {((name, 2),) for name in terms.symbols[1]}
    parts = []
    for members in parts_of(fitted.balance.free_changes(step)):
        of_terms = [k for k in members if k < len(terms)]
        usual = [k for k in of_terms if terms.terms[k] in squares]
        weight = np.abs(step.coefficients * kinetic)[list(members)]
        pivot = whole if whole in members else (usual or [members[int(np.argmax(weight))]])[0]
        parts.append(Part(members, pivot))
    return sorted(parts, key=lambda part: whole not in part.members)


def _judged(
    fitted: Fitted,
    named: Named,
    better: Refined | None,
    trajectories: Trajectories,
    library: Library,
    observed: Observations,
    pointed: bool,
    tolerance: float,
    largest_residual: float,
) -> tuple[list[str], list[str]]:
    """Why the formula is not determined, and what else there is to know."""
    missing, notes, residual = [], [], fitted.residual
    samples, scales, kept = Samples.of(trajectories), observed.scales, observed.independent.kept
    damping, _ = named.matrices(named.c)
    if damping is not None and not _passive(damping):
        missing.append(f"beside a Lagrangian acts what no damping is, a force of {(-damping).tolist()} v")
    if residual > largest_residual:
        missing.append(
            f"{100 * residual:.2g} % of the accelerations are unexplained: the library lacks a term, a force that no "
            f"Lagrangian holds acts, or the noise is too large"
        )
    elif pointed and residual > 3 * tolerance and (follows := _follows(fitted.errors, trajectories)) > 0.5:
        notes.append(
            f"errors are no noise, they follow the motion (correlation {follows:.2f} from sample to sample): the "
            f"library may lack a term, or the accelerations are smoothed"
        )
    driven = samples.controls.shape[1] > 0
    orbits, ts = (samples.states, samples.times) if pointed or driven else _predicted(named, trajectories)
    c = np.asarray(named.formula.coefficients)
    told, equivalent = coverage(library, kept, named.terms, c, samples.states, orbits, ts, scales)
    if told < UNTOLD and not driven:
        missing.append(
            f"the data tell some formulas apart by {told:.1g} of what they differ elsewhere, as a single orbit or a "
            f"single energy does: record motions of other energies and phases"
        )
    if better is not None:
        missing += _doubts(better)
        if not missing:
            one, two = (half[better.kept][: len(named.terms)] for half in better.halves)
            apart = disagreement(library, named.terms, one, two, samples.states, samples.times, scales)
            if not apart < REFINED_DISAGREEMENT:
                missing.append(_told_apart_by_noise(apart))
        if better.smoothed_velocities:
            notes.append("velocities were smoothed: the coefficients are those of the positions alone")
    elif residual > 3 * tolerance and fitted.gap < CLEAR:
        missing.append(
            f"leaving out one more of {len(fitted.step.support)} terms changes the residual by a factor of "
            f"{fitted.gap:.4f} only: no clear support"
        )
    if better is None and residual > 3 * tolerance and not missing:
        apart = _disagreement(fitted, library, named.terms, samples, scales)
        if not apart < DISAGREEMENT:
            missing.append(_told_apart_by_noise(apart))
    more = equivalent - (len(named.parts) - 1)
    if more > 0:
        notes.append(f"{more} other combinations of the terms have the same motion; this is the simplest")
    return missing, notes


def _told_apart_by_noise(apart: float) -> str:
    return (
        f"formulas of either half of the data differ by {100 * apart:.2g} % in accelerations: noise tells them apart; "
        f"record more motion, or motion that differs more"
    )


def _doubts(better: Refined) -> list[str]:
    """Why refined coefficients are no evidence."""
    if not better.misfit <= LARGEST_MISFIT:
        return [
            f"on motion left out it errs by {better.misfit:.3g} times the noise: the library lacks a term, a force "
            f"acts that is not looked for, or the noise hides which terms there are"
        ]
    if better.clearest < better.least:
        return [f"a coefficient is {better.clearest:.2g} times its standard error only: no clear support"]
    return []


def _without_noise(trajectories: Trajectories, tolerance: float) -> tuple[Trajectories, np.ndarray, bool]:
    """The motion with its noise smoothed away, the noise of each channel, and whether it matters."""
    pieces = [(t.astype(np.float64), y.astype(np.float64)) for t, y in trajectories]
    states = np.concatenate([y for _, y in pieces])
    found = periods(trajectories, states)
    noise = noise_of(pieces, found)
    scales = channel_scales(states, found)
    noisy = bool((noise > tolerance * scales).any()) and bool((trajectories.lengths >= 5).all())
    if not noisy:
        return trajectories, noise, False
    smooth = smoothed(pieces, noise)
    whole = np.array(trajectories.ys, np.float64)
    for i, y in enumerate(smooth):
        whole[i, : len(y)] = y
    return eqx.tree_at(lambda x: x.ys, trajectories, whole), noise, True


def _grown(fitted: Fitted, library: Library, observed: Observations, tolerance: float) -> list[Fitted]:
    """Another formula, if there is one, from the squares of all velocities and what explains the most beside them."""
    kept, scales, size = observed.independent.kept, observed.scales, len(fitted.balance.kinetic)
    squares = [((name, 2),) for name in library.symbols[1]]
    start = [i for i, k in enumerate(kept) if library.terms[k] in squares]
    if len(start) < library.dof:
        return []
    errors = fitted.errors * scales.acceleration
    sigma = np.sqrt(np.mean(errors**2, axis=0) + (tolerance * scales.acceleration) ** 2)
    weighted = fitted.balance.weighted(sigma)
    path = _path(weighted, start, size)
    floor = weighted.rows * float(np.mean((tolerance * scales.acceleration / sigma) ** 2))
    best = path[-1]  # more than are meant: what rollouts do not need, they leave out
    if not np.isfinite(best.rss) or set(best.support) == set(fitted.step.support):
        return []
    best = weighted.fit(tuple(sorted(best.support)), None)
    less = [weighted.fit(*best.without(i)).rss for i in range(len(best.support)) if best.covariance[i, i] > 0]
    gap = float(np.sqrt((min(less, default=np.inf) + floor) / (best.rss + floor)))
    return [Fitted(fitted.balance, best, gap, fitted.balance.residual(best) / scales.acceleration)]


@threadpool_limits.wrap(limits=1, user_api="blas")
@np.errstate(over="ignore", invalid="ignore")
def _path(balance: Balance, start: list[int], terms: int) -> list[Step]:
    return grow(balance, start, terms, len(start) + GROWN)


def _windows_of(recorded: Trajectories, smooth: Trajectories, length: int) -> WindowedMotion | None:
    controls = recorded.controls
    us = [
        np.zeros((len(t), 0)) if controls is None else controls[i, : len(t)].astype(float)
        for i, (t, _) in enumerate(recorded)
    ]
    pieces = [(t.astype(float), y.astype(float), u) for (t, y), u in zip(recorded, us, strict=True)]
    states = Samples.of(smooth).states
    found = periods(smooth, states)
    size = channel_scales(states, found)
    return windowed(pieces, [np.asarray(y) for _, y in smooth], length, float(found.min()), size)


def _refined(named: Named, motion: WindowedMotion, noise: np.ndarray, offered: int) -> tuple[Named, Refined]:
    """The formula with coefficients refined by rollouts, without terms that these do not need."""
    pivots = [part.pivot for part in named.parts]
    better = refined(named.formula.library, named.forces, motion, named.c, pivots, noise, offered)
    if not (np.isfinite(better.c).all() and np.isfinite(better.misfit)):
        return named, better
    return named.with_coefficients(better.c, better.errors, better.kept), better


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


def _disagreement(fitted: Fitted, library: Library, terms: list[int], samples: Samples, scales: Scales) -> float:
    """How far the terms found lead apart if they are fitted to either half of the observations."""
    balance, step = fitted.balance, fitted.step
    count = len(balance.b) // 2
    halves = [balance.part(rows).fit(step.support, step.coefficients) for rows in (slice(count), slice(count, None))]
    if not all(np.isfinite(half.rss) for half in halves):
        return np.inf
    size = balance.size[list(step.support)]
    first, second = ((half.coefficients / size)[: len(terms)] for half in halves)
    return disagreement(library, terms, first, second, samples.states, samples.times, scales)


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
    damped = balance.beside(damping_columns(rates), scales)
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
    matrix = {k - first: c / damped.size[k] for k, c in coefficients if k >= first}
    matrix = _symmetric(list(matrix.values()), list(matrix), rates.shape[1])
    believed = gap < CLEAR or matrix is None or _passive(matrix) or explains(weighted.gain(without, entries))
    return (damped, found, found_gap) if believed and np.isfinite(found.rss) else None


def _passive(damping: np.ndarray) -> bool:
    """Whether it feeds energy into no motion."""
    return bool(np.linalg.eigvalsh(damping)[0] >= -1e-3 * np.abs(damping).max())


def _symmetric(values: np.ndarray | list[float], entries: list[int], dof: int) -> np.ndarray | None:
    """A matrix from those entries of its lower triangle that were found, the others zero; `None` if none was."""
    if not entries:
        return None
    matrix, lower = np.zeros((dof, dof)), list(zip(*np.tril_indices(dof), strict=True))
    for k, value in zip(entries, values, strict=True):
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


def _predicted(named: Named, trajectories: Trajectories) -> tuple[np.ndarray, np.ndarray]:
    """States and times of the formula's own motion from the first states: those of one orbit lie on one, noise or not.

    The states as observed where it fails.
    """
    chosen = list(trajectories)[:MOTIONS]
    ts = jnp.stack([jnp.linspace(t[0], t[-1], SAMPLES, dtype=jnp.float64) for t, _ in chosen])
    y0s = jnp.stack([jnp.asarray(y[0], jnp.float64) for _, y in chosen])
    damping, _ = named.matrices(named.c)
    force = None if damping is None else damping_force(damping, jnp.float64)
    model = NeuralLagrangian(named.formula, RK4(), force=force, stepsize_controller=StepsPerSample(32))
    ys = np.asarray(_rollouts(model, ts, y0s))
    sound = np.isfinite(ys).all(axis=(1, 2))
    if not sound.any():
        samples = Samples.of(trajectories)
        return samples.states, samples.times
    return ys[sound].reshape(-1, ys.shape[2]), np.asarray(ts)[sound].reshape(-1)


@eqx.filter_jit
def _rollouts(model: NeuralLagrangian, ts: Array, y0s: Array) -> Array:
    return jax.vmap(lambda ts, y0: jnp.asarray(model.solve(ts, y0).ys))(ts, y0s)


def _nothing(library: Library, reason: str, observed: Observations | None = None) -> FoundLagrangian:
    told = Independent((), ()) if observed is None else observed.independent
    used = None if observed is None else observed.used
    unknown = float("nan")
    reasons = (reason,)
    return FoundLagrangian(None, None, None, None, None, None, unknown, unknown, reasons, (), library, told, used=used)
