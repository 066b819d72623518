r"""A first estimate of the constants of a rigid chain, by linear least squares.

The equations of motion are linear in the inertias and weights, times sines and cosines of the offsets, and in the
friction. They are integrated over short windows with a weight $\psi$ that vanishes at both ends, so that no
acceleration is needed:

$$-\int \psi' \frac{\partial L}{\partial \dot\theta}\, dt
  = \int \psi \left(\frac{\partial L}{\partial \theta} + Q\right) dt$$
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

TEST_DURATION, MIN_TEST_SAMPLES = 1.5, 9
"""Length of a window in natural units of time (a period is 6.3), and the least number of its samples."""
MAX_CORRELATION, MIN_INERTIA = 0.95, 1e-3
"""Largest $|I_{ij}| / \\sqrt{I_{ii} I_{jj}}$, and least inertia beside the first one, of an estimate."""


class Start(NamedTuple):
    """Estimated constants, with $I_{11} = 1$, and the residual of the equations of motion relative to their size."""

    inertia: np.ndarray
    weight: np.ndarray
    offset: np.ndarray
    linear: np.ndarray
    dry: np.ndarray
    residual: float


Pieces = Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]
"""Times, body angles and their rates of each piece, in natural units."""


def estimated(pieces: Pieces, width: np.ndarray) -> Start | None:
    """Estimate the constants of a chain without knowing the offsets; `None` if no piece is long enough.

    The offsets follow from gravity. A chain that turns about vertical axes has none, so the offsets between bodies also
    follow from the coupling; what leaves the smaller residual is taken.
    """
    X = _equations(pieces, width)
    if not len(X):
        return None
    n = len(width)
    pairs = list(combinations(range(n), 2))
    c = _solved(X)
    A, B, cosines, sines = np.split(c[n : n + 2 * len(pairs) + 2 * n], np.cumsum([len(pairs), len(pairs), n]))
    by_weight = np.arctan2(-sines, cosines)
    by_coupling = by_weight[:1] - np.cumsum(
        [0.0, *(np.arctan2(-B[k], A[k]) for k, (i, j) in enumerate(pairs) if j == i + 1)]
    )
    offsets = [by_weight] if n == 1 else [by_weight, by_coupling]
    return min((_with_offsets(pieces, width, offset) for offset in offsets), key=lambda start: start.residual)


def _with_offsets(pieces: Pieces, width: np.ndarray, offset: np.ndarray) -> Start:
    """Estimate the other constants. An offset is moved by half a turn if the weight would be negative."""
    n = len(width)
    count = n * (n - 1) // 2
    X = _equations([(t, theta + offset, w) for t, theta, w in pieces], width)
    sines = [*range(n + count, n + 2 * count), *range(2 * n + 2 * count, 3 * n + 2 * count)]
    c = _solved(np.delete(X, sines, axis=1))
    inertia = np.diag(np.maximum(c[:n], MIN_INERTIA))
    roots = np.sqrt(np.diagonal(inertia))
    sign = np.where(c[n + count : 2 * n + count] < 0, -1.0, 1.0)
    for k, (i, j) in enumerate(combinations(range(n), 2)):
        most = MAX_CORRELATION * roots[i] * roots[j]
        inertia[i, j] = inertia[j, i] = sign[i] * sign[j] * np.clip(c[n + k], -most, most)
    offset = np.where(sign < 0, offset + np.pi, offset)
    weight = np.abs(c[n + count : 2 * n + count])
    linear, dry = np.maximum(np.split(c[2 * n + count :], 2), 0.0)
    left = np.linalg.norm(np.delete(X, sines, axis=1) @ c) / np.linalg.norm(X[:, 0])
    return Start(inertia, weight, (offset + np.pi) % (2 * np.pi) - np.pi, linear, dry, float(left))


def _solved(X: np.ndarray) -> np.ndarray:
    """The coefficients $c$ with $c_0 = 1$ that make $X c$ smallest. Columns are scaled, so that units do not matter."""
    size = np.linalg.norm(X, axis=0)
    size = np.where(size > 0, size, 1.0)
    return np.concatenate([[1.0], np.linalg.lstsq(X[:, 1:] / size[1:], -X[:, 0], rcond=1e-10)[0] / size[1:]])


def _equations(pieces: Pieces, width: np.ndarray) -> np.ndarray:
    """A row for each body and window, a column for each constant; shape `(row, constant)`.

    The constants: $I_{ii}$; $I_{ij}$ times cosine, then minus sine, of the offset between two bodies; $g_i$ times
    cosine, then minus sine, of an offset; linear and dry friction.
    """
    n = len(width)
    rows = [np.zeros((0, 5 * n + n * (n - 1)))]
    for t, theta, w in pieces:
        momentum, force = _columns(theta, w, width)
        length = max(MIN_TEST_SAMPLES, int(np.ceil(TEST_DURATION / np.median(np.diff(t)))))
        for first in range(0, len(t) - length + 1, max(1, length // 2)):
            at = slice(first, first + length)
            half = (t[at][-1] - t[at][0]) / 2
            s = (t[at] - t[at][0]) / half - 1
            weights = np.gradient(t[at])
            test, slope = (1 - s**2) ** 3, -6 * s * (1 - s**2) ** 2 / half
            rows.append(-np.einsum("t,tbc->bc", weights * slope, momentum[at]))
            rows[-1] -= np.einsum("t,tbc->bc", weights * test, force[at])
    return np.concatenate(rows)


def _columns(theta: np.ndarray, w: np.ndarray, width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Momenta and generalised forces of each body at unit constants, shape `(time, body, constant)` each."""
    samples, n = theta.shape
    pairs = list(combinations(range(n), 2))
    P = np.zeros((samples, n, 5 * n + 2 * len(pairs)))
    F = np.zeros_like(P)
    for i in range(n):
        P[:, i, i] = w[:, i]
    for k, (i, j) in enumerate(pairs, n):
        cosine, sine = np.cos(theta[:, i] - theta[:, j]), np.sin(theta[:, i] - theta[:, j])
        for column, value, slope in ((k, cosine, -sine), (k + len(pairs), sine, cosine)):
            P[:, i, column], P[:, j, column] = value * w[:, j], value * w[:, i]
            F[:, i, column] = slope * w[:, i] * w[:, j]
            F[:, j, column] = -F[:, i, column]
    first = n + 2 * len(pairs)
    rates = np.diff(w, axis=1, prepend=0.0)
    for i in range(n):
        F[:, i, first + i], F[:, i, first + n + i] = -np.sin(theta[:, i]), np.cos(theta[:, i])
        for column, friction in ((2, -rates[:, i]), (3, -np.tanh(rates[:, i] / width[i]))):
            F[:, i, first + column * n + i] += friction
            if i:
                F[:, i - 1, first + column * n + i] -= friction
    return P, F
