"""Do the data tell the formula? Other formulas that agree with it on the data must agree with it elsewhere too."""

from collections.abc import Sequence

import numpy as np

from .columns import Columns, sample_columns
from .equations import Scales, mass_inverses
from .library import Library

SAMPLES = 1000


def coverage(
    library: Library,
    kept: Sequence[int],
    support: Sequence[int],
    c: np.ndarray,
    observed: np.ndarray,
    states: np.ndarray,
    ts: np.ndarray,
    scales: Scales,
) -> tuple[float, int]:
    r"""How well the data tell formulas of the `kept` terms apart near one of them, and how many more have its motion.

    A change $\delta c$ of all coefficients changes the accelerations by $-M^{-1} \sum_k \delta c_k (M_k a + h_k)$, $a$
    those of the formula. The first number is the least ratio of the root mean square of this change at the `states`
    to that at states whose coordinates and velocities are of `observed` ones, each drawn by itself: at most about one,
    zero for a single orbit, however many terms. The second is the number of directions, but for the scale, in which
    nothing changes at all.
    """
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(states))[:SAMPLES]
    mixed = _recombined(observed, rng)
    at_data = _changes(library, kept, support, c, states[rows], ts[rows], scales)
    elsewhere = _changes(library, kept, support, c, mixed, rng.choice(ts, SAMPLES), scales)
    size = np.linalg.norm(elsewhere, axis=0)
    size = np.where(size > 0, size, 1.0)
    _, s, V = np.linalg.svd(elsewhere / size, full_matrices=False)
    seen = s > 1e-6 * s[0]
    change = (at_data / size) @ (V[seen].T / s[seen])
    least = np.linalg.svd(change, compute_uv=False)[-1] if seen.any() else 1.0
    rescaled = np.sqrt(len(elsewhere) / len(at_data))
    return float(least * rescaled), int(np.sum(~seen)) - 1


def disagreement(
    library: Library,
    support: Sequence[int],
    first: np.ndarray,
    second: np.ndarray,
    observed: np.ndarray,
    ts: np.ndarray,
    scales: Scales,
) -> float:
    """How far the accelerations of two sets of coefficients are apart, root mean square and relative to `scales`, at
    states whose coordinates and velocities are of `observed` ones, each drawn by itself.
    """
    rng = np.random.default_rng(1)
    mixed = _recombined(observed, rng)
    columns = sample_columns(library.select(support), mixed, rng.choice(ts, SAMPLES))
    a = [_accelerations(columns, c)[0] / scales.acceleration for c in (first, second)]
    regular = (np.abs(a[0]) < 20).all(axis=1)
    difference = np.clip(a[0] - a[1], -20, 20)[regular]  # a mass that is lost counts, and no more than that
    return float(np.sqrt(np.mean(difference**2)))


def _recombined(observed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """States whose coordinates and velocities are of observed ones, each drawn by itself."""
    return np.stack([rng.choice(column, SAMPLES) for column in observed.T], axis=1)


def _accelerations(columns: Columns, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the formula with coefficients c of the columns' terms, `(state, dof)`; and the inverse of its mass matrix."""
    M, h = np.tensordot(columns.M, c, (1, 0)), np.tensordot(columns.h, c, (1, 0))
    inverse = mass_inverses(M, rcond=1e-6)
    return -np.einsum("sij,sj->si", inverse, h), inverse


def _changes(
    library: Library,
    kept: Sequence[int],
    support: Sequence[int],
    c: np.ndarray,
    states: np.ndarray,
    ts: np.ndarray,
    scales: Scales,
) -> np.ndarray:
    """Change of the scaled accelerations by each coefficient, `(row, term)`, at states where the formula is regular."""
    columns = sample_columns(library, states, ts)
    a, inverse = _accelerations(columns.select(support), c)
    regular = (np.abs(a) < 20 * scales.acceleration).all(axis=1)
    columns = columns.select(kept)
    E = np.einsum("skij,sj->ski", columns.M, a) + columns.h
    change = np.einsum("sij,skj->sik", inverse, E)[regular] / scales.acceleration[:, None]
    return change.reshape(-1, change.shape[2])
