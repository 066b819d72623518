r"""Velocities and accelerations from positions: Savitzky-Golay filters for any sampling times.

(Savitzky and Golay 1964.)

At each sample a polynomial of degree $d$ is fitted by least squares to the $w$ samples around it. Its value and
derivatives at the sample are $q$, $v$ and $a$. All three are linear in the data, $x_i = \sum_j c_{ij} q_j$, so

- polynomials up to degree $d$ are reproduced exactly, also at the ends;
- for equal steps, away from the ends, the weights are even (or odd), so there is **no lag** at any frequency;
- independent noise of standard deviation $\sigma$ becomes $\sigma (\sum_j c_{ij}^2)^{1/2}$, the **noise gain**.

At the ends the window is one-sided, and the noise gain is larger.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .container import Trajectories
from .errors import ShapeError
from .validation import check_resolution

SAMPLES_AT_A_TIME = 1 << 14
"""Number of samples fitted in one block, to limit memory."""


def differentiate(
    ts: Any,
    qs: Any,
    *,
    window: int = 11,
    degree: int = 4,
    accelerations: bool = False,
    gap: float | None = None,
) -> Trajectories:
    r"""Estimate velocities (and accelerations) from recorded positions by Savitzky-Golay smoothing.

    Returns trajectories with smoothed positions. With the defaults and equal steps $\Delta t$ there is no lag:

    | noise gain | positions | velocities | accelerations |
    | --- | --- | --- | --- |
    | inside | 0.577 | 0.246 / $\Delta t$ | 0.256 / $\Delta t^2$ |
    | first and last sample | 0.957 | 1.47 / $\Delta t$ | 1.29 / $\Delta t^2$ |

    The velocity of a sinusoid is 1.4 % too small with 20 samples per period, and 0.1 % with 40 samples. See
    `noise_gain` for other options. A wider window reduces noise, and flattens fast motion more.
    `window=3, degree=2` does not smooth: positions do not change, and velocities are the slopes of parabolas through
    neighbouring samples.

    Angles must be continuous (use `np.unwrap`), without jumps of a turn. No polynomial crosses a gap: each run between
    gaps becomes a separate trajectory, and runs shorter than `window` are left out.

    **Arguments:**

    - `ts`: times in seconds, strictly increasing, with equal or unequal steps: shape `(time,)`, or a sequence of those.
    - `qs`: positions, shape `(time, dof)`, or a sequence of those, one for each trajectory.
    - `window`: number of samples of each fit, odd.
    - `degree`: degree of the polynomials, at least 2 and less than `window`.
    - `accelerations`: whether to return accelerations too.
    - `gap`: the longest interval that is not a gap, as for `Trajectories`.

    **Raises:** `ValueError` for an invalid window or degree. `TrajectoryError` if the shapes do not match, if a
    trajectory has no run as long as the window, or if the precision of the times is too low for the time steps.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> t = np.linspace(0.0, 2.0, 21)
    >>> motion = nl.trajectories.differentiate(t, 5 * t[:, None] ** 2)  # a stone that falls at 10 m/s^2
    >>> motion.ys[0, 10].round(3).tolist()  # after a second
    [5.0, 10.0]
    ```
    """
    _check_options(window, degree)
    single = not isinstance(qs, Sequence)
    ts, qs = ([ts], [np.asarray(qs)]) if single else (list(ts), [np.asarray(q) for q in qs])
    for i, q in enumerate(qs):
        if q.ndim != 2:
            raise ShapeError(f"`qs` has shape {q.shape}; expected (time, dof)", trajectory=i)
    # Check the data as trajectories, with zeros in place of the unknown velocities.
    sound = Trajectories(ts, [np.concatenate([q, np.zeros_like(q)], axis=-1) for q in qs], gap=gap)
    check_resolution(sound.ts, sound.mask, sound.ts.dtype)
    parts = _long_runs(sound, window)
    estimates = [
        _estimates(sound.ts[i, samples], sound.ys[i, samples, : sound.dof], window, degree) for i, samples in parts
    ]
    return Trajectories(
        [sound.ts[i, samples] for i, samples in parts],
        [np.concatenate([q, v], axis=1) for q, v, _ in estimates],
        accelerations=[a for _, _, a in estimates] if accelerations else None,
        gap=math.inf,
    )


def _long_runs(sound: Trajectories, window: int) -> list[tuple[int, slice]]:
    """Trajectory and samples of each run that is at least as long as a window."""
    runs = sound.runs()
    longest = np.zeros(len(sound), int)
    np.maximum.at(longest, runs.trajectory, runs.length)
    for i, (samples, length) in enumerate(zip(longest, sound.lengths, strict=True)):
        if samples < window:
            between = "" if samples == length else " between gaps"
            raise ShapeError(f"has {samples} samples{between}; expected at least `window` = {window}", trajectory=i)
    return [(i, samples) for i, samples in runs.slices() if samples.stop - samples.start >= window]


def _estimates(t: np.ndarray, q: np.ndarray, window: int, degree: int) -> np.ndarray:
    """Positions, velocities and accelerations of one run, shape `(3, time, dof)`."""
    estimates = np.empty((3, *q.shape), q.dtype)
    for rows, neighbours, weights in _weights(t, window, degree):
        estimates[:, rows] = np.einsum("kij,ijn->kin", weights, q[neighbours])
    if degree == window - 1:  # the polynomial interpolates the samples
        estimates[0] = q
    return estimates


def noise_gain(ts: Any, *, window: int = 11, degree: int = 4, gap: float | None = None) -> np.ndarray:
    r"""Noise gain of `differentiate`: standard deviation of its $q$, $v$ and $a$ for unit noise in the positions.

    The noise of the recorded positions is independent, with standard deviation one. The result is
    $(\sum_j c_{ij}^2)^{1/2}$ at each sample that `differentiate` returns, shape `(time, 3)`.

    **Arguments:**

    - `ts`: times of one trajectory, shape `(time,)`.
    - `window`, `degree`, `gap`: as for `differentiate`.

    **Raises:** `ValueError` if there are fewer than `window` times.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> gain = nl.trajectories.noise_gain(np.arange(21.0))
    >>> gain[10].round(3).tolist()  # of positions, velocities and accelerations, at steps of 1 s
    [0.577, 0.246, 0.256]
    ```
    """
    _check_options(window, degree)
    ts = np.asarray(ts, np.float64)
    if ts.ndim != 1 or len(ts) < window:
        raise ValueError(f"`ts` has shape {ts.shape}; expected (time,), with at least `window` = {window} times")
    sound = Trajectories(ts, np.zeros((len(ts), 2)), gap=gap)
    blocks = (block for _, run in _long_runs(sound, window) for block in _weights(ts[run], window, degree))
    return np.concatenate([np.sqrt(np.sum(weights**2, axis=2)).T for _, _, weights in blocks])


def without_velocities(trajectories: Trajectories) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The times and positions of each trajectory, without velocities, as input for `differentiate`.

    **Arguments:**

    - `trajectories`: the motion. Its velocities are not used.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> motion = nl.Trajectories(np.arange(5.0), np.ones((5, 4)))  # two coordinates
    >>> ts, qs = nl.trajectories.without_velocities(motion)
    >>> ts[0].shape, qs[0].shape
    ((5,), (5, 2))
    ```
    """
    return [t for t, _ in trajectories], [y[:, : trajectories.dof] for _, y in trajectories]


def _check_options(window: int, degree: int) -> None:
    if window % 2 == 0 or not 2 <= degree < window:
        raise ValueError(
            f"`window` is {window}, `degree` is {degree}; expected an odd window and a degree from 2 to `window` - 1"
        )


def _weights(ts: np.ndarray, window: int, degree: int) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Blocks of samples: their rows, the rows in the window of each, and the weights of q, v, a `(3, row, window)`."""
    ts = ts.astype(np.float64)
    first = np.clip(np.arange(len(ts)) - window // 2, 0, len(ts) - window)
    for start in range(0, len(ts), SAMPLES_AT_A_TIME):
        rows = slice(start, start + SAMPLES_AT_A_TIME)
        neighbours = first[rows, None] + np.arange(window)
        offsets = ts[neighbours] - ts[rows, None]
        scale = np.abs(offsets).max(axis=1, keepdims=True)  # else powers of small steps would underflow
        vandermonde = (offsets / scale)[..., None] ** np.arange(degree + 1)
        Q, R = np.linalg.qr(vandermonde)
        derivatives = np.zeros((degree + 1, 3))
        derivatives[[0, 1, 2], [0, 1, 2]] = [1.0, 1.0, 2.0]  # value, first and second derivative at the sample itself
        # weights = Q R^-T e_k k! / scale^k
        half = np.linalg.solve(np.swapaxes(R, 1, 2), np.broadcast_to(derivatives, (len(R), *derivatives.shape)))
        weights = np.moveaxis(Q @ half, 2, 0) / np.stack([scale**0, scale, scale**2])
        yield rows, neighbours, weights
