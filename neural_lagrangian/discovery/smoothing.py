r"""States under noise: how large it is, and states with less of it.

At each sample a polynomial is fitted by least squares to the positions around it and its slope to the velocities,
each weighted by its noise; its value and its slope there are the smoothed state. The window of each coordinate is
chosen by leave-one-out cross-validation.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

DEGREE = 4
"""Of the polynomials that smooth."""
WINDOWS = (5, 7, 11, 15, 21, 31, 45, 65)
"""Samples of the windows that are tried."""
NOISE_DEGREE, NOISE_SAMPLES = 5, 9
"""Of the polynomials that noise is told by, and the samples that those need."""
NOISE_WINDOWS = 2000
"""Most windows in which noise is looked at."""
SHARP = 0.1
"""What noise leaves in the shortest windows, of what it leaves in those of a quarter of a period, at least."""
ROUNDING = 1e-9
"""Relative. Periods are multiples of steps: no rounding of either may cost a sample."""
BLOCK = 4096
"""Samples whose polynomials are fitted at a time."""

Pieces = Sequence[tuple[np.ndarray, np.ndarray]]
"""Times and states of each trajectory, in double precision."""


def noise_of(pieces: Pieces, periods: Float[np.ndarray, " dof"]) -> Float[np.ndarray, " two_dof"]:
    """Standard deviation of the noise in each channel: what polynomials of degree five leave in a quarter of a period.

    So it is noise of all frequencies above those of the motion, that of smoothed velocities too. Zero where shorter
    windows leave next to nothing: there the polynomials do not bend as the motion does.
    """
    broad, sharp = _left(pieces, periods), _left(pieces, np.zeros_like(periods))
    return np.where(sharp > SHARP * broad, broad, 0.0)


def _left(pieces: Pieces, periods: Float[np.ndarray, " dof"]) -> Float[np.ndarray, " two_dof"]:
    dof = len(periods)
    sums, counts = np.zeros(2 * dof), np.zeros(2 * dof)
    longest = max(len(t) for t, _ in pieces)
    step = np.median(np.concatenate([np.diff(t) for t, _ in pieces if len(t) > 1] or [np.ones(1)]))
    for i in range(dof):
        quarter = periods[i] / 4 / step if np.isfinite(periods[i]) else longest / 2
        quarter *= 1 + ROUNDING
        length = int(np.clip(quarter, NOISE_SAMPLES, max(NOISE_SAMPLES, min(longest, 200))))
        for t, y in _windows(pieces, length):
            Q = np.linalg.qr(_powers(t, NOISE_DEGREE)[0])[0]
            rows = y[:, :, [i, dof + i]]
            left = rows - Q @ (np.swapaxes(Q, 1, 2) @ rows)
            sums[[i, dof + i]] += np.sum(left**2, axis=(0, 1))
            counts[[i, dof + i]] += len(t) * (length - NOISE_DEGREE - 1)
    return np.sqrt(sums / np.maximum(counts, 1))


def smoothed(pieces: Pieces, noise: Float[np.ndarray, " two_dof"]) -> list[np.ndarray]:
    """The states of each trajectory with less noise. The `noise` of each channel is more than zero."""
    dof = len(noise) // 2
    answers = [y.copy() for _, y in pieces]
    shortest = min(len(t) for t, _ in pieces)
    for i in range(dof):
        ratio = noise[i] / noise[dof + i]
        best = np.inf
        for length in [w for w in WINDOWS if w <= shortest]:
            found = [_fitted(t, y[:, [i, dof + i]], length, ratio) for t, y in pieces]
            left = np.concatenate(
                [(y[:, [i, dof + i]] - x) / (1 - own) for (_, y), (x, own) in zip(pieces, found, strict=True)]
            )
            score = np.sum(np.mean(left**2, axis=0) / noise[[i, dof + i]] ** 2)
            if score < best:
                best = score
                for answer, (x, _) in zip(answers, found, strict=True):
                    answer[:, [i, dof + i]] = x
    return answers


def _windows(pieces: Pieces, length: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Times `(window, length)` and states `(window, length, 2 dof)` of windows side by side, a trajectory at a time."""
    pieces = [piece for piece in pieces if len(piece[0]) >= length]
    every = max(1, sum(len(t) // length for t, _ in pieces) // NOISE_WINDOWS)
    for t, y in pieces:
        count = len(t) // length
        index = np.arange(0, count, every)[:, None] * length + np.arange(length)
        if len(index):
            yield t[index], y[index]


def _powers(t: np.ndarray, degree: int, centre: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Powers of times about a centre over the longest distance, and that distance."""
    offsets = t - (t.mean(axis=-1, keepdims=True) if centre is None else centre)
    unit = np.abs(offsets).max(axis=-1, keepdims=True)
    return (offsets / unit)[..., None] ** np.arange(degree + 1), unit


def _fitted(t: np.ndarray, rows: np.ndarray, length: int, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Smoothed [q, v] at each sample, and the share that each sample has in its own answer; both `(time, 2)`."""
    count = len(t)
    first = np.clip(np.arange(count) - length // 2, 0, count - length)
    answers, own = np.empty((count, 2)), np.empty((count, 2))
    for start in range(0, count, BLOCK):
        at = np.arange(start, min(start + BLOCK, count))
        weights = _weights(t, at, first[at], length, ratio)
        near = first[at, None] + np.arange(length)
        both = np.concatenate([rows[near, 0], ratio * rows[near, 1]], axis=1)
        answers[at] = np.einsum("skj,sj->sk", weights, both)
        here = at - first[at]
        own[at, 0] = weights[np.arange(len(at)), 0, here]
        own[at, 1] = ratio * weights[np.arange(len(at)), 1, length + here]
    return answers, np.minimum(own, 0.99)


def _weights(t: np.ndarray, at: np.ndarray, first: np.ndarray, length: int, ratio: float) -> np.ndarray:
    """Of the positions and the weighted velocities of a window in value and slope at a sample, `(sample, 2, 2 length)`;
    computed once for all samples where steps are equal.
    """
    steps = np.diff(t)
    if np.ptp(steps) <= 1e-6 * steps.mean():
        kinds, inverse = np.unique(at - first, return_inverse=True)
        return _weights_at(t[:length] - t[0], t[kinds] - t[0], ratio)[inverse] if len(kinds) else np.empty((0, 2, 0))
    near = first[:, None] + np.arange(length)
    return _weights_at(t[near], t[at], ratio)


def _weights_at(t: np.ndarray, centre: np.ndarray, ratio: float) -> np.ndarray:
    t = np.broadcast_to(t, (len(centre), t.shape[-1]))
    powers, unit = _powers(t, DEGREE, centre[:, None])
    slopes = np.concatenate([np.zeros_like(powers[..., :1]), powers[..., :-1] * np.arange(1, DEGREE + 1)], axis=-1)
    design = np.concatenate([powers, ratio * slopes / unit[..., None]], axis=1)
    pinv = np.linalg.pinv(design)[:, :2]
    return pinv / np.stack([np.ones_like(unit), unit], axis=1)
