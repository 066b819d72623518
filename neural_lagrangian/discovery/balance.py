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
from .elimination import AbstractFit, Step, Try, solve
from .equations import Scales
from .parts import Part
from .response import Response
from .side_by_side import UNSEEN, Terms, gain_of

ITERATIONS, HURRIED = 30, 5


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

    def moved(self, first: int, b: Float[np.ndarray, "row entry dof"]) -> "Balance":
        """With so much added to the forces of the entries from the first on."""
        entries = slice(first, first + b.shape[1])
        whole = self.b.copy()
        whole[:, entries] += b / self.size[entries, None]
        return replace(self, b=whole)

    @property
    def rows(self) -> int:
        return self.b.shape[0] * self.b.shape[2] if self.response is None else self.response.rows

    def errors(self, step: Step) -> Float[np.ndarray, " row"]:
        """Whose sum of squares is made small."""
        return self._equations(step.support, step.coefficients)[0]

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

    @property
    def terms(self) -> Terms:
        """The terms in units in which each row is an energy."""
        M, b = self.length[:, None] * self.M * self.sigma, self.length * self.b
        response = None if self.response is None else self.response.of_errors(self.sigma)
        return Terms(np.ascontiguousarray(np.moveaxis(M, 1, 3)), np.ascontiguousarray(np.moveaxis(b, 1, 2)), response)

    @np.errstate(over="ignore", invalid="ignore")  # a combination whose numbers are too large is none
    def residual(self, step: Step) -> Float[np.ndarray, "row dof"]:
        """r; infinite where the mass matrix is singular between the observations."""
        at = self.terms.linearized(np.array([step.support], int), step.coefficients[None])
        return self.sigma * at.r[:, :, 0] if at.regular[0] else np.full(at.r.shape[:2], np.inf)

    @np.errstate(over="ignore", invalid="ignore")  # a combination whose numbers are too large is none
    def fit_each(self, tries: Sequence[Try], *, hurry: bool = False) -> list[Step]:
        terms, steps = self.terms, {}
        for size in {len(support) for support, _ in tries}:
            which = [i for i, (support, _) in enumerate(tries) if len(support) == size]
            supports = np.array([tries[i][0] for i in which], int).reshape(-1, size)
            m = self.kinetic[supports]
            heavy = np.abs(m).max(axis=1, initial=0.0) > 1e-12 * np.abs(self.kinetic).max()
            starts = [tries[which[j]][1] for j in np.flatnonzero(heavy)]
            fits = terms.fitted(supports[heavy], m[heavy], starts, HURRIED if hurry else ITERATIONS)
            found = dict(zip(np.flatnonzero(heavy).tolist(), fits, strict=True))
            for j, i in enumerate(which):
                c, rss, covariance = found.get(j, (np.zeros(size), np.inf, np.zeros((size, size))))
                steps[i] = Step(tuple(supports[j].tolist()), c, float(rss), covariance)
        return [steps[i] for i in range(len(tries))]

    def gain(self, step: Step, more: Sequence[int]) -> float:
        """By how much the sum of squares falls where the coefficients of `more` terms, which have no mass, are fitted
        beside those of a step, which stay.
        """
        y, J = self._equations([*step.support, *more], np.concatenate([step.coefficients, np.zeros(len(more))]))
        A = J[:, len(step.support) :]
        return float(gain_of(A, y, solve(A, y)[0]))

    def gains(self, steps: Sequence[Step]) -> Float[np.ndarray, "step term"]:
        """By how much the sums of squares would fall with each other term beside, to first order."""
        c = np.zeros((len(steps), len(self.kinetic)))
        for i, step in enumerate(steps):
            c[i, list(step.support)] = step.coefficients
        return self.terms.gains(c, [list(step.support) for step in steps])

    def _equations(self, support: Sequence[int], c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the sum of squares is taken of, and its derivatives, `(equation, term)`; infinite and zero where a mass
        matrix is singular.
        """
        terms = self.terms
        at = terms.linearized(np.array([support], int), c[None])
        sound = at.regular[0]
        return np.where(sound, terms.left(at.r)[:, 0], np.inf), np.where(sound, terms.seen(at.J)[:, 0], 0.0)

    def scaled(self, step: Step, parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray]:
        """The coefficients of the terms themselves with one half at the pivot of each part, and their covariance for
        unit errors.
        """
        size = self.size[list(step.support)]
        scale = np.ones(len(size))
        for part in parts:
            scale[list(part.members)] = size[part.pivot] / (2 * step.coefficients[part.pivot])
        _, J = self._equations(step.support, step.coefficients)
        others = [k for k in range(len(size)) if k not in [part.pivot for part in parts]]
        covariance = np.zeros((len(size), len(size)))
        if others:
            covariance[np.ix_(others, others)] = solve(J[:, others], np.zeros(len(J)))[1]
        return step.coefficients * scale / size, covariance * np.outer(scale / size, scale / size)

    def free_changes(self, step: Step) -> Float[np.ndarray, "coefficient direction"]:
        """Relative changes of the coefficients of which no observation changes at all: in proportion for one."""
        _, J = self._equations(step.support, step.coefficients)
        size = np.linalg.norm(J, axis=0)
        effect = size * np.abs(step.coefficients)
        seen = effect > UNSEEN * effect.max()  # else a column is rounding errors
        size = np.where(seen, size, np.abs(1 / step.coefficients))
        _, s, V = np.linalg.svd(np.where(seen, J, 0.0) / size, full_matrices=True)
        s = np.concatenate([s, np.zeros(len(V) - len(s))])
        return (V[s <= UNSEEN * s[0]] / (size * step.coefficients)).T


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
