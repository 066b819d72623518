"""Backward elimination: the least important term is removed and the others are fitted again, down to one term."""

import abc
from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Float

F_RATIO_INSIGNIFICANT = 4.0
"""F-ratio below which a term is insignificant: it explains no more than chance does."""
PERMISSIVE_SHARES = (0.05, 1.0)
"""Further eliminations remove the most complex term among those that explain less than this share of the residual."""
MAX_EXCHANGE_ROUNDS, MAX_EXCHANGES_TRIED = 3, 400
"""Most rounds that exchange one term for another, and most exchanges tried in a round, which bound the run time."""


class SparseFit(eqx.Module):
    """A least-squares fit of some terms.

    - `support`: indices of the terms. `coefficients`: shape `(term,)`.
    - `rss`: residual sum of squares. `covariance`: of the coefficients, for errors of variance one.
    """

    support: tuple[int, ...] = eqx.field(static=True)
    coefficients: np.ndarray
    rss: float
    covariance: np.ndarray

    @property
    def contributions(self) -> np.ndarray:
        """Increase of the sum of squares when each term is removed, to first order.

        It is infinite for a term that must stay.
        """
        c, variance = self.coefficients, np.diag(self.covariance)
        free = variance > 1e-24 * c**2
        return np.where(free, c**2 / np.where(free, variance, 1.0), np.inf)

    def without(self, *out: int) -> tuple[tuple[int, ...], np.ndarray]:
        """The support without the given positions, and the best coefficients of the others, to first order."""
        among = self.covariance[np.ix_(out, out)]
        change = np.linalg.lstsq(among, self.coefficients[list(out)], rcond=1e-12)[0]
        c = self.coefficients - self.covariance[:, list(out)] @ change
        return tuple(np.delete(self.support, out).tolist()), np.delete(c, out)


Try = tuple[Sequence[int], np.ndarray | None]
"""A support to fit, and initial coefficients, or `None` if they are unknown."""


class AbstractFit(eqx.Module):
    """A least-squares problem that can be fitted with any subset of its terms."""

    @property
    @abc.abstractmethod
    def rows(self) -> int:
        """Number of independent equations (rows)."""

    @abc.abstractmethod
    def fit_each(self, tries: Sequence[Try], *, hurry: bool = False) -> list[SparseFit]:
        """Fits each support; the sum of squares of a failed fit is infinite.

        **Arguments:**

        - `tries`: supports with initial coefficients.
        - `hurry`: whether to take few steps only, because there are many tries.
        """

    def fits_without_one(self, step: SparseFit) -> list[SparseFit]:
        """Fits a step without each of its terms that may be left out."""
        return self.fit_each([step.without(i) for i in range(len(step.support)) if step.covariance[i, i] > 0])

    def fit(self, support: Sequence[int], start: np.ndarray | None) -> SparseFit:
        """Fits one support."""
        return self.fit_each([(support, start)])[0]


class AbstractFitWithErrors(AbstractFit):
    """A least-squares problem whose residuals are known for each step."""

    @abc.abstractmethod
    def errors(self, step: SparseFit) -> Float[np.ndarray, " row"]:
        """The residuals of a step, whose sum of squares is minimised."""


def eliminate(
    problem: AbstractFit, terms: int, complexity: np.ndarray, floor: float, *, chance: float
) -> list[SparseFit]:
    """Fits all terms, then removes terms until one is left; returns all fits.

    A term is idle if it explains no more than `chance` times the residual sum of squares, or no more than `floor`. The
    most complex idle term is removed first, because contributions cannot rank terms that are nearly equal on the data.
    Several idle terms are removed at once if they are idle together.
    """
    path = [problem.fit(range(terms), None)]
    while len(path[-1].support) > 1:
        step = path[-1]
        contributions, allowed = step.contributions, max(floor, chance * step.rss)
        idle, size = contributions <= allowed, complexity[list(step.support)]
        order = np.lexsort((np.where(idle, -size, contributions), ~idle))
        order = [int(k) for k in order if np.isfinite(contributions[k])]
        several = order[: int(idle.sum()) // 3]
        fitted = problem.fit(*step.without(*several)) if len(several) > 1 else None
        if fitted is None or not fitted.rss <= step.rss + allowed:
            fitted = _one_fewer(problem, step, order, int(idle.sum()), step.rss + allowed)
        if fitted is None:
            break
        path.append(fitted)
    return path


def _one_fewer(problem: AbstractFit, step: SparseFit, order: Sequence[int], idle: int, most: float) -> SparseFit | None:
    """The fit without the first term of `order` that can be left out; `None` if no fit succeeds.

    The first `idle` terms count as idle by their contributions, which hold to first order. In a part that does not
    interact with the others all coefficients can shrink together without any effect. So the contribution of a term of
    this part may be nearly zero, although the part cannot do without it. Therefore an idle term is left out only if the
    sum of squares stays below `most`. If there is no such term, the one with the least sum of squares is left out.
    """
    best = None
    for rank, k in enumerate(order):
        if rank >= idle and best is not None:
            break
        fit = problem.fit(*step.without(k))
        if np.isfinite(fit.rss) and (rank >= idle or fit.rss <= most):
            return fit
        if np.isfinite(fit.rss) and (best is None or fit.rss < best.rss):
            best = fit
    return best


def score(problem: AbstractFit, step: SparseFit, terms: int, tolerance: float) -> float:
    """Extended Bayesian information criterion of a step, chosen among `terms` candidate terms; lower is better."""
    rows = problem.rows
    size = len(step.support) * (np.log(rows) + 2 * np.log(terms))
    return float(rows * np.log((step.rss + tolerance) / rows) + size)


def price_of_a_parameter(problem: AbstractFit) -> float:
    """What a parameter costs in the criterion. A formula must be better than a simpler one by at least this.

    Of two formulas with as many terms, one can have a parameter more. Where parts do not interact, the scale of each
    part is a coefficient that changes nothing. A product that couples the parts makes it a parameter, which fits noise.
    """
    return float(np.log(problem.rows))


def by_information(
    problem: AbstractFit, terms: int, complexity: np.ndarray, floor: float, tolerance: float
) -> SparseFit:
    r"""The formula with the least extended Bayesian information criterion (Chen and Chen 2008).

    $$N \log \frac{\mathrm{RSS} + f}{N} + k (\log N + 2 \log K)$$

    for N rows, k terms and K candidate terms. The sum of squares $f$, `tolerance`, stands for numerical errors. Terms
    are eliminated in several orders. Then single terms of the best formula are exchanged or removed, as long as this
    lowers the criterion. The simplest formula is returned whose criterion exceeds the least one by less than
    `price_of_a_parameter`.
    """

    def score_of(step: SparseFit) -> float:
        return score(problem, step, terms, tolerance)

    tried = eliminate(problem, terms, complexity, floor, chance=F_RATIO_INSIGNIFICANT / problem.rows)
    best = min(tried, key=score_of)
    for chance in PERMISSIVE_SHARES if best.rss > 1e-2 * tolerance else ():
        tried += eliminate(problem, terms, complexity, floor, chance=chance)
        best = min(tried, key=score_of)
    for _ in range(MAX_EXCHANGE_ROUNDS):
        support = best.support
        others = [k for k in range(terms) if k not in support]
        fewer = problem.fits_without_one(best)
        exchanged = []
        if best.rss > 1e-2 * tolerance and len(others) * len(support) <= MAX_EXCHANGES_TRIED:
            pairs = [(i, k) for i in range(len(support)) for k in others]
            exchanged = problem.fit_each([((*support[:i], k, *support[i + 1 :]), None) for i, k in pairs], hurry=True)
        tried += [*fewer, *exchanged]
        better = min([best, *fewer, *exchanged], key=score_of)
        if score_of(better) >= score_of(best) - 1e-9:
            break
        best = better
    allowed = score_of(best) + price_of_a_parameter(problem)
    return min(
        (step for step in tried if score_of(step) <= allowed),
        key=lambda step: (complexity[list(step.support)].sum(), score_of(step)),
    )


def by_gap(path: Sequence[SparseFit], floor: float, largest: float) -> tuple[int, float]:
    """Index of the step after which one term fewer increases the residual most, and the factor of this increase.

    It suits smooth errors, such as those of a network, which many terms explain a little.

    **Arguments:**

    - `floor`, `largest`: residuals that count as zero, and that are too large, relative to the residual without terms.
    """
    total = path[-1].rss + path[-1].contributions.sum() if len(path[-1].support) == 1 else np.inf
    residuals = np.sqrt([*(step.rss for step in path), total]) + floor
    growth = residuals[1:] / residuals[:-1]
    allowed = np.where(residuals[:-1] <= largest, growth, 0.0)
    best = int(np.argmax(allowed)) if allowed.any() else int(np.argmin(residuals[:-1]))
    return best, float(growth[best])


class LinearFit(AbstractFit):
    r"""Linear least squares of $|y - X c|^2 / |y|^2$."""

    triangle: Float[np.ndarray, "k k"]
    count: int = eqx.field(static=True)

    def __init__(self, X: np.ndarray, y: np.ndarray):
        rows = np.column_stack([X, y]) / np.linalg.norm(y)
        self.triangle = np.asarray(np.linalg.qr(np.vstack([rows, np.zeros((rows.shape[1], rows.shape[1]))]), mode="r"))
        self.count = len(y)

    @property
    def rows(self) -> int:
        return self.count

    def fit_each(self, tries: Sequence[Try], *, hurry: bool = False) -> list[SparseFit]:
        return [self._fit(support) for support, _ in tries]

    def _fit(self, support: Sequence[int]) -> SparseFit:
        X, y = self.triangle[:, list(support)], self.triangle[:, -1]
        c, covariance = solve(X, y)
        rss = float(np.sum((y - X @ c) ** 2))
        return SparseFit(tuple(int(k) for k in support), c, rss, covariance)


def solve(
    X: Float[np.ndarray, "*problem row k"], y: Float[np.ndarray, "*problem row"]
) -> tuple[Float[np.ndarray, "*problem k"], Float[np.ndarray, "*problem k k"]]:
    r"""Least-squares solution $c$ of $X c = y$ and $(X^\top X)^{-1}$.

    Along singular directions of $X$ the solution is zero and the variance is huge.
    """
    size = np.linalg.norm(X, axis=-2)
    size = np.where(size > 0, size, 1.0)
    X, y = X / size[..., None, :], y[..., None]
    areas = size[..., :, None] * size[..., None, :]
    if X.shape[-2] > 4 * X.shape[-1]:  # many more rows than terms: normal equations are fast and accurate enough
        Xt = np.swapaxes(X, -1, -2)
        s, V = np.linalg.eigh(Xt @ X)
        cut = np.maximum(1e-13 * s[..., -1:], 1e-200)
        inverse, seen, right = 1 / np.maximum(s, cut), s > cut, np.swapaxes(V, -1, -2) @ (Xt @ y)
        weight = inverse
    else:
        U, s, Vt = np.linalg.svd(X, full_matrices=False)
        V = np.swapaxes(Vt, -1, -2)
        cut = np.maximum(1e-12 * s[..., :1], 1e-100)
        inverse, seen, right = 1 / np.maximum(s, cut), s > cut, np.swapaxes(U, -1, -2) @ y
        weight = inverse**2
    c = (V @ (np.where(seen, inverse, 0.0)[..., None] * right))[..., 0]
    return c / size, (V * weight[..., None, :]) @ np.swapaxes(V, -1, -2) / areas
