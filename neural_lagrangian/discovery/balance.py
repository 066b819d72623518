r"""Terms balanced along a motion: the formula whose accelerations are those observed.

Each observation gives, of every term, a mass matrix $M_k$ and a balance $b_k$, and the coefficients are to make

$$r(c) = \Bigl(\sum_k c_k M_k\Bigr)^{-1} \sum_k c_k b_k$$

vanish, an error of acceleration. It does not change with the scale of $c$. The mass matrix must be regular in the
whole region: its determinant keeps its sign. ($\sum_k c_k b_k$ alone would be made small
by a small mass as well as by the right formula.) Where accelerations are known, $b_k = M_k a + h_k$ at each state.
Where not, both are averages over windows of the motion with a weight $\psi$ that vanishes at the ends (the weak form):

$$M_k = \frac{\int \psi M_k\, dt}{\int \psi\, dt}, \qquad
  b_k = -\frac{\int (\dot\psi\, \partial \phi_k / \partial v + \psi\, \partial \phi_k / \partial q)\, dt}
              {\int \psi\, dt}.$$

Linear damping, $Q = -D v$ with $D$ symmetric, and controls, $Q = G u$, are balanced with the terms: each entry of $D$
and of $G$ has no mass matrix, and what it is multiplied by for $b_k$.
"""

from collections.abc import Sequence
from dataclasses import replace

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .columns import Columns
from .elimination import AbstractFit, Step, solve
from .equations import Scales
from .parts import Part
from .response import Response

ITERATIONS, HURRIED = 30, 5
UNSEEN = 1e-8
"""Singular value, relative to the largest, of a change that no observation sees."""


class Balance(AbstractFit):
    r"""$\sum |r(c)_j / \sigma_j|^2$ by Gauss-Newton, for coefficients with a mean kinetic energy of one.

    `M`, shape `(row, term, dof, dof)`, and `b`, `(row, term, dof)`, of terms over their `size`, `(term,)`, so that
    units do not matter; `sigma`, the errors of acceleration that count as one, `(dof,)`; `kinetic`, what each term adds
    to the mean of $\sum_i M_{ii} u_i^2$, `(term,)`; `length`, with which $\ell_i b_i$ and $\ell_i M_{ij} \sigma_j$ are
    energies in every row, `(dof,)`.
    """

    M: Float[np.ndarray, "row term dof dof"]
    b: Float[np.ndarray, "row term dof"]
    sigma: Float[np.ndarray, " dof"]
    kinetic: Float[np.ndarray, " term"]
    size: Float[np.ndarray, " term"]
    length: Float[np.ndarray, " dof"]
    response: Response | None = None

    @staticmethod
    def of(M: np.ndarray, b: np.ndarray, scales: Scales) -> "Balance":
        size = np.sqrt(np.mean(np.sum(scales.rows(M, b) ** 2, axis=2), axis=0))
        size = np.where(size > 0, size, 1.0)
        M, b = M / size[:, None, None], b / size[:, None]
        kinetic = np.einsum("rkii,i->k", M, scales.speed**2) / len(M)
        return Balance(M, b, scales.acceleration, kinetic, size, scales.length)

    def beside(self, b: Float[np.ndarray, "row entry dof"], scales: Scales) -> "Balance":
        """With entries of forces, which have no mass matrix, behind the terms."""
        if b.shape[1] == 0:
            return self
        entries = Balance.of(np.zeros((*b.shape, b.shape[2])), b, scales)
        both = ((self.M, entries.M), (self.b, entries.b))
        M, b = (np.concatenate(pair, axis=1) for pair in both)
        kinetic, size = (np.concatenate(pair) for pair in ((self.kinetic, entries.kinetic), (self.size, entries.size)))
        return replace(self, M=M, b=b, kinetic=kinetic, size=size)

    @property
    def rows(self) -> int:
        return self.b.shape[0] * self.b.shape[2] if self.response is None else self.response.rows

    def errors(self, step: Step) -> Float[np.ndarray, " row"]:
        """Whose sum of squares is made small."""
        return self._rows(self.residual(step))

    def seen_in(self, response: Response) -> "Balance":
        """The same, errors weighed by what they do to the states."""
        return replace(self, response=response)

    def part(self, rows: slice) -> "Balance":
        """Some of the observations."""
        return replace(self, M=self.M[rows], b=self.b[rows])

    def first(self, terms: int) -> "Balance":
        """The first terms alone."""
        M, b = self.M[:, :terms], self.b[:, :terms]
        return replace(self, M=M, b=b, kinetic=self.kinetic[:terms], size=self.size[:terms])

    def weighted(self, sigma: np.ndarray) -> "Balance":
        return replace(self, sigma=sigma)

    def residual(self, step: Step) -> np.ndarray:
        """r, shape `(row, dof)`."""
        return self._linearized(list(step.support), step.coefficients)[0]

    def fit(self, support: Sequence[int], start: np.ndarray | None, *, hurry: bool = False) -> Step:
        terms = [int(k) for k in support]
        m = self.kinetic[terms]
        if not np.abs(m).max() > 1e-12 * np.abs(self.kinetic).max():
            return _unfit(terms)
        Z = np.linalg.svd(m[None])[2][1:].T  # directions that leave the mean kinetic energy as it is
        c = self.start(terms) if start is None or not abs(m @ start) > 0 else start / (m @ start)
        r, J = self._linearized(terms, c)
        if start is not None and not np.isfinite(r).all():
            c = self.start(terms)
            r, J = self._linearized(terms, c)
        cost, damping, covariance = self._cost(r), 0.0, np.zeros((Z.shape[1], Z.shape[1]))
        for _ in range((HURRIED if hurry else ITERATIONS) if Z.shape[1] and np.isfinite(cost) else 0):
            A, y = self._flat(J) @ Z, self._rows(r)
            delta, covariance = solve(A, y)
            gain = _gain(A, y, delta)
            if damping == 0 and gain <= 1e-3 * cost + 1e-9 * self.rows:
                c, cost = c - Z @ delta, max(cost - gain, 0.0)  # so near that nothing is gained by another look
                break
            if damping:
                size = np.sqrt(damping) * np.linalg.norm(A, axis=0)
                delta = solve(np.vstack([A, np.diag(size)]), np.concatenate([y, np.zeros(len(size))]))[0]
            r_tried, J_tried = self._linearized(terms, c - Z @ delta)
            lower = self._cost(r_tried)
            if lower <= cost:
                c, r, J, cost = c - Z @ delta, r_tried, J_tried, lower
                damping = damping / 10 if damping > 1e-3 else 0.0
            elif damping > 1e3:
                break
            else:
                damping = max(10 * damping, 1e-4)
        covariance = Z @ covariance @ Z.T
        sound = np.isfinite(c).all() and np.isfinite(covariance).all() and np.isfinite(cost)
        return Step(tuple(terms), c, cost, covariance) if sound else _unfit(terms)

    def gain(self, step: Step, more: Sequence[int]) -> float:
        """By how much the sum of squares falls where the coefficients of `more` terms, which have no mass, are fitted
        beside those of a step, which stay.
        """
        terms = [*step.support, *more]
        r, J = self._linearized(terms, np.concatenate([step.coefficients, np.zeros(len(more))]))
        A, y = self._flat(J)[:, len(step.support) :], self._rows(r)
        return _gain(A, y, solve(A, y)[0])

    def gains(self, step: Step) -> Float[np.ndarray, " term"]:
        """By how much the sum of squares would fall with each other term beside, to first order."""
        support, c = list(step.support), np.zeros(len(self.kinetic))
        c[support] = step.coefficients
        r, J = self._linearized(list(range(len(c))), c)
        if not np.isfinite(r).all():
            return np.zeros(len(c))
        A, y = self._flat(J), self._rows(r)
        size = np.linalg.norm(A, axis=0)
        A = A / np.where(size > 0, size, 1.0)
        U, s, _ = np.linalg.svd(A[:, support], full_matrices=False)
        U = U[:, s > UNSEEN * s[0]]
        A, y = (x - U @ (U.T @ x) for x in (A, y))
        new = np.sum(A**2, axis=0)
        new[support] = 0.0
        return np.where(new > UNSEEN, (A.T @ y) ** 2 / np.where(new > UNSEEN, new, 1.0), 0.0)

    def start(self, terms: list[int]) -> np.ndarray:
        r"""$\sum_k c_k b_k$ made small, and the mass nearly constant, with a mean kinetic energy of one."""
        m, b = self.kinetic[terms], self.length * self.b[:, terms]
        M = self.length[:, None] * self.M[:, terms] * self.sigma
        b, M = (np.moveaxis(x, 1, -1).reshape(-1, len(terms)) for x in (b, M))
        size = np.sqrt(np.mean(b**2, axis=0) + np.mean(M**2, axis=0))
        size = np.where(size > 0, size, 1.0)
        balanced, inertia, c = (b.T @ b) / len(b), (M.T @ M) / len(M), m
        for weight in (1e-2, 1.0, 1e2, 1e4):  # the larger, the nearer to a constant mass
            gram = (balanced + weight * inertia) / np.outer(size, size) + 1e-10 * np.eye(len(terms))
            c = np.linalg.solve(gram, m / size) / size
            c = c / (m @ c)
            if np.isfinite(self._linearized(terms, c)[0]).all():
                break
        return c

    def scaled(self, step: Step, parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray]:
        """The coefficients of the terms themselves with one half at the pivot of each part, and their covariance for
        unit errors.
        """
        size = self.size[list(step.support)]
        scale = np.ones(len(size))
        for part in parts:
            scale[list(part.members)] = size[part.pivot] / (2 * step.coefficients[part.pivot])
        J = self._flat(self._linearized(list(step.support), step.coefficients)[1])
        others = [k for k in range(len(size)) if k not in [part.pivot for part in parts]]
        covariance = np.zeros((len(size), len(size)))
        if others:
            covariance[np.ix_(others, others)] = solve(J[:, others], np.zeros(len(J)))[1]
        return step.coefficients * scale / size, covariance * np.outer(scale / size, scale / size)

    def free_changes(self, step: Step) -> Float[np.ndarray, "coefficient direction"]:
        """Relative changes of the coefficients of which no observation changes at all: in proportion for one."""
        J = self._flat(self._linearized(list(step.support), step.coefficients)[1])
        size = np.linalg.norm(J, axis=0)
        effect = size * np.abs(step.coefficients)
        seen = effect > UNSEEN * effect.max()  # else a column is rounding errors
        size = np.where(seen, size, np.abs(1 / step.coefficients))
        _, s, V = np.linalg.svd(np.where(seen, J, 0.0) / size, full_matrices=True)
        s = np.concatenate([s, np.zeros(len(V) - len(s))])
        return (V[s <= UNSEEN * s[0]] / (size * step.coefficients)).T

    def _linearized(self, terms: list[int], c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """r, `(row, dof)`, and its derivatives in the coefficients, `(row, term, dof)`."""
        M_k, b_k = self.M[:, terms], self.b[:, terms]
        M, b = np.tensordot(M_k, c, (1, 0)), np.tensordot(b_k, c, (1, 0))
        # As energies: what is regular is solved for in the units in which it was found so.
        scaled = self.length[:, None] * M * self.sigma
        volume = np.linalg.det(scaled)
        if not (volume > 0).all() and not (volume < 0).all():
            # Singular somewhere between the observations: one that comes near it is fitted by a chance pole of r.
            return np.full(b.shape, np.inf), np.zeros_like(b_k)

        def solved(x: np.ndarray) -> np.ndarray:
            """M^-1 x for the columns of x, `(row, dof, column)`."""
            return self.sigma[:, None] * np.linalg.solve(scaled, x * self.length[:, None])

        r = solved(b[..., None])[..., 0]
        slopes = b_k - np.einsum("rkij,rj->rki", M_k, r)
        return r, np.swapaxes(solved(np.swapaxes(slopes, 1, 2)), 1, 2)

    def _rows(self, r: np.ndarray) -> np.ndarray:
        return self._flat(r[:, None])[:, 0] if self.response is None else -self.response.residuals(r)

    def _cost(self, r: np.ndarray) -> float:
        return float(np.sum(self._rows(r) ** 2)) if np.isfinite(r).all() else np.inf

    def _flat(self, J: np.ndarray) -> np.ndarray:
        if self.response is not None:
            return self.response.slopes(J)
        return np.swapaxes(J / self.sigma, 1, 2).reshape(-1, J.shape[1])


def _gain(A: np.ndarray, y: np.ndarray, delta: np.ndarray) -> float:
    """By how much |A delta - y|^2 is less than |y|^2."""
    fitted = A @ delta
    return float(2 * y @ fitted - fitted @ fitted)


def _unfit(terms: list[int]) -> Step:
    return Step(tuple(terms), np.zeros(len(terms)), np.inf, np.zeros((len(terms), len(terms))))


def damping_columns(rates: Float[np.ndarray, "row dof"]) -> Float[np.ndarray, "row entry dof"]:
    """What the entries of a symmetric damping matrix contribute: those of its lower triangle, row by row."""
    dof = rates.shape[1]
    b = np.zeros((len(rates), dof * (dof + 1) // 2, dof))
    for k, (i, j) in enumerate(zip(*np.tril_indices(dof), strict=True)):
        b[:, k, i] = rates[:, j]
        b[:, k, j] = rates[:, i]
    return b


def control_columns(controls: Float[np.ndarray, "row m"], dof: int) -> Float[np.ndarray, "row entry dof"]:
    """What the entries of the matrix G of a force G u contribute, row by row of the matrix."""
    rows, m = controls.shape
    b = np.zeros((rows, dof, m, dof))
    for i in range(dof):
        b[:, i, :, i] = -controls
    return b.reshape(rows, dof * m, dof)


def pointwise(columns: Columns, accelerations: np.ndarray, scales: Scales) -> Balance:
    """From accelerations at states, shape `(state, dof)`."""
    b = np.einsum("skij,sj->ski", columns.M, accelerations) + columns.h
    return Balance.of(columns.M, b, scales)


def weak(columns: Columns, windows: "Windows", scales: Scales) -> Balance:
    """From motion in windows, without accelerations; `columns` at the samples of each window, one after another."""
    shape = windows.weight.shape

    def averaged(weight, values):
        return np.einsum("wt,wt...->w...", weight, values.reshape(*shape, *values.shape[1:]))

    b = averaged(-windows.slope, columns.p) - averaged(windows.weight, columns.slope)
    return Balance.of(averaged(windows.weight, columns.M), b, scales)


class Windows(eqx.Module):
    r"""Pieces of trajectories with a weight $\psi = (1 - s^2)^p$, $s$ from -1 to 1 along each, of integral one.

    `trajectory`, shape `(window,)`; `index`, of the samples in it, `(window, time)`; `weight` and `slope`, of the same
    shape: $\psi$ and $\dot\psi$ times the time that each sample stands for.
    """

    trajectory: np.ndarray
    index: np.ndarray
    weight: np.ndarray
    slope: np.ndarray

    @staticmethod
    def of(times: Sequence[np.ndarray], length: int, most: int, power: int = 5) -> "Windows":
        """Windows of `length` samples that overlap by half, at most about `most` of them."""
        stride = max(1, length // 2)
        every = [np.arange(0, len(t) - length + 1, stride) for t in times]
        starts = [(i, first) for i, firsts in enumerate(every) for first in firsts]
        if len(starts) > most:
            starts = [starts[k] for k in np.linspace(0, len(starts) - 1, most).astype(int)]
        trajectory = np.array([i for i, _ in starts], int)
        index = np.array([first for _, first in starts], int)[:, None] + np.arange(length)
        t = np.stack([times[i][rows] for i, rows in zip(trajectory, index, strict=True)])
        half = (t[:, -1:] - t[:, :1]) / 2
        s = (t - t[:, :1]) / half - 1
        share = np.gradient(t, axis=1)  # trapezoidal: the weight and its slope vanish at both ends
        psi = (1 - s**2) ** power * share
        psi_dot = -2 * power * s * (1 - s**2) ** (power - 1) / half * share
        # Their sums are to integrate by parts exactly where a velocity grows linearly: sums of psi_dot and of
        # psi_dot t that are wrong by the error of the quadrature would shift every window alike.
        psi = psi / psi.sum(axis=1, keepdims=True)
        t = t - np.sum(psi * t, axis=1, keepdims=True)  # so that psi t has the sum zero
        psi_dot = psi_dot - psi * psi_dot.sum(axis=1, keepdims=True)
        return Windows(trajectory, index, psi, -psi_dot / np.sum(psi_dot * t, axis=1, keepdims=True))
