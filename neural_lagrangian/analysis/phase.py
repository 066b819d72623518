"""Phase shift between predicted and true oscillations."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .metrics import RolloutRows


def phase_shift(predicted: RolloutRows, truth: RolloutRows) -> Float[Array, "trajectory dof"]:
    """Phase shift in degrees of each predicted coordinate, at the dominant frequency of the true one.

    It is positive if the prediction leads. It is the angle between the two Fourier coefficients, with a Hann window.
    Times must be uniform. A rollout that is not finite gives NaN.

    **Arguments:**

    - `predicted`, `truth`: rollouts `[q, v]` at uniform times, shape `(trajectory, time, 2 dof)`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> ts = jnp.linspace(0.0, 20.0, 401)
    >>> truth = jnp.stack([jnp.cos(ts), -jnp.sin(ts)], axis=1)[None]
    >>> predicted = jnp.stack([jnp.cos(ts + 0.1), -jnp.sin(ts + 0.1)], axis=1)[None]  # 0.1 rad ahead
    >>> round(float(nl.analysis.phase_shift(predicted, truth)[0, 0]), 1)
    5.7
    ```
    """
    dof = truth.shape[-1] // 2
    taper = jnp.hanning(truth.shape[1])[None, :, None]

    def spectrum(ys):
        q = ys[..., :dof]
        return jnp.fft.rfft((q - q.mean(axis=1, keepdims=True)) * taper, axis=1)

    true, other = spectrum(truth), spectrum(predicted)
    peak = jnp.argmax(jnp.abs(true), axis=1, keepdims=True)
    product = jnp.take_along_axis(other * jnp.conj(true), peak, axis=1)[:, 0]
    return jnp.rad2deg(jnp.angle(product))


def mean_phase_shift(predicted: RolloutRows, truth: RolloutRows, ts: ArrayLike) -> Float[np.ndarray, "trajectory dof"]:
    r"""Mean phase shift in degrees of each predicted coordinate, from the times of its maxima:

    $$\Delta\phi = 360 \cdot \mathrm{mean}_k \frac{t_k - \hat t_k}{T_k}$$

    It is positive if the prediction leads. $t_k$ are the true maxima and $\hat t_k$ the nearest predicted maxima, both
    from a parabola through three samples. $T_k$ is the local period, half the distance between the neighbouring true
    maxima. The method suits nearly harmonic motion. For motion with several frequencies use `phase_shift`, because
    maxima appear and vanish. NaN if there are fewer than two maxima, or if a rollout failed.

    **Arguments:**

    - `predicted`, `truth`: shape `(trajectory, time, 2 dof)`. `ts`: times, shape `(time,)`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> ts = jnp.linspace(0.0, 20.0, 401)
    >>> truth = jnp.stack([jnp.cos(ts), -jnp.sin(ts)], axis=1)[None]
    >>> predicted = jnp.stack([jnp.cos(ts + 0.1), -jnp.sin(ts + 0.1)], axis=1)[None]  # 0.1 rad ahead
    >>> round(float(nl.analysis.mean_phase_shift(predicted, truth, ts)[0, 0]), 1)
    5.7
    ```
    """
    times = np.asarray(ts)
    dof = truth.shape[-1] // 2
    shifts = np.full((truth.shape[0], dof), np.nan)
    for i, j in np.ndindex(*shifts.shape):
        true, other = (_maxima(times, np.asarray(ys)[i, :, j]) for ys in (truth, predicted))
        if len(true) > 1 and len(other) > 1:
            nearest = other[np.abs(true[:, None] - other[None]).argmin(axis=1)]
            shifts[i, j] = 360 * np.mean((true - nearest) / np.gradient(true))
    return shifts


def _maxima(ts: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The times of the local maxima, from parabolas through three samples."""
    if not np.isfinite(x).all():
        return np.empty(0)
    i = np.flatnonzero((x[1:-1] > x[:-2]) & (x[1:-1] >= x[2:])) + 1
    before, after = ts[i - 1] - ts[i], ts[i + 1] - ts[i]
    rise, fall = x[i - 1] - x[i], x[i + 1] - x[i]
    top = (rise * after**2 - fall * before**2) / (2 * (rise * after - fall * before))
    return ts[i] + top
