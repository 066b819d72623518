r"""States under noise: how large it is, and states with less of it.

At each sample a polynomial is fitted by least squares to the positions around it and its slope to the velocities,
each weighted by its noise; its value and its slope there are the smoothed state. The window of each coordinate is
chosen by leave-one-out cross-validation.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

DEGREE = 4
"""Of the polynomials that smooth."""
WINDOWS = (5, 7, 11, 15, 21, 31, 45, 65)
"""Samples of the windows that are tried."""
NOISE_DEGREE, SHORT = 5, (7, 9)
"""Of the polynomials that tell noise, and the samples of the shortest windows."""
BENDS, LARGEST = 1.5, 4.0
"""What is left in nine samples over what is left in seven: of white noise as much, of smoothed noise a fifth more, of
motion twice to six times as much. By what factor smoothed noise may be larger than it looks.
"""
ENOUGH, CORRELATED = 27, 0.3
"""Samples in a quarter of a period, and correlation from one to the next, with which noise counts as smoothed."""
FEW_SAMPLES, LEFT_BY_NOISE = 14, 0.2
"""In a quarter of a period: with less, polynomials through positions and velocities alike tell how much is noise. Where
they leave a smaller share than this, it is the motion: of eight samples a period, chaotic, they leave 0.16.
"""
JOINT_SAMPLES, JOINT_DEGREE = 7, 11
"""Of polynomials through positions and velocities alike."""
NOISE_WINDOWS = 2000
"""Most windows in which noise is looked at."""
ROUNDING = 1e-9
"""Relative. Periods are multiples of steps: no rounding of either may cost a sample."""
BLOCK = 4096
"""Samples whose polynomials are fitted at a time."""

Pieces = Sequence[tuple[np.ndarray, np.ndarray]]
"""Times and states of each trajectory, in double precision."""


def noise_of(
    pieces: Pieces, periods: Float[np.ndarray, " dof"]
) -> tuple[Float[np.ndarray, " two_dof"], Bool[np.ndarray, " two_dof"]]:
    """Standard deviation of the noise in each channel, zero where there is none, and which channels were smoothed.

    White noise leaves as much in nine samples as polynomials of degree five leave in any. There is none where they
    leave much less in seven: it is the motion that they do not follow. Smoothed noise is correlated from sample to
    sample, and polynomials follow much of it. It is taken to be larger than what they leave in a quarter of a period by
    as much as that is more than what they leave in seven samples. Where a period has few samples, polynomials through
    positions and velocities tell what of it is noise.
    """
    step = np.median(np.concatenate([np.diff(t) for t, _ in pieces if len(t) > 1] or [np.ones(1)]))
    longest, dof = max(len(t) for t, _ in pieces), len(periods)
    quarters = np.where(np.isfinite(periods), periods / 4 / step, longest / 2) * (1 + ROUNDING)
    lengths = np.clip(quarters, SHORT[1], max(SHORT[1], min(longest, 200))).astype(int)
    broad, shortest, short = (_left(pieces, n) for n in (lengths, *(np.full(dof, k) for k in SHORT)))
    coloured = (np.tile(lengths, 2) >= ENOUGH) & (_correlation(pieces, lengths) > CORRELATED)
    share = shortest / np.where(broad > 0, broad, 1.0)
    noise = np.where(coloured, broad / np.maximum(share, 1 / LARGEST), short)
    told = short < BENDS * shortest
    there = np.minimum(*np.split(noise, 2)) > 0
    for i in np.flatnonzero(there & (quarters < FEW_SAMPLES)):
        left = _left_together(pieces, int(i), noise)
        told[[i, i + dof]] = left > LEFT_BY_NOISE
        noise[[i, i + dof]] *= min(left, 1.0)
    return np.where(told, noise, 0.0), told & coloured


def _left(pieces: Pieces, lengths: Int[np.ndarray, " dof"]) -> Float[np.ndarray, " two_dof"]:
    """Root mean square of what polynomials leave of each channel."""
    dof = len(lengths)
    sums, counts = np.zeros(2 * dof), np.zeros(2 * dof)
    for i, length in enumerate(lengths):
        for rows in _rests(pieces, i, int(length), NOISE_DEGREE):
            sums[[i, dof + i]] += np.sum(rows**2, axis=(0, 1))
            counts[[i, dof + i]] += len(rows) * (length - NOISE_DEGREE - 1)
    return np.sqrt(sums / np.maximum(counts, 1))


def _correlation(pieces: Pieces, lengths: Int[np.ndarray, " dof"]) -> Float[np.ndarray, " two_dof"]:
    """From sample to sample, of what polynomials of a higher degree leave: less of the motion is in it."""
    dof = len(lengths)
    products, squares = np.zeros(2 * dof), np.zeros(2 * dof)
    for i, length in enumerate(lengths):
        for rows in _rests(pieces, i, max(int(length), ENOUGH), NOISE_DEGREE + 2):
            products[[i, dof + i]] += np.sum(rows[:, 1:] * rows[:, :-1], axis=(0, 1))
            squares[[i, dof + i]] += np.sum(rows**2, axis=(0, 1))
    return products / np.where(squares > 0, squares, 1.0)


def _rests(pieces: Pieces, i: int, length: int, degree: int) -> Iterator[np.ndarray]:
    """What polynomials leave of a coordinate and its velocity, `(window, length, 2)`, a trajectory at a time."""
    for t, y in _windows(pieces, length):
        Q = np.linalg.qr(_powers(t, degree)[0])[0]
        rows = y[:, :, [i, i + y.shape[2] // 2]]
        yield rows - Q @ (np.swapaxes(Q, 1, 2) @ rows)


def _left_together(pieces: Pieces, i: int, noise: Float[np.ndarray, " two_dof"]) -> float:
    """What polynomials leave that have both positions and velocities of seven samples, over the noise: they bend
    as motion does that has few samples a period.
    """
    sigma, velocity = noise[[i, i + len(noise) // 2]]
    total, count = 0.0, 0
    for t, y in _windows(pieces, JOINT_SAMPLES):
        design, _ = _joint_design(t, JOINT_DEGREE, sigma / velocity)
        rows = np.concatenate([y[:, :, i], sigma / velocity * y[:, :, i + len(noise) // 2]], axis=1)
        Q = np.linalg.qr(design)[0]
        left = rows - np.einsum("wrk,wsk,ws->wr", Q, Q, rows)
        total, count = total + float(np.sum(left**2)), count + len(t) * (2 * JOINT_SAMPLES - JOINT_DEGREE - 1)
    return float(np.sqrt(total / max(count, 1)) / sigma)


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
    design, unit = _joint_design(t, DEGREE, ratio, centre[:, None])
    pinv = np.linalg.pinv(design)[:, :2]
    return pinv / np.stack([np.ones_like(unit), unit], axis=1)


def _joint_design(
    t: np.ndarray, degree: int, ratio: float, centre: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Powers of times over a distance, below them their slopes times `ratio`; and that distance."""
    powers, unit = _powers(t, degree, centre)
    slopes = np.concatenate([np.zeros_like(powers[..., :1]), powers[..., :-1] * np.arange(1, degree + 1)], axis=-1)
    return np.concatenate([powers, ratio * slopes / unit[..., None]], axis=1), unit
