r"""Estimates the noise of recorded states, and smooths them with local polynomials.

Around each sample a polynomial is fitted by weighted least squares: its values to the positions, and its slopes to the
velocities. Its value and slope at the sample are the smoothed state. The window length of each coordinate is chosen by
leave-one-out cross-validation.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from .residual_spectrum import lag_one

SMOOTHING_DEGREE = 4
"""Degree of the smoothing polynomials."""
WINDOW_SAMPLES_TRIED = (5, 7, 11, 15, 21, 31, 45, 65)
"""Window lengths for smoothing, in samples."""
NOISE_DEGREE, SHORT_WINDOW_SAMPLES = 5, (7, 9)
"""Degree of the polynomials that estimate noise, and the two shortest windows for them, in samples."""
MAX_GROWTH_OF_NOISE, MAX_NOISE_CORRECTION = 1.5, 4.0
"""Largest ratio of residuals in nine samples to residuals in seven that still counts as noise: the ratio is 1 for white
noise, 1.2 for smoothed noise, and 2 to 6 for motion. And the largest correction factor for smoothed noise.
"""
MIN_COLOURED_SAMPLES, MIN_COLOURED_CORRELATION = 27, 0.3
"""Least samples in a quarter of a period, and least autocorrelation at lag one, for noise to count as smoothed."""
FEW_QUARTER_SAMPLES, MIN_SHARE_OF_NOISE = 14, 0.2
"""With fewer samples in a quarter of a period, joint polynomials through positions and velocities estimate the noise.

If they leave a smaller share of the residuals than the second number, the residuals were motion. (For a chaotic motion
with eight samples a period they leave 0.16.)
"""
JOINT_SAMPLES, JOINT_DEGREE = 7, 11
"""Samples and degree of the joint polynomials through positions and velocities."""
MAX_NOISE_WINDOWS = 2000
"""Most windows for the noise estimate, which bound the run time."""
ROUNDING = 1e-9
"""Relative rounding of periods, which are multiples of the time step: rounding must not cost a sample."""
BLOCK_SAMPLES = 4096
"""Samples smoothed at a time, which bounds the memory."""

Pieces = Sequence[tuple[np.ndarray, np.ndarray]]
"""Times and states of each trajectory, in double precision."""


def noise_of(
    pieces: Pieces, periods: Float[np.ndarray, " dof"]
) -> tuple[Float[np.ndarray, " two_dof"], Bool[np.ndarray, " two_dof"]]:
    """Estimates the standard deviation of the noise of each channel, and which channels have smoothed noise.

    The noise is the residual of local polynomials of degree five.

    - White noise leaves the same residual in windows of any length. If seven samples leave much less than nine, the
      residual is motion, and the noise is zero.
    - Smoothed noise is correlated from sample to sample, so polynomials follow much of it. The residual in a quarter of
      a period is therefore multiplied by its ratio to the residual in seven samples.
    - With few samples per period, joint polynomials through positions and velocities estimate the share of noise.
    """
    step = np.median(np.concatenate([np.diff(t) for t, _ in pieces if len(t) > 1] or [np.ones(1)]))
    longest, dof = max(len(t) for t, _ in pieces), len(periods)
    quarters = np.where(np.isfinite(periods), periods / 4 / step, longest / 2) * (1 + ROUNDING)
    lengths = np.clip(quarters, SHORT_WINDOW_SAMPLES[1], max(SHORT_WINDOW_SAMPLES[1], min(longest, 200))).astype(int)
    broad, shortest, short = (_left(pieces, n) for n in (lengths, *(np.full(dof, k) for k in SHORT_WINDOW_SAMPLES)))
    coloured = (np.tile(lengths, 2) >= MIN_COLOURED_SAMPLES) & (
        _correlation(pieces, lengths) > MIN_COLOURED_CORRELATION
    )
    share = shortest / np.where(broad > 0, broad, 1.0)
    noise = np.where(coloured, broad / np.maximum(share, 1 / MAX_NOISE_CORRECTION), short)
    is_noise = short < MAX_GROWTH_OF_NOISE * shortest
    there = np.minimum(*np.split(noise, 2)) > 0
    for i in np.flatnonzero(there & (quarters < FEW_QUARTER_SAMPLES)):
        left = _left_together(pieces, int(i), noise)
        is_noise[[i, i + dof]] = left > MIN_SHARE_OF_NOISE
        noise[[i, i + dof]] *= min(left, 1.0)
    return np.where(is_noise, noise, 0.0), is_noise & coloured


def _left(pieces: Pieces, lengths: Int[np.ndarray, " dof"]) -> Float[np.ndarray, " two_dof"]:
    """Root mean square residual of polynomials in each channel."""
    dof = len(lengths)
    sums, counts = np.zeros(2 * dof), np.zeros(2 * dof)
    for i, length in enumerate(lengths):
        for rows in _rests(pieces, i, int(length), NOISE_DEGREE):
            sums[[i, dof + i]] += np.sum(rows**2, axis=(0, 1))
            counts[[i, dof + i]] += len(rows) * (length - NOISE_DEGREE - 1)
    return np.sqrt(sums / np.maximum(counts, 1))


def _correlation(pieces: Pieces, lengths: Int[np.ndarray, " dof"]) -> Float[np.ndarray, " two_dof"]:
    """Autocorrelation at lag one of residuals of polynomials of higher degree, which follow the motion better."""
    dof = len(lengths)
    products, squares = np.zeros(2 * dof), np.zeros(2 * dof)
    for i, length in enumerate(lengths):
        for rows in _rests(pieces, i, max(int(length), MIN_COLOURED_SAMPLES), NOISE_DEGREE + 2):
            both = lag_one(rows)
            products[[i, dof + i]] += both[0]
            squares[[i, dof + i]] += both[1]
    return products / np.where(squares > 0, squares, 1.0)


def _rests(pieces: Pieces, i: int, length: int, degree: int) -> Iterator[np.ndarray]:
    """Residuals of a coordinate and its velocity, `(window, length, 2)`, one trajectory at a time."""
    for t, y in _windows(pieces, length):
        Q = np.linalg.qr(_powers(t, degree)[0])[0]
        rows = y[:, :, [i, i + y.shape[2] // 2]]
        yield rows - Q @ (np.swapaxes(Q, 1, 2) @ rows)


def _left_together(pieces: Pieces, i: int, noise: Float[np.ndarray, " two_dof"]) -> float:
    """Relative residual of joint polynomials through positions and velocities, compared with the noise.

    Their high degree follows motion with few samples per period.
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
    """Smooths the states of each trajectory. The `noise` of each channel must be positive."""
    dof = len(noise) // 2
    answers = [y.copy() for _, y in pieces]
    shortest = min(len(t) for t, _ in pieces)
    for i in range(dof):
        ratio = noise[i] / noise[dof + i]
        best = np.inf
        for length in [w for w in WINDOW_SAMPLES_TRIED if w <= shortest]:
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
    """Times `(window, length)` and states `(window, length, 2 dof)` of adjacent windows, one trajectory at a time."""
    pieces = [piece for piece in pieces if len(piece[0]) >= length]
    every = max(1, sum(len(t) // length for t, _ in pieces) // MAX_NOISE_WINDOWS)
    for t, y in pieces:
        count = len(t) // length
        index = np.arange(0, count, every)[:, None] * length + np.arange(length)
        if len(index):
            yield t[index], y[index]


def _powers(t: np.ndarray, degree: int, centre: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Powers of times relative to a centre, divided by the largest distance, and this distance."""
    offsets = t - (t.mean(axis=-1, keepdims=True) if centre is None else centre)
    unit = np.abs(offsets).max(axis=-1, keepdims=True)
    return (offsets / unit)[..., None] ** np.arange(degree + 1), unit


def _fitted(t: np.ndarray, rows: np.ndarray, length: int, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Smoothed [q, v], and the weight of each sample in its own smoothed value; both of shape `(time, 2)`."""
    count = len(t)
    first = np.clip(np.arange(count) - length // 2, 0, count - length)
    answers, own = np.empty((count, 2)), np.empty((count, 2))
    for start in range(0, count, BLOCK_SAMPLES):
        at = np.arange(start, min(start + BLOCK_SAMPLES, count))
        weights = _weights(t, at, first[at], length, ratio)
        near = first[at, None] + np.arange(length)
        both = np.concatenate([rows[near, 0], ratio * rows[near, 1]], axis=1)
        answers[at] = np.einsum("skj,sj->sk", weights, both)
        here = at - first[at]
        own[at, 0] = weights[np.arange(len(at)), 0, here]
        own[at, 1] = ratio * weights[np.arange(len(at)), 1, length + here]
    return answers, np.minimum(own, 0.99)


def _weights(t: np.ndarray, at: np.ndarray, first: np.ndarray, length: int, ratio: float) -> np.ndarray:
    """Weights of a window's positions and velocities in value and slope at each sample, `(sample, 2, 2 length)`.

    Equal time steps share their weights.
    """
    steps = np.diff(t)
    if np.ptp(steps) <= 1e-6 * steps.mean():
        kinds, inverse = np.unique(at - first, return_inverse=True)
        return _weights_at(t[:length] - t[0], t[kinds] - t[0], ratio)[inverse] if len(kinds) else np.empty((0, 2, 0))
    near = first[:, None] + np.arange(length)
    return _weights_at(t[near], t[at], ratio)


def _weights_at(t: np.ndarray, centre: np.ndarray, ratio: float) -> np.ndarray:
    t = np.broadcast_to(t, (len(centre), t.shape[-1]))
    design, unit = _joint_design(t, SMOOTHING_DEGREE, ratio, centre[:, None])
    pinv = np.linalg.pinv(design)[:, :2]
    return pinv / np.stack([np.ones_like(unit), unit], axis=1)


def _joint_design(
    t: np.ndarray, degree: int, ratio: float, centre: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Design matrix of the joint fit: powers of times, below them their slopes times `ratio`; and the unit of time."""
    powers, unit = _powers(t, degree, centre)
    slopes = np.concatenate([np.zeros_like(powers[..., :1]), powers[..., :-1] * np.arange(1, degree + 1)], axis=-1)
    return np.concatenate([powers, ratio * slopes / unit[..., None]], axis=1), unit
