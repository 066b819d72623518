"""Sparse formulas by elimination: the term that matters least is left out, the others are fitted again, and so on."""

import abc
from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Float

INSIGNIFICANT = 4.0
"""Of a contribution over the variance: what chance alone explains."""
PERMISSIVE = (0.05, 1.0)
"""Parts of the sum of squares that a term may explain and still be left out for being complex, in further searches."""
EXCHANGES, MOST_EXCHANGED = 3, 400
"""Most exchanges of a term for another, and most of them that are tried each time."""


class Step(eqx.Module):
    """A fit of some terms: their indices `support`, `coefficients`, the sum of squares `rss` that is left, and the
    `covariance` of the coefficients for unit errors.
    """

    support: tuple[int, ...] = eqx.field(static=True)
    coefficients: np.ndarray
    rss: float
    covariance: np.ndarray

    @property
    def contributions(self) -> np.ndarray:
        """By how much the sum of squares grows, to first order, where a term is left out; infinite for one that must
        stay.
        """
        c, variance = self.coefficients, np.diag(self.covariance)
        free = variance > 1e-24 * c**2
        return np.where(free, c**2 / np.where(free, variance, 1.0), np.inf)

    def without(self, *out: int) -> tuple[tuple[int, ...], np.ndarray]:
        """The support without some of its terms, and the best coefficients of the others, to first order."""
        among = self.covariance[np.ix_(out, out)]
        change = np.linalg.lstsq(among, self.coefficients[list(out)], rcond=1e-12)[0]
        c = self.coefficients - self.covariance[:, list(out)] @ change
        return tuple(np.delete(self.support, out).tolist()), np.delete(c, out)


Try = tuple[Sequence[int], np.ndarray | None]
"""A support, and coefficients from which its fit begins; `None` where none are known."""


class AbstractFit(eqx.Module):
    """Least squares of any subset of terms."""

    @property
    @abc.abstractmethod
    def rows(self) -> int:
        """Number of independent equations."""

    @abc.abstractmethod
    def fit_each(self, tries: Sequence[Try], *, hurry: bool = False) -> list[Step]:
        """The terms of each support fitted, from their coefficients nearby where those are known; in few steps if these
        are many tries. Where they cannot be fitted, the sum of squares is infinite.
        """

    def fit(self, support: Sequence[int], start: np.ndarray | None) -> Step:
        """The terms of one support."""
        return self.fit_each([(support, start)])[0]


def eliminate(problem: AbstractFit, terms: int, complexity: np.ndarray, floor: float, *, chance: float) -> list[Step]:
    """Fits of all terms, of fewer, and so on to a single one.

    Of terms that explain no more than `chance` times the sum of squares that is left, or than `floor`, the most complex
    is left out first: where several say nearly the same, their contributions do not tell which is meant. Several of
    these are left out at once if they explain no more together.
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
            single = (problem.fit(*step.without(k)) for k in order)
            fitted = next((fit for fit in single if np.isfinite(fit.rss)), None)
        if fitted is None:
            break
        path.append(fitted)
    return path


def score(problem: AbstractFit, step: Step, terms: int, tolerance: float) -> float:
    """The extended Bayesian information criterion of a step, of so many terms that there were."""
    rows = problem.rows
    size = len(step.support) * (np.log(rows) + 2 * np.log(terms))
    return float(rows * np.log((step.rss + tolerance) / rows) + size)


def by_information(problem: AbstractFit, terms: int, complexity: np.ndarray, floor: float, tolerance: float) -> Step:
    r"""The formula of least $N \log((\mathrm{RSS} + f) / N) + k (\log N + 2 \log K)$.

    The extended Bayesian information criterion (Chen and Chen 2008) of k terms chosen among K, with the sum of squares
    $f$, `tolerance`, below which errors are no noise. Terms are eliminated in several ways; then those of the best
    formula are exchanged for others, one by one, and left out, while that is better.
    """

    def score_of(step: Step) -> float:
        return score(problem, step, terms, tolerance)

    best = min(eliminate(problem, terms, complexity, floor, chance=INSIGNIFICANT / problem.rows), key=score_of)
    for chance in PERMISSIVE if best.rss > 1e-2 * tolerance else ():
        best = min([best, *eliminate(problem, terms, complexity, floor, chance=chance)], key=score_of)
    for _ in range(EXCHANGES):
        support = best.support
        others = [k for k in range(terms) if k not in support]
        fewer = problem.fit_each([best.without(i) for i in range(len(support)) if best.covariance[i, i] > 0])
        exchanged = []
        if best.rss > 1e-2 * tolerance and len(others) * len(support) <= MOST_EXCHANGED:
            pairs = [(i, k) for i in range(len(support)) for k in others]
            exchanged = problem.fit_each([((*support[:i], k, *support[i + 1 :]), None) for i, k in pairs], hurry=True)
        better = min([best, *fewer, *exchanged], key=score_of)
        if score_of(better) >= score_of(best) - 1e-9:
            break
        best = better
    return best


def by_gap(path: Sequence[Step], floor: float, largest: float) -> tuple[int, float]:
    """The step after which leaving out one more term makes the residual grow by the largest factor, and that factor.

    For errors that are smooth rather than noise, as a network's, which many terms explain a little. `floor` and
    `largest`: residuals that count as zero, and beyond which no step is chosen, both relative to no terms at all.
    """
    total = path[-1].rss + path[-1].contributions.sum() if len(path[-1].support) == 1 else np.inf
    residuals = np.sqrt([*(step.rss for step in path), total]) + floor
    growth = residuals[1:] / residuals[:-1]
    allowed = np.where(residuals[:-1] <= largest, growth, 0.0)
    best = int(np.argmax(allowed)) if allowed.any() else int(np.argmin(residuals[:-1]))
    return best, float(growth[best])


class LinearFit(AbstractFit):
    r"""$|y - X c|^2$, both over $|y|$."""

    triangle: Float[np.ndarray, "k k"]
    count: int = eqx.field(static=True)

    def __init__(self, X: np.ndarray, y: np.ndarray):
        rows = np.column_stack([X, y]) / np.linalg.norm(y)
        self.triangle = np.asarray(np.linalg.qr(np.vstack([rows, np.zeros((rows.shape[1], rows.shape[1]))]), mode="r"))
        self.count = len(y)

    @property
    def rows(self) -> int:
        return self.count

    def fit_each(self, tries: Sequence[Try], *, hurry: bool = False) -> list[Step]:
        return [self._fit(support) for support, _ in tries]

    def _fit(self, support: Sequence[int]) -> Step:
        X, y = self.triangle[:, list(support)], self.triangle[:, -1]
        c, covariance = solve(X, y)
        rss = float(np.sum((y - X @ c) ** 2))
        return Step(tuple(int(k) for k in support), c, rss, covariance)


def solve(
    X: Float[np.ndarray, "*problem row k"], y: Float[np.ndarray, "*problem row"]
) -> tuple[Float[np.ndarray, "*problem k"], Float[np.ndarray, "*problem k k"]]:
    r"""$c$ of least $|y - X c|$ and $(X^\top X)^{-1}$, with directions that $X$ does not see left at zero, and free."""
    size = np.linalg.norm(X, axis=-2)
    size = np.where(size > 0, size, 1.0)
    X, y = X / size[..., None, :], y[..., None]
    areas = size[..., :, None] * size[..., None, :]
    if X.shape[-2] > 4 * X.shape[-1]:  # as many as that are many: normal equations
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
