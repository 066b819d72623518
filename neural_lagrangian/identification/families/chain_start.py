"""A first estimate of the constants of a rigid chain, by linear least squares.

The equations of motion are linear in the inertias and weights, times sines and cosines of the offsets, and in the
friction (`weak_form`).
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np

from .family import Pieces
from .weak_form import solved, weak_rows

MAX_CORRELATION, MIN_INERTIA = 0.95, 1e-3
"""Largest $|I_{ij}| / \\sqrt{I_{ii} I_{jj}}$, and least inertia beside the first one, of an estimate."""


class Start(NamedTuple):
    """Estimated constants, with $I_{11} = 1$, and the residual of the equations of motion relative to their size."""

    inertia: np.ndarray
    weight: np.ndarray
    offset: np.ndarray
    linear: np.ndarray
    dry: np.ndarray
    gain: np.ndarray
    residual: float


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
    c = solved(X)
    A, B, cosines, sines = np.split(c[n : n + 2 * len(pairs) + 2 * n], np.cumsum([len(pairs), len(pairs), n]))
    by_weight = np.arctan2(-sines, cosines)
    by_coupling = by_weight[:1] - np.cumsum(
        [0.0, *(np.arctan2(-B[k], A[k]) for k, (i, j) in enumerate(pairs) if j == i + 1)]
    )
    offsets = [by_weight] if n == 1 else [by_weight, by_coupling]
    return min((_with_offsets(pieces, width, offset) for offset in offsets), key=lambda start: start.residual)


def unknowns_of(start: Start) -> np.ndarray:
    """The vector of unknowns of estimated constants, in the order of `ChainFamily`. There is no drag."""
    own = np.diagonal(start.inertia)
    coupling = [start.inertia[i, j] / np.sqrt(own[i] * own[j]) for i, j in combinations(range(len(own)), 2)]
    friction = (start.linear / own, start.dry / own, np.zeros(len(own)))
    gain = (start.gain / own[:, None]).ravel()
    return np.concatenate([np.log(own[1:] / own[0]), coupling, start.weight / own, start.offset, *friction, gain])


def _with_offsets(pieces: Pieces, width: np.ndarray, offset: np.ndarray) -> Start:
    """Estimate the other constants. An offset is moved by half a turn if the weight would be negative."""
    n = len(width)
    count = n * (n - 1) // 2
    X = _equations([(t, theta + offset, w, u) for t, theta, w, u in pieces], width)
    sines = [*range(n + count, n + 2 * count), *range(2 * n + 2 * count, 3 * n + 2 * count)]
    c = solved(np.delete(X, sines, axis=1))
    inertia = np.diag(np.maximum(c[:n], MIN_INERTIA))
    roots = np.sqrt(np.diagonal(inertia))
    sign = np.where(c[n + count : 2 * n + count] < 0, -1.0, 1.0)
    for k, (i, j) in enumerate(combinations(range(n), 2)):
        most = MAX_CORRELATION * roots[i] * roots[j]
        inertia[i, j] = inertia[j, i] = sign[i] * sign[j] * np.clip(c[n + k], -most, most)
    offset = np.where(sign < 0, offset + np.pi, offset)
    weight = np.abs(c[n + count : 2 * n + count])
    linear, dry, gain = np.split(c[2 * n + count :], [n, 2 * n])
    friction = np.maximum(linear, 0.0), np.maximum(dry, 0.0)
    left = np.linalg.norm(np.delete(X, sines, axis=1) @ c) / np.linalg.norm(X[:, 0])
    within = (offset + np.pi) % (2 * np.pi) - np.pi
    return Start(inertia, weight, within, *friction, gain.reshape(n, -1), float(left))


def _equations(pieces: Pieces, width: np.ndarray) -> np.ndarray:
    """The integrated equations of motion, shape `(row, constant)`.

    The constants: $I_{ii}$; $I_{ij}$ times cosine, then minus sine, of the offset between two bodies; $g_i$ times
    cosine, then minus sine, of an offset; linear and dry friction; gains of the controls at each joint.
    """
    n, controls = len(width), pieces[0][3].shape[1]
    columns = ((t, *_columns(theta, w, u, width)) for t, theta, w, u in pieces)
    return weak_rows(columns, (5 + controls) * n + n * (n - 1))


def _columns(theta: np.ndarray, w: np.ndarray, u: np.ndarray, width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Momenta and generalised forces of each body at unit constants, shape `(time, body, constant)` each."""
    samples, n = theta.shape
    pairs = list(combinations(range(n), 2))
    P = np.zeros((samples, n, (5 + u.shape[1]) * n + 2 * len(pairs)))
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
        at_joint = {first + 2 * n + i: -rates[:, i], first + 3 * n + i: -np.tanh(rates[:, i] / width[i])}
        at_joint |= {first + 4 * n + i * u.shape[1] + j: u[:, j] for j in range(u.shape[1])}
        for column, torque in at_joint.items():
            F[:, i, column] += torque
            if i:
                F[:, i - 1, column] -= torque
    return P, F
