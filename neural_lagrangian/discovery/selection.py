"""Selects a formula for noisy motion, by the residuals of the recorded states relative to their noise."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline
from threadpoolctl import threadpool_limits

from .balance import Balance, control_columns, damping_columns, pointwise
from .elimination import SparseFit
from .evidence import MAX_CORRELATION_INDEPENDENT, Refined, autocorrelation, noise_before_smoothing, refined
from .fitting import Fitted, damping_of, fit_terms, is_passive
from .library import Library
from .naming import Named, named_fit
from .observations import Observations
from .ranking import SAME_RESIDUAL, Ranking, ranked
from .residual_spectrum import NOISE_TOLERANCE
from .response import free_motion, instants, response_of
from .rollout_fit import WindowedMotion
from .term_columns import sample_columns

MAX_ROUNDS = 3
"""Most formulas that are fitted by rollouts after the first one, which bounds the run time."""
MAX_ADDED_TERMS = 10
"""Most terms of a formula, besides a square for each velocity, in the search along smoothed motion.

Errors of the smoothing call for ever more terms, so a larger formula is not trusted.
"""
MIN_ODDS = 200.0
"""Least odds of a formula against the best rival that lacks one of its terms, from the information criteria."""


class Choice(NamedTuple):
    """A selected formula.

    - `fitted`: its fit. `named`: the formula with names.
    - `better`: coefficients refined by rollouts, for noisy motion.
    - `rival`: the best formula that lacks one of its terms: difference of the scores, and names of the rival's terms.
    """

    fitted: Fitted
    named: Named
    better: Refined | None
    rival: tuple[float, tuple[str, ...]] | None = None

    @property
    def support(self) -> tuple[int, ...]:
        """Indices of its terms and force entries among the candidates."""
        support = self.fitted.step.support
        return support if self.better is None else tuple(np.asarray(support)[self.better.kept].tolist())

    @property
    def score(self) -> float:
        """Score of the refined formula, lower is better; infinite if it is not refined, or if a rollout fails."""
        return np.inf if self.better is None else self.better.score


def chosen_by_terms(observed: Observations, library: Library, tolerance: float) -> Choice:
    """Selects a formula for motion without noise."""
    fitted = fit_terms(observed, library, tolerance)
    return Choice(fitted, named_fit(fitted, library, observed), None)


class Selection(NamedTuple):
    """The data for selecting a formula.

    - `library`: candidate terms. `observed`: their contributions to the observations.
    - `motion`: windows of the motion with smoothed states. `noise`: standard deviation of each channel.
    - `tolerance`: that of `sparse_lagrangian`.
    """

    library: Library
    observed: Observations
    motion: WindowedMotion
    noise: np.ndarray
    tolerance: float

    @threadpool_limits.wrap(limits=1, user_api="blas")  # threads slow down thousands of small products
    @np.errstate(over="ignore", invalid="ignore", divide="ignore")  # overflow marks a combination as unusable
    def chosen(self) -> Choice:
        """Selects the formula with the least score of its rollouts.

        The response of the states to the terms is first computed along the smoothed motion. Then it is computed along
        the motion of the best formula, and the search is repeated until the formula stays the same.
        """
        seen = self._along_data()
        most = self.library.dof + MAX_ADDED_TERMS
        first = self._ranking(seen, (), most)
        ends = np.isfinite(first.best[0]) and len(first.best[1].support) < most
        best = self._refined(self._as_fitted(seen, first)) if ends else None
        if best is None or not np.isfinite(best.score):
            plain = chosen_by_terms(self.observed, self.library, self.tolerance)
            if not np.isfinite(plain.fitted.residual):
                return plain
            best = self._refined(plain.fitted)
        by = self
        for rounds in range(MAX_ROUNDS + 1 if np.isfinite(best.score) else 0):
            by, best = by._by_its_noise(best)
            seen = by._along_motion_of(best)
            others = [scored[1].support for scored in (first.best, first.rival(best.support)) if scored is not None]
            ranking = by._ranking(seen, [best.support, *(others if ends else ())], len(seen.kinetic))
            best = best._replace(
                rival=by._rival(ranking, best.support),
                fitted=best.fitted._replace(gap=ranking.gap(best.support)),
            )
            if set(ranking.best[1].support) == set(best.support) or rounds == MAX_ROUNDS:
                break
            found = by._refined(by._as_fitted(seen, ranking))
            if not found.score < best.score + SAME_RESIDUAL:  # it may be as good, and simpler
                break
            best = found
        return best

    def _refined(self, fitted: Fitted) -> Choice:
        """Refines the coefficients of a fit by rollouts, and removes insignificant terms."""
        named = named_fit(fitted, self.library, self.observed)
        pivots = [part.pivot for part in named.parts]
        offered = len(self.observed.independent.kept)
        better = refined(named.formula.library, named.forces, self.motion, named.c, pivots, self.noise, offered)
        if np.isfinite(better.c).all() and np.isfinite(better.misfit):
            named = named.with_coefficients(better.c, better.errors, better.kept)
        return Choice(fitted, named, better)

    def _by_its_noise(self, choice: Choice) -> tuple["Selection", Choice]:
        """Repeats the fit with re-estimated noise, without velocities, if the residuals are smoothed noise.

        Otherwise it returns its arguments unchanged.
        """
        better, named = choice.better, choice.named
        assert better is not None
        sound = np.isfinite(better.c).all() and np.isfinite(better.misfit)
        if not sound or autocorrelation(better.fit.residuals[..., : self.library.dof]) < MAX_CORRELATION_INDEPENDENT:
            return self, choice
        free = np.ones(len(named.c))
        free[[part.pivot for part in named.parts]] = 0
        model = named.formula.library, named.forces, self.motion
        noise = noise_before_smoothing(*model, named.c, free, self.noise)
        if noise is None or np.allclose(noise, self.noise, rtol=NOISE_TOLERANCE):
            return self, choice
        again = self._replace(noise=noise)
        found = again._refined(choice.fitted)
        return (again, found) if np.isfinite(found.score) else (self, choice)

    def _balance(self, states: np.ndarray) -> Callable[[np.ndarray], Balance]:
        """A function from accelerations to the balance of all terms and force entries, at instants of each window."""
        ts, us = np.asarray(self.motion.ts), np.asarray(self.motion.us)
        at, dof = instants(ts.shape[1]), self.library.dof
        states = states[:, at].reshape(-1, 2 * dof)
        controls = us[:, at].reshape(len(states), us.shape[2])
        columns = sample_columns(self.library, states, ts[:, at].reshape(-1)).select(self.observed.independent.kept)
        scales = self.observed.scales

        def balanced(accelerations: np.ndarray) -> Balance:
            balance = pointwise(columns, accelerations, scales).with_forces(control_columns(controls, dof), scales)
            return balance.with_forces(damping_columns(states[:, dof:]), scales)

        return balanced

    def _along_data(self) -> Balance:
        """The balance along the smoothed motion, with the response of free motion."""
        ts, ys = np.asarray(self.motion.ts), np.asarray(self.motion.smooth)
        dof, at = self.library.dof, instants(ts.shape[1])
        a = np.stack([CubicSpline(t, y[:, dof:]).derivative()(t[at]) for t, y in zip(ts, ys, strict=True)])
        balance = self._balance(ys)(a.reshape(-1, dof))
        deviations = ys - np.asarray(self.motion.ys)
        response = response_of(ts, free_motion(ts, dof), deviations, self.noise, self.observed.scales.acceleration)
        return balance.seen_in(response)

    def _along_motion_of(self, choice: Choice) -> Balance:
        """The balance along the motion of a formula, with the response of this formula."""
        assert choice.better is not None
        fit, support = choice.better.fit, list(choice.support)
        balanced = self._balance(fit.states)
        still = balanced(np.zeros((len(fit.states) * len(instants(fit.states.shape[1])), self.library.dof)))
        c = choice.better.c[choice.better.kept] * still.size[support]
        a = -still.residual(SparseFit(tuple(support), c, 0.0, np.zeros((len(c), len(c)))))
        ts, deviations = np.asarray(self.motion.ts), fit.states - np.asarray(self.motion.ys)
        response = response_of(ts, fit.transitions, deviations, self.noise, self.observed.scales.acceleration)
        return balanced(a).seen_in(response)

    def _ranking(self, seen: Balance, starts: Sequence[Sequence[int]], most: int) -> Ranking:
        """Ranks formulas; accepts a force that feeds in energy only if it is far more probable than no force.

        On circular motion of one frequency, accelerations are proportional to velocities of the other axis. So an
        off-diagonal mass can balance such a force.
        """
        ranking = self._ranked(seen, starts, most)
        candidates = self.observed.candidates
        terms = candidates.first_damping
        value, step = ranking.best
        damping = damping_of(seen, step, candidates)
        if damping is None or is_passive(damping):
            return ranking
        alone = ([k for k in start if k < terms] for start in starts)
        without = self._ranked(seen.first(terms), [start for start in alone if start], most)
        return without if without.best[0] < value + 2 * np.log(MIN_ODDS) else ranking

    def _ranked(self, seen: Balance, starts: Sequence[Sequence[int]], most: int) -> Ranking:
        assert seen.response is not None
        floor = seen.response.floor(self.tolerance * self.observed.scales.acceleration)
        kept = self.observed.independent.kept
        entries = len(seen.kinetic) - len(kept)
        complexity = np.concatenate([self.library.complexity[list(kept)], np.ones(entries)])
        return ranked(seen, complexity, starts, self._bases(seen), floor, most)

    def _bases(self, seen: Balance) -> list[tuple[int, ...]]:
        """Starting supports: the squares of all velocities, also with one of them replaced by another kinetic term."""
        kept, squares = self.observed.independent.kept, [((name, 2),) for name in self.library.symbols[1]]
        base = [i for i, k in enumerate(kept) if self.library.terms[k] in squares]
        if len(base) < self.library.dof:
            return []
        heavy = [k for k in range(len(seen.kinetic)) if seen.kinetic[k] != 0]
        bases = {tuple(sorted({*base[:i], k, *base[i + 1 :]})) for i in range(len(base)) for k in heavy}
        return [tuple(base), *sorted(one for one in bases - {tuple(base)} if len(one) == len(base))]

    def _as_fitted(self, seen: Balance, ranking: Ranking) -> Fitted:
        """The best formula of a ranking, with its errors at the observations."""
        _, step = ranking.best
        order = np.argsort(step.support)
        step = seen.fit([step.support[k] for k in order], step.coefficients[order])
        whole = self.observed.damped
        size = (whole.size / seen.size)[list(step.support)]
        there = SparseFit(step.support, step.coefficients * size, step.rss, step.covariance)
        errors = whole.residual(there) / self.observed.scales.acceleration
        return Fitted(seen, step, ranking.gap(step.support), errors)

    def _rival(self, ranking: Ranking, support: Sequence[int]) -> tuple[float, tuple[str, ...]] | None:
        rival, kept = ranking.rival(support), self.observed.independent.kept
        if rival is None:
            return None
        value, step = rival
        names = (self.library.names[kept[k]] if k < len(kept) else "a force" for k in sorted(step.support))
        return value - ranking.value(support), tuple(names)
