"""Which formula of a library noisy motion has: by what is left of the recorded states, noise taken for what it is."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline
from threadpoolctl import threadpool_limits

from .balance import Balance, control_columns, damping_columns, pointwise
from .columns import sample_columns
from .elimination import Step
from .evidence import INDEPENDENT, Refined, follow, noise_before_smoothing, refined
from .fitting import Fitted, damping_of, fit_terms, is_passive
from .library import Library
from .naming import Named, named_fit
from .observations import Observations
from .ranking import Ranking, ranked
from .residual_spectrum import SETTLED
from .response import free_motion, instants, response_of
from .rollout_fit import WindowedMotion

ROUNDS = 3
"""Most formulas that are fitted by rollouts after the first."""
MOST_ADDED = 10
"""Terms of a formula beside a square for each velocity, while smoothed motion tells. One that has so many is not
believed: what was smoothed away of the motion asks for terms without end.
"""
ODDS = 200.0
"""By how much a formula must be more probable than the next that lacks one of its terms, by their criteria."""


class Choice(NamedTuple):
    """A formula. Where motion is noisy also what rollouts made of its coefficients, and the `rival`, the best formula
    that lacks one of its terms: its score less that of the formula, and the names of its terms.
    """

    fitted: Fitted
    named: Named
    better: Refined | None
    rival: tuple[float, tuple[str, ...]] | None = None

    @property
    def support(self) -> tuple[int, ...]:
        """Indices of its terms and entries among those that were offered."""
        support = self.fitted.step.support
        return support if self.better is None else tuple(np.asarray(support)[self.better.kept].tolist())

    @property
    def score(self) -> float:
        """The less, the better; infinite where no rollout is finite."""
        return np.inf if self.better is None else self.better.score


def chosen_by_terms(observed: Observations, library: Library, tolerance: float) -> Choice:
    """The formula of motion without noise."""
    fitted = fit_terms(observed, library, tolerance)
    return Choice(fitted, named_fit(fitted, library, observed), None)


class Selection(NamedTuple):
    """What a formula is chosen from and by: terms, what they say of the observations, windows of the motion with their
    smoothed states, the noise of each channel, and the `tolerance` of `sparse_lagrangian`.
    """

    library: Library
    observed: Observations
    motion: WindowedMotion
    noise: np.ndarray
    tolerance: float

    @threadpool_limits.wrap(limits=1, user_api="blas")  # thousands of small products: threads wait for each other
    @np.errstate(over="ignore", invalid="ignore", divide="ignore")  # a combination of too large numbers is none
    def chosen(self) -> Choice:
        """The formula whose rollouts explain the most, by what its terms cost.

        First the smoothed motion tells how terms act on the states, then that of the formula found; until the formula
        stays the same.
        """
        seen = self._along_data()
        most = self.library.dof + MOST_ADDED
        first = self._ranking(seen, (), most)
        ends = np.isfinite(first.best[0]) and len(first.best[1].support) < most
        best = self._refined(self._as_fitted(seen, first)) if ends else None
        if best is None or not np.isfinite(best.score):
            plain = chosen_by_terms(self.observed, self.library, self.tolerance)
            if not np.isfinite(plain.fitted.residual):
                return plain
            best = self._refined(plain.fitted)
        by = self
        for rounds in range(ROUNDS + 1 if np.isfinite(best.score) else 0):
            by, best = by._by_its_noise(best)
            seen = by._along_motion_of(best)
            others = [scored[1].support for scored in (first.best, first.rival(best.support)) if scored is not None]
            ranking = by._ranking(seen, [best.support, *(others if ends else ())], len(seen.kinetic))
            best = best._replace(
                rival=by._rival(ranking, best.support),
                fitted=best.fitted._replace(gap=ranking.gap(best.support)),
            )
            if set(ranking.best[1].support) == set(best.support) or rounds == ROUNDS:
                break
            found = by._refined(by._as_fitted(seen, ranking))
            if not found.score < best.score:
                break
            best = found
        return best

    def _refined(self, fitted: Fitted) -> Choice:
        """The formula with coefficients refined by rollouts, without terms that these do not need."""
        named = named_fit(fitted, self.library, self.observed)
        pivots = [part.pivot for part in named.parts]
        offered = len(self.observed.independent.kept)
        better = refined(named.formula.library, named.forces, self.motion, named.c, pivots, self.noise, offered)
        if np.isfinite(better.c).all() and np.isfinite(better.misfit):
            named = named.with_coefficients(better.c, better.errors, better.kept)
        return Choice(fitted, named, better)

    def _by_its_noise(self, choice: Choice) -> tuple["Selection", Choice]:
        """The same, where noise was smoothed with the noise that the formula leaves, and without the velocities."""
        better, named = choice.better, choice.named
        assert better is not None
        sound = np.isfinite(better.c).all() and np.isfinite(better.misfit)
        if not sound or follow(better.fit.residuals[..., : self.library.dof]) < INDEPENDENT:
            return self, choice
        free = np.ones(len(named.c))
        free[[part.pivot for part in named.parts]] = 0
        model = named.formula.library, named.forces, self.motion
        noise = noise_before_smoothing(*model, named.c, free, self.noise)
        if noise is None or np.allclose(noise, self.noise, rtol=SETTLED):
            return self, choice
        again = self._replace(noise=noise)
        found = again._refined(choice.fitted)
        return (again, found) if np.isfinite(found.score) else (self, choice)

    def _balance(self, states: np.ndarray) -> Callable[[np.ndarray], Balance]:
        """From accelerations there, of all terms and all entries of forces, at instants of each window."""
        ts, us = np.asarray(self.motion.ts), np.asarray(self.motion.us)
        at, dof = instants(ts.shape[1]), self.library.dof
        states = states[:, at].reshape(-1, 2 * dof)
        controls = us[:, at].reshape(len(states), us.shape[2])
        columns = sample_columns(self.library, states, ts[:, at].reshape(-1)).select(self.observed.independent.kept)
        scales = self.observed.scales

        def balanced(accelerations: np.ndarray) -> Balance:
            balance = pointwise(columns, accelerations, scales).beside(control_columns(controls, dof), scales)
            return balance.beside(damping_columns(states[:, dof:]), scales)

        return balanced

    def _along_data(self) -> Balance:
        """Terms along the smoothed motion, as if no error of the states acted back on accelerations."""
        ts, ys = np.asarray(self.motion.ts), np.asarray(self.motion.smooth)
        dof, at = self.library.dof, instants(ts.shape[1])
        a = np.stack([CubicSpline(t, y[:, dof:]).derivative()(t[at]) for t, y in zip(ts, ys, strict=True)])
        balance = self._balance(ys)(a.reshape(-1, dof))
        deviations = ys - np.asarray(self.motion.ys)
        response = response_of(ts, free_motion(ts, dof), deviations, self.noise, self.observed.scales.acceleration)
        return balance.seen_in(response)

    def _along_motion_of(self, choice: Choice) -> Balance:
        """Terms along the motion of a formula: it balances there, and others are weighed by how far they leave it."""
        assert choice.better is not None
        fit, support = choice.better.fit, list(choice.support)
        balanced = self._balance(fit.states)
        still = balanced(np.zeros((len(fit.states) * len(instants(fit.states.shape[1])), self.library.dof)))
        c = choice.better.c[choice.better.kept] * still.size[support]
        a = -still.residual(Step(tuple(support), c, 0.0, np.zeros((len(c), len(c)))))
        ts, deviations = np.asarray(self.motion.ts), fit.states - np.asarray(self.motion.ys)
        response = response_of(ts, fit.transitions, deviations, self.noise, self.observed.scales.acceleration)
        return balanced(a).seen_in(response)

    def _ranking(self, seen: Balance, starts: Sequence[Sequence[int]], most: int) -> Ranking:
        """A force that feeds energy in is believed if the best formula without forces is far less probable: on circles
        of one frequency velocities turn into accelerations, and a mass between the axes balances a force along them.
        """
        ranking = self._ranked(seen, starts, most)
        terms = len(seen.kinetic) - self.library.dof * (self.library.dof + 1) // 2
        value, step = ranking.best
        damping = damping_of(seen, step, terms)
        if damping is None or is_passive(damping):
            return ranking
        alone = ([k for k in start if k < terms] for start in starts)
        without = self._ranked(seen.first(terms), [start for start in alone if start], most)
        return without if without.best[0] < value + 2 * np.log(ODDS) else ranking

    def _ranked(self, seen: Balance, starts: Sequence[Sequence[int]], most: int) -> Ranking:
        assert seen.response is not None
        floor = seen.response.floor(self.tolerance * self.observed.scales.acceleration)
        kept = self.observed.independent.kept
        entries = len(seen.kinetic) - len(kept)
        complexity = np.concatenate([self.library.complexity[list(kept)], np.ones(entries)])
        return ranked(seen, complexity, starts, self._bases(seen), floor, most)

    def _bases(self, seen: Balance) -> list[tuple[int, ...]]:
        """The squares of all velocities, also with one of them exchanged for another term with a mass."""
        kept, squares = self.observed.independent.kept, [((name, 2),) for name in self.library.symbols[1]]
        base = [i for i, k in enumerate(kept) if self.library.terms[k] in squares]
        if len(base) < self.library.dof:
            return []
        heavy = [k for k in range(len(seen.kinetic)) if seen.kinetic[k] != 0]
        bases = {tuple(sorted({*base[:i], k, *base[i + 1 :]})) for i in range(len(base)) for k in heavy}
        return [tuple(base), *sorted(one for one in bases - {tuple(base)} if len(one) == len(base))]

    def _as_fitted(self, seen: Balance, ranking: Ranking) -> Fitted:
        """The best of a ranking. Its errors are those at the observations."""
        _, step = ranking.best
        order = np.argsort(step.support)
        step = seen.fit([step.support[k] for k in order], step.coefficients[order])
        whole = self.observed.damped
        size = (whole.size / seen.size)[list(step.support)]
        there = Step(step.support, step.coefficients * size, step.rss, step.covariance)
        errors = whole.residual(there) / self.observed.scales.acceleration
        return Fitted(seen, step, ranking.gap(step.support), errors)

    def _rival(self, ranking: Ranking, support: Sequence[int]) -> tuple[float, tuple[str, ...]] | None:
        rival, kept = ranking.rival(support), self.observed.independent.kept
        if rival is None:
            return None
        value, step = rival
        names = (self.library.names[kept[k]] if k < len(kept) else "a force" for k in sorted(step.support))
        return value - ranking.value(support), tuple(names)
