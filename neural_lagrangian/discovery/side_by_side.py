r"""Fits many formulas of equal size at once, with one pass through the observations.

All rows are energies. The errors of acceleration are $r(c) = M^{-1} b$ with $M = \sum_k c_k M_k$ and
$b = \sum_k c_k b_k$. Their derivatives are $\partial r / \partial c_k = M^{-1} (b_k - M_k r)$.
"""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int

from .elimination import solve
from .response import Response

MAX_NUMBERS_PER_PASS = 1 << 19
"""Most derivatives computed at a time (4 MB in double precision), which bounds the memory."""
MIN_SINGULAR_VALUE = 1e-8
"""Relative singular value below which a change of the coefficients counts as invisible in the data."""


class LinearizedFormulas(NamedTuple):
    """Linearisation of each formula.

    - `r`: errors of acceleration. `J`: their derivatives.
    - `regular`: whether the mass matrix is regular in the whole region; otherwise `r` and `J` are meaningless.
    """

    r: Float[np.ndarray, "row dof formula"]
    J: Float[np.ndarray, "row dof formula term"]
    regular: Bool[np.ndarray, " formula"]


class Fit(NamedTuple):
    """Fitted coefficients.

    - `rss`: residual sum of squares; infinite for a failed fit.
    - `covariance`: covariance of the coefficients, for errors of variance one.
    """

    c: Float[np.ndarray, " term"]
    rss: Float[np.ndarray, ""]
    covariance: Float[np.ndarray, "term term"]


class Terms(eqx.Module):
    """Mass matrices `M` and balances `b` of all terms at the observations, as energies.

    `response`: effect of errors of acceleration on the recorded states; `None` if the errors themselves are fitted.
    """

    M: Float[np.ndarray, "row dof dof term"]
    b: Float[np.ndarray, "row dof term"]
    response: Response | None

    @property
    def rows(self) -> int:
        return self.b.shape[0] * self.b.shape[1] if self.response is None else self.response.rows

    def linearized(
        self, supports: Int[np.ndarray, "formula term"], c: Float[np.ndarray, "formula term"]
    ) -> LinearizedFormulas:
        rows, dof, terms = self.b.shape
        count, size = supports.shape
        by_term = np.zeros((terms, count))
        by_term[supports, np.arange(count)[:, None]] = c
        M = (self.M.reshape(-1, terms) @ by_term).reshape(rows, dof, dof, count)
        b = (self.b.reshape(-1, terms) @ by_term).reshape(rows, dof, count)
        inverse, regular = _inverse(M)
        r = _product(inverse, b)
        chosen = supports.ravel()
        slopes = np.take(self.b, chosen, axis=2).reshape(rows, dof, count, size)
        for j in range(dof):
            M_j = np.take(self.M[:, :, j], chosen, axis=2).reshape(rows, dof, count, size)
            M_j *= r[:, j, None, :, None]
            slopes -= M_j
        return LinearizedFormulas(r, _product(inverse[..., None], slopes), regular)

    def seen(self, x: Float[np.ndarray, "row dof ..."]) -> Float[np.ndarray, "equation ..."]:
        """Converts errors of acceleration, or their derivatives, to rows of the least-squares problem."""
        flat = x.reshape(*x.shape[:2], -1)
        seen = flat.reshape(-1, flat.shape[2]) if self.response is None else self.response.slopes(flat)
        return seen.reshape(len(seen), *x.shape[2:])

    def left(self, r: Float[np.ndarray, "row dof formula"]) -> Float[np.ndarray, "equation formula"]:
        """The residuals of the least-squares problem."""
        seen = self.seen(r)
        return seen if self.response is None else seen - self.response.offset.reshape(-1, 1)

    def fitted(
        self,
        supports: Int[np.ndarray, "formula term"],
        kinetic: Float[np.ndarray, "formula term"],
        starts: Sequence[np.ndarray | None],
        steps: int,
    ) -> list[Fit]:
        """Fits formulas by damped Gauss-Newton steps, with coefficients normalised to mean kinetic energy one.

        **Arguments:**

        - `kinetic`: contribution of each term to the mean kinetic energy.
        - `starts`: initial coefficients, or `None` if unknown. `steps`: most steps.
        """
        share = max(1, MAX_NUMBERS_PER_PASS // max(1, self.b.shape[0] * self.b.shape[1] * supports.shape[1]))
        parts = [slice(k, k + share) for k in range(0, len(supports), share)]
        return [
            fit for part in parts for fit in _Descent(self, supports[part], kinetic[part], starts[part]).ended(steps)
        ]

    def start(self, support: Int[np.ndarray, " term"], kinetic: Float[np.ndarray, " term"]) -> np.ndarray:
        r"""Initial coefficients with mean kinetic energy one: small $\sum_k c_k b_k$, nearly constant mass matrix."""
        terms = len(support)
        b, M = (x[..., support].reshape(-1, terms) for x in (self.b, self.M))
        size = np.sqrt(np.mean(b**2, axis=0) + np.mean(M**2, axis=0))
        size = np.where(size > 0, size, 1.0)
        balanced, inertia, c = (b.T @ b) / len(b), (M.T @ M) / len(M), kinetic
        for weight in (1e-2, 1.0, 1e2, 1e4):  # a larger weight gives a more nearly constant mass
            gram = (balanced + weight * inertia) / np.outer(size, size) + 1e-10 * np.eye(terms)
            c = np.linalg.solve(gram, kinetic / size) / size
            c = c / (kinetic @ c)
            if self.linearized(support[None], c[None]).regular[0]:
                break
        return c

    def gains(self, c: Float[np.ndarray, "formula term"], supports: Sequence[Sequence[int]]) -> np.ndarray:
        """Decrease of the sum of squares by adding each missing term, to first order, `(formula, term)`.

        **Arguments:**

        - `c`: coefficients of all terms, zero for missing ones.
        """
        count, terms = c.shape
        at = self.linearized(np.tile(np.arange(terms), (count, 1)), c)
        J, y, gains = np.moveaxis(self.seen(at.J), 1, 0), self.left(at.r).T, np.zeros_like(c)
        for i in np.flatnonzero(at.regular):
            gains[i] = _gains(J[i], y[i], list(supports[int(i)]))
        return gains


def _gains(A: np.ndarray, y: np.ndarray, support: list[int]) -> np.ndarray:
    size = np.linalg.norm(A, axis=0)
    A = A / np.where(size > 0, size, 1.0)
    U, s, _ = np.linalg.svd(A[:, support], full_matrices=False)
    U = U[:, s > MIN_SINGULAR_VALUE * s[0]]
    A, y = (x - U @ (U.T @ x) for x in (A, y))
    new = np.sum(A**2, axis=0)
    new[support] = 0.0
    return np.where(new > MIN_SINGULAR_VALUE, (A.T @ y) ** 2 / np.where(new > MIN_SINGULAR_VALUE, new, 1.0), 0.0)


class _Descent:
    """The state of several Gauss-Newton fits."""

    def __init__(self, terms: Terms, supports: np.ndarray, kinetic: np.ndarray, starts: Sequence[np.ndarray | None]):
        self.terms, self.supports = terms, supports
        self.Z = np.swapaxes(np.linalg.svd(kinetic[:, None])[2][:, 1:], 1, 2)  # directions of constant kinetic energy
        energies = [0.0 if start is None else float(m @ start) for m, start in zip(kinetic, starts, strict=True)]
        given = np.abs(energies) > 0
        self.c = np.zeros(supports.shape)
        for i, start in enumerate(starts):
            if start is not None and given[i]:
                self.c[i] = start / energies[i]
            else:
                self.c[i] = terms.start(supports[i], kinetic[i])
        self.J, self.y, self.cost = self._at(np.arange(len(supports)), self.c)
        again = np.flatnonzero(given & ~np.isfinite(self.cost))
        if len(again):
            self.c[again] = [terms.start(supports[i], kinetic[i]) for i in again]
            self.J[again], self.y[again], self.cost[again] = self._at(again, self.c[again])
        self.damping = np.zeros(len(supports))
        self.covariance = np.zeros((len(supports), self.Z.shape[2], self.Z.shape[2]))

    def _at(self, which: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Jacobian `(formula, equation, direction)`, residuals, and their sum of squares."""
        at = self.terms.linearized(self.supports[which], c)
        y = self.terms.left(at.r).T
        cost = np.where(at.regular, np.sum(y**2, axis=1), np.inf)
        J = np.ascontiguousarray(np.moveaxis(self.terms.seen(at.J), 1, 0)) @ self.Z[which]
        return J, y, np.where(np.isnan(cost), np.inf, cost)

    def ended(self, steps: int) -> list[Fit]:
        going = np.flatnonzero(np.isfinite(self.cost)) if self.Z.shape[2] else np.empty(0, int)
        for _ in range(steps):
            if not len(going):
                break
            going = self._step(going)
        covariance = self.Z @ self.covariance @ np.swapaxes(self.Z, 1, 2)
        sound = np.isfinite(self.c).all(axis=1) & np.isfinite(covariance).all(axis=(1, 2)) & np.isfinite(self.cost)
        c, covariance = (np.where(sound.reshape(-1, *(1,) * (x.ndim - 1)), x, 0.0) for x in (self.c, covariance))
        return [Fit(*each) for each in zip(c, np.where(sound, self.cost, np.inf), covariance, strict=True)]

    def _step(self, going: np.ndarray) -> np.ndarray:
        """Takes one step of each fit; returns the fits that have not converged."""
        A, y = self.J[going], self.y[going]
        delta, self.covariance[going] = solve(A, y)
        gain = gain_of(A, y, delta)
        near = (self.damping[going] == 0) & (gain <= 1e-3 * self.cost[going] + 1e-9 * self.terms.rows)
        end = going[near]  # converged; the sum of squares follows from the linear model
        self.c[end] -= (self.Z[end] @ delta[near][..., None])[..., 0]
        self.cost[end] = np.maximum(self.cost[end] - gain[near], 0.0)
        going, A, y, delta = going[~near], A[~near], y[~near], delta[~near]
        if not len(going):
            return going
        heavy = self.damping[going] > 0
        if heavy.any():
            delta[heavy] = _damped(A[heavy], y[heavy], self.damping[going[heavy]])
        c = self.c[going] - (self.Z[going] @ delta[..., None])[..., 0]
        J, y, cost = self._at(going, c)
        lower = cost <= self.cost[going]
        better, worse = going[lower], going[~lower]
        self.c[better], self.J[better], self.y[better], self.cost[better] = c[lower], J[lower], y[lower], cost[lower]
        self.damping[better] = np.where(self.damping[better] > 1e-3, self.damping[better] / 10, 0.0)
        stuck = worse[self.damping[worse] > 1e3]
        self.damping[worse] = np.maximum(10 * self.damping[worse], 1e-4)
        return np.setdiff1d(going, stuck, assume_unique=True)


def _damped(A: np.ndarray, y: np.ndarray, damping: np.ndarray) -> np.ndarray:
    size = np.sqrt(damping)[:, None] * np.linalg.norm(A, axis=1)
    A = np.concatenate([A, size[:, :, None] * np.eye(A.shape[2])], axis=1)
    return solve(A, np.concatenate([y, np.zeros_like(size)], axis=1))[0]


def gain_of(A: np.ndarray, y: np.ndarray, delta: np.ndarray) -> np.ndarray:
    """The decrease from |y|^2 to |A delta - y|^2."""
    fitted = (A @ delta[..., None])[..., 0]
    return np.sum((2 * y - fitted) * fitted, axis=-1)


def _product(matrix: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Matrix product of arrays `(row, i, j, ...)` and `(row, j, ...)`, summed over j."""
    return sum(matrix[:, :, j] * x[:, j][:, None] for j in range(1, x.shape[1])) + matrix[:, :, 0] * x[:, 0][:, None]


def _inverse(M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverses of mass matrices `(row, dof, dof, formula)`, and which formulas are regular.

    A formula is regular if its determinant has one sign in all rows. A change of sign means a pole of r between rows,
    which could fit the data by chance.
    """
    dof = M.shape[1]
    if dof == 1:
        volume, adjugate = M[:, 0, 0], np.ones_like(M)
    elif dof == 2:
        volume = M[:, 0, 0] * M[:, 1, 1] - M[:, 0, 1] * M[:, 1, 0]
        adjugate = np.stack([M[:, 1, 1], -M[:, 0, 1], -M[:, 1, 0], M[:, 0, 0]], axis=1).reshape(M.shape)
    else:
        last = np.moveaxis(M, 3, 1)
        volume = np.linalg.det(last)
        regular = _of_one_sign(volume)
        return np.moveaxis(np.linalg.inv(np.where(regular[:, None, None], last, np.eye(dof))), 1, 3), regular
    regular = _of_one_sign(volume)
    return adjugate / np.where(regular, volume, 1.0)[:, None, None], regular


def _of_one_sign(volume: Float[np.ndarray, "row formula"]) -> Bool[np.ndarray, " formula"]:
    """Whether the determinants are finite, not zero, and of one sign."""
    least, most = volume.min(axis=0), volume.max(axis=0)
    return ((least > 0) & (most < np.inf)) | ((most < 0) & (least > -np.inf))
