r"""Sparse regression on the error of acceleration, pointwise or in weak form.

Each observation gives a mass matrix $M_k$ and a balance $b_k$ for every term $k$. The coefficients $c$ minimise the
error of acceleration

$$r(c) = \Bigl(\sum_k c_k M_k\Bigr)^{-1} \sum_k c_k b_k.$$

The scale of $c$ does not change this error. (The sum $\sum_k c_k b_k$ alone is no good measure: a small mass makes it
small too.) The mass matrix must be regular in the whole region: its determinant keeps its sign. Where accelerations
are known, $b_k = M_k a + h_k$ at each state. Where they are not, the weak form is used: $M_k$ and $b_k$ are averages
over windows of the motion, with a weight $\psi$ that vanishes at the ends:

$$M_k = \frac{\int \psi M_k\, dt}{\int \psi\, dt}, \qquad
  b_k = -\frac{\int (\dot\psi\, \partial \phi_k / \partial v + \psi\, \partial \phi_k / \partial q)\, dt}
              {\int \psi\, dt}.$$

Two forces are fitted together with the terms: linear damping, $Q = -D v$ with $D$ symmetric, and controls, $Q = G u$.
Each entry of $D$ and $G$ counts as a term with zero mass matrix; its $b_k$ is the velocity or control that it
multiplies.
"""

from collections.abc import Sequence
from dataclasses import replace

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .elimination import AbstractFitWithErrors, SparseFit, Try, solve
from .equations import Scales
from .parts import Part
from .response import Response
from .side_by_side import MIN_SINGULAR_VALUE, Terms, gain_of
from .term_columns import TermColumns

MAX_STEPS, MAX_STEPS_HURRIED = 30, 5
"""Most Gauss-Newton steps of one fit, and of each of many trial fits."""


class Balance(AbstractFitWithErrors):
    r"""Gauss-Newton fit of $\sum |r(c)_j / \sigma_j|^2$, with coefficients normalised to mean kinetic energy one.

    - `M`, shape `(row, term, dof, dof)`, and `b`, shape `(row, term, dof)`: mass matrices and balances of the terms,
      divided by the `size` of each term, so that units do not matter.
    - `sigma`: the error of acceleration that counts as one, shape `(dof,)`.
    - `kinetic`: contribution of each term to the mean of $\sum_i M_{ii} u_i^2$, shape `(term,)`.
    - `size`: root mean square of each term's rows, shape `(term,)`.
    - `length`: length $\ell$ of each coordinate, shape `(dof,)`, which makes $\ell_i b_i$ and
      $\ell_i M_{ij} \sigma_j$ energies.
    - `response`: effect of errors of acceleration on the recorded states; `None` if the errors themselves are fitted.
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

    def with_forces(self, b: Float[np.ndarray, "row entry dof"], scales: Scales) -> "Balance":
        """The same terms, followed by entries of forces, which have no mass matrix."""
        if b.shape[1] == 0:
            return self
        entries = Balance.of(np.zeros((*b.shape, b.shape[2])), b, scales)
        both = ((self.M, entries.M), (self.b, entries.b))
        M, b = (np.concatenate(pair, axis=1) for pair in both)
        kinetic, size = (np.concatenate(pair) for pair in ((self.kinetic, entries.kinetic), (self.size, entries.size)))
        return replace(self, M=M, b=b, kinetic=kinetic, size=size)

    def moved(self, first: int, b: Float[np.ndarray, "row entry dof"]) -> "Balance":
        """The same balance with `b` added to the entries that begin at index `first`."""
        entries = slice(first, first + b.shape[1])
        whole = self.b.copy()
        whole[:, entries] += b / self.size[entries, None]
        return replace(self, b=whole)

    @property
    def rows(self) -> int:
        return self.b.shape[0] * self.b.shape[2] if self.response is None else self.response.rows

    def errors(self, step: SparseFit) -> Float[np.ndarray, " row"]:
        return self._equations(step.support, step.coefficients)[0]

    def seen_in(self, response: Response) -> "Balance":
        """The same terms, with errors weighted by their effect on the recorded states."""
        return replace(self, response=response)

    def part(self, rows: slice) -> "Balance":
        """A subset of the observations."""
        return replace(self, M=self.M[rows], b=self.b[rows])

    def first(self, terms: int) -> "Balance":
        """The first `terms` terms only."""
        M, b = self.M[:, :terms], self.b[:, :terms]
        return replace(self, M=M, b=b, kinetic=self.kinetic[:terms], size=self.size[:terms])

    def weighted(self, sigma: np.ndarray) -> "Balance":
        return replace(self, sigma=sigma)

    @property
    def terms(self) -> Terms:
        """The terms in units that make each row an energy."""
        M, b = self.length[:, None] * self.M * self.sigma, self.length * self.b
        response = None if self.response is None else self.response.of_errors(self.sigma)
        return Terms(np.ascontiguousarray(np.moveaxis(M, 1, 3)), np.ascontiguousarray(np.moveaxis(b, 1, 2)), response)

    @np.errstate(over="ignore", invalid="ignore")  # overflow marks a combination as unusable
    def residual(self, step: SparseFit) -> Float[np.ndarray, "row dof"]:
        """Errors of acceleration $r$; infinite if the mass matrix is singular or changes sign between observations."""
        at = self.terms.linearized(np.array([step.support], int), step.coefficients[None])
        return self.sigma * at.r[:, :, 0] if at.regular[0] else np.full(at.r.shape[:2], np.inf)

    @np.errstate(over="ignore", invalid="ignore")  # overflow marks a combination as unusable
    def fit_each(self, tries: Sequence[Try], *, hurry: bool = False) -> list[SparseFit]:
        terms, steps = self.terms, {}
        for size in {len(support) for support, _ in tries}:
            which = [i for i, (support, _) in enumerate(tries) if len(support) == size]
            supports = np.array([tries[i][0] for i in which], int).reshape(-1, size)
            m = self.kinetic[supports]
            heavy = np.abs(m).max(axis=1, initial=0.0) > 1e-12 * np.abs(self.kinetic).max()
            starts = [tries[which[j]][1] for j in np.flatnonzero(heavy)]
            fits = terms.fitted(supports[heavy], m[heavy], starts, MAX_STEPS_HURRIED if hurry else MAX_STEPS)
            found = dict(zip(np.flatnonzero(heavy).tolist(), fits, strict=True))
            for j, i in enumerate(which):
                c, rss, covariance = found.get(j, (np.zeros(size), np.inf, np.zeros((size, size))))
                steps[i] = SparseFit(tuple(supports[j].tolist()), c, float(rss), covariance)
        return [steps[i] for i in range(len(tries))]

    def gain(self, step: SparseFit, more: Sequence[int]) -> float:
        """Decrease of the sum of squares when the `more` terms, which have no mass, are added to a step.

        The coefficients of the step stay as they are.
        """
        y, J = self._equations([*step.support, *more], np.concatenate([step.coefficients, np.zeros(len(more))]))
        A = J[:, len(step.support) :]
        return float(gain_of(A, y, solve(A, y)[0]))

    def gains(self, steps: Sequence[SparseFit]) -> Float[np.ndarray, "step term"]:
        """Decrease of the sum of squares of each step by adding each other term, to first order."""
        c = np.zeros((len(steps), len(self.kinetic)))
        for i, step in enumerate(steps):
            c[i, list(step.support)] = step.coefficients
        return self.terms.gains(c, [list(step.support) for step in steps])

    def _equations(self, support: Sequence[int], c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The residuals and their derivatives, shape `(equation, term)`.

        They are infinite and zero if the mass matrix is singular.
        """
        terms = self.terms
        at = terms.linearized(np.array([support], int), c[None])
        sound = at.regular[0]
        return np.where(sound, terms.left(at.r)[:, 0], np.inf), np.where(sound, terms.seen(at.J)[:, 0], 0.0)

    def scaled(self, step: SparseFit, parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients in physical units, and their covariance for unit errors.

        The pivot of each part has the coefficient one half.
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

    def free_changes(self, step: SparseFit) -> Float[np.ndarray, "coefficient direction"]:
        """Relative changes of the coefficients that change no observation, such as a common factor."""
        _, J = self._equations(step.support, step.coefficients)
        size = np.linalg.norm(J, axis=0)
        effect = size * np.abs(step.coefficients)
        seen = effect > MIN_SINGULAR_VALUE * effect.max()  # the other columns are rounding errors
        size = np.where(seen, size, np.abs(1 / step.coefficients))
        _, s, V = np.linalg.svd(np.where(seen, J, 0.0) / size, full_matrices=True)
        s = np.concatenate([s, np.zeros(len(V) - len(s))])
        return (V[s <= MIN_SINGULAR_VALUE * s[0]] / (size * step.coefficients)).T


def damping_columns(rates: Float[np.ndarray, "row dof"]) -> Float[np.ndarray, "row entry dof"]:
    """Contributions $b$ of the lower-triangle entries of a symmetric damping matrix, row by row."""
    dof = rates.shape[1]
    b = np.zeros((len(rates), dof * (dof + 1) // 2, dof))
    for k, (i, j) in enumerate(zip(*np.tril_indices(dof), strict=True)):
        b[:, k, i] = rates[:, j]
        b[:, k, j] = rates[:, i]
    return b


def control_columns(controls: Float[np.ndarray, "row m"], dof: int) -> Float[np.ndarray, "row entry dof"]:
    """Contributions $b$ of the entries of the control matrix G, row by row."""
    rows, m = controls.shape
    b = np.zeros((rows, dof, m, dof))
    for i in range(dof):
        b[:, i, :, i] = -controls
    return b.reshape(rows, dof * m, dof)


def pointwise(columns: TermColumns, accelerations: np.ndarray, scales: Scales) -> Balance:
    """A balance from accelerations at single states, shape `(state, dof)`."""
    b = np.einsum("skij,sj->ski", columns.M, accelerations) + columns.h
    return Balance.of(columns.M, b, scales)


def weak(columns: TermColumns, windows: "WeakWindows", scales: Scales) -> Balance:
    """A balance in weak form, without accelerations.

    **Arguments:**

    - `columns`: at the samples of all windows, one window after another.
    """
    shape = windows.weight.shape

    def averaged(weight, values):
        return np.einsum("wt,wt...->w...", weight, values.reshape(*shape, *values.shape[1:]))

    b = averaged(-windows.slope, columns.p) - averaged(windows.weight, columns.slope)
    return Balance.of(averaged(windows.weight, columns.M), b, scales)


class WeakWindows(eqx.Module):
    r"""Windows of the weak form, with the weight $\psi = (1 - s^2)^p$, where $s$ runs from -1 to 1.

    - `trajectory`: which trajectory each window belongs to, shape `(window,)`.
    - `index`: samples of that trajectory, shape `(window, time)`.
    - `weight`, `slope`: quadrature weights of $\psi$, whose integral is one, and of $\dot\psi$, shape `(window, time)`.
    """

    trajectory: np.ndarray
    index: np.ndarray
    weight: np.ndarray
    slope: np.ndarray

    @staticmethod
    def of(times: Sequence[np.ndarray], length: int, most: int, power: int = 5) -> "WeakWindows":
        """Windows of `length` samples that overlap by half; at most `most` of them."""
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
        share = np.gradient(t, axis=1)  # trapezoidal rule, since the weight and its slope vanish at both ends
        psi = (1 - s**2) ** power * share
        psi_dot = -2 * power * s * (1 - s**2) ** (power - 1) / half * share
        # The sums must integrate a linearly growing velocity by parts exactly. Otherwise quadrature errors in the sums
        # of psi_dot and psi_dot t would shift all windows in the same direction.
        psi = psi / psi.sum(axis=1, keepdims=True)
        t = t - np.sum(psi * t, axis=1, keepdims=True)  # makes the sum of psi t zero
        psi_dot = psi_dot - psi * psi_dot.sum(axis=1, keepdims=True)
        return WeakWindows(trajectory, index, psi, -psi_dot / np.sum(psi_dot * t, axis=1, keepdims=True))
