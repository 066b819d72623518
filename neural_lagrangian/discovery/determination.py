"""Identifiability of a formula: formulas that agree with it on the data must agree with it elsewhere too.

"Elsewhere" are recombined states: each coordinate and velocity is drawn from the observed values independently.
"""

from collections.abc import Sequence

import numpy as np

from .equations import Scales, mass_inverses
from .library import Library
from .term_columns import TermColumns, sample_columns

SAMPLED_STATES = 1000
"""Number of states at which formulas are compared: enough for a stable mean square."""


def distinguishability(
    library: Library,
    kept: Sequence[int],
    support: Sequence[int],
    c: np.ndarray,
    observed: np.ndarray,
    states: np.ndarray,
    ts: np.ndarray,
    scales: Scales,
) -> tuple[float, int]:
    r"""How well the data distinguish a formula from nearby ones, and how many other formulas have the same motion.

    A change $\delta c$ of the coefficients changes the accelerations $a$ by
    $-M^{-1} \sum_k \delta c_k (M_k a + h_k)$.

    **Arguments:**

    - `kept`: terms of the library that may change. `support`, `c`: terms of the formula and their coefficients.
    - `observed`: recorded states. `states`, `ts`: states and times at which the data constrain the formula.

    **Returns:**

    - the least ratio of the root mean square change at `states` to that at recombined states: about one if the data
      cover the region, zero for a single orbit, however many terms there are;
    - the number of directions of $\delta c$, apart from the overall scale, that change no acceleration at all.
    """
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(states))[:SAMPLED_STATES]
    mixed = _recombined(observed, rng)
    at_data = _changes(library, kept, support, c, states[rows], ts[rows], scales)
    elsewhere = _changes(library, kept, support, c, mixed, rng.choice(ts, SAMPLED_STATES), scales)
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
    """Root mean square difference of the accelerations of two sets of coefficients, at recombined states.

    It is relative to the acceleration in `scales`.
    """
    rng = np.random.default_rng(1)
    mixed = _recombined(observed, rng)
    columns = sample_columns(library.select(support), mixed, rng.choice(ts, SAMPLED_STATES))
    a = [_accelerations(columns, c)[0] / scales.acceleration for c in (first, second)]
    regular = (np.abs(a[0]) < 20).all(axis=1)
    difference = np.clip(a[0] - a[1], -20, 20)[regular]  # clipped, so that a nearly singular mass does not dominate
    return float(np.sqrt(np.mean(difference**2)))


def _recombined(observed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random states; each coordinate and velocity is drawn from its observed values independently."""
    return np.stack([rng.choice(column, SAMPLED_STATES) for column in observed.T], axis=1)


def _accelerations(columns: TermColumns, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Accelerations of the formula with coefficients c, shape `(state, dof)`, and its inverse mass matrices."""
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
    """Derivatives of the scaled accelerations in the coefficients, `(row, term)`, where the formula is regular."""
    columns = sample_columns(library, states, ts)
    a, inverse = _accelerations(columns.select(support), c)
    regular = (np.abs(a) < 20 * scales.acceleration).all(axis=1)
    columns = columns.select(kept)
    E = np.einsum("skij,sj->ski", columns.M, a) + columns.h
    change = np.einsum("sij,skj->sik", inverse, E)[regular] / scales.acceleration[:, None]
    return change.reshape(-1, change.shape[2])
