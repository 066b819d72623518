r"""States under noise: how large it is, and states with less of it.

At each sample a polynomial is fitted by least squares to the positions around it and its slope to the velocities,
each weighted by its noise; its value and its slope there are the smoothed state. The window of each coordinate is
chosen by leave-one-out cross-validation.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int

DEGREE = 4
"""Of the polynomials that smooth."""
WINDOWS = (5, 7, 11, 15, 21, 31, 45, 65)
"""Samples of the windows that are tried."""
NOISE_DEGREE, NOISE_SAMPLES, FEWEST_SAMPLES = 5, 9, 7
"""Of the polynomials that tell noise, the samples of their windows at least, and the fewest that they can have."""
JOINT_SAMPLES, JOINT_DEGREE = 5, 7
"""Of polynomials through positions and velocities alike."""
NOISE_WINDOWS = 2000
"""Most windows in which noise is looked at."""
SHARP, WHITE = 0.25, 0.6
"""What noise leaves in the shortest windows, of what it leaves in those of a quarter of a period: at least so much, and
at least so much where it is white. White noise leaves all of it, noise smoothed over a quarter of a period a third, and
motion without noise, with 48 samples a period, a sixth.
"""
TINY = np.finfo(float).tiny
ROUNDING = 1e-9
"""Relative. Periods are multiples of steps: no rounding of either may cost a sample."""
BLOCK = 4096
"""Samples whose polynomials are fitted at a time."""

Pieces = Sequence[tuple[np.ndarray, np.ndarray]]
"""Times and states of each trajectory, in double precision."""


def noise_of(pieces: Pieces, periods: Float[np.ndarray, " dof"]) -> Float[np.ndarray, " two_dof"]:
    """Standard deviation of the noise in each channel: what polynomials of degree five leave in a quarter of a period.

    So it is noise of all frequencies above those of the motion, that of smoothed velocities too. Zero where polynomials
    in the shortest windows leave next to nothing: then it is the motion that they do not follow in longer ones. Where
    positions were smoothed, polynomials follow much of the noise; there it is taken to be larger by as much as longer
    windows leave more of it.
    """
    step = np.median(np.concatenate([np.diff(t) for t, _ in pieces if len(t) > 1] or [np.ones(1)]))
    longest = max(len(t) for t, _ in pieces)
    quarters = np.where(np.isfinite(periods), periods / 4 / step, longest / 2)
    quarters = quarters * (1 + ROUNDING)
    lengths = np.clip(quarters, NOISE_SAMPLES, max(NOISE_SAMPLES, min(longest, 200))).astype(int)
    broad, sharp = _left(pieces, lengths), _left(pieces, np.full_like(lengths, FEWEST_SAMPLES))
    smoothed_positions = (np.arange(len(broad)) < len(periods)) & (sharp < WHITE * broad)
    larger = np.where(smoothed_positions, broad / np.maximum(sharp / np.maximum(broad, TINY), SHARP), broad)
    told = sharp > SHARP * broad
    there = np.minimum(*np.split(larger, 2)) > 0
    for i in np.flatnonzero(there & (quarters < 2 * FEWEST_SAMPLES)):
        told[[i, i + len(quarters)]] &= _left_together(pieces, int(i), larger) > SHARP
    return np.where(told, larger, 0.0)


def _left(pieces: Pieces, lengths: Int[np.ndarray, " dof"]) -> Float[np.ndarray, " two_dof"]:
    dof = len(lengths)
    sums, counts = np.zeros(2 * dof), np.zeros(2 * dof)
    for i, length in enumerate(lengths):
        for t, y in _windows(pieces, int(length)):
            Q = np.linalg.qr(_powers(t, NOISE_DEGREE)[0])[0]
            rows = y[:, :, [i, dof + i]]
            left = rows - Q @ (np.swapaxes(Q, 1, 2) @ rows)
            sums[[i, dof + i]] += np.sum(left**2, axis=(0, 1))
            counts[[i, dof + i]] += len(t) * (length - NOISE_DEGREE - 1)
    return np.sqrt(sums / np.maximum(counts, 1))


def _left_together(pieces: Pieces, i: int, noise: Float[np.ndarray, " two_dof"]) -> float:
    """What polynomials leave that have both the positions and the velocities of five samples, over the noise: they bend
    as motion does that has few samples a period.
    """
    columns = [i, i + len(noise) // 2]
    sigma = noise[columns]
    total, count = 0.0, 0
    for t, y in _windows(pieces, JOINT_SAMPLES):
        powers, unit = _powers(t, JOINT_DEGREE)
        slopes = np.concatenate([np.zeros_like(powers[..., :1]), powers[..., :-1] * np.arange(1, JOINT_DEGREE + 1)], -1)
        design = np.concatenate([powers / sigma[0], slopes / (unit[..., None] * sigma[1])], axis=1)
        rows = np.concatenate([y[:, :, columns[0]] / sigma[0], y[:, :, columns[1]] / sigma[1]], axis=1)
        Q = np.linalg.qr(design)[0]
        left = rows - np.einsum("wrk,wsk,ws->wr", Q, Q, rows)
        total, count = total + float(np.sum(left**2)), count + len(t) * (2 * JOINT_SAMPLES - JOINT_DEGREE - 1)
    return float(np.sqrt(total / max(count, 1)))


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
