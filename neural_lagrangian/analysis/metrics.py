"""How good is a rollout? Measures over batches of rollouts, `(trajectory, time, 2 dof)` against the truth."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..integrators import AbstractRolloutModel

Rollouts = Float[Array, "trajectory time two_dof"]


def wrap_angle(angle: Array) -> Array:
    """The same angle in [-pi, pi), in radians."""
    return (angle + jnp.pi) % (2 * jnp.pi) - jnp.pi


@eqx.filter_jit
def rollouts(model: Callable[[Array, Array], Array], ts: Array, y0s: Array) -> Rollouts:
    """The rollout of `model` from each initial state, compiled."""
    return jax.vmap(model, (None, 0))(ts, y0s)


def angle_rmse(
    predicted: Rollouts, truth: Rollouts, ts: Array, at: Sequence[float], *, window: float = 1.0
) -> Float[Array, "at trajectory"]:
    """Root mean square of the wrapped coordinate error over all coordinates and the times `[t - window, t]`.

    A rollout that is not finite there counts as pi.

    **Arguments:**

    - `predicted`, `truth`: shape `(trajectory, time, 2 dof)`, angles in radians first.
    - `ts`: times, shape `(time,)`. `at`: the times t.
    """
    dof = truth.shape[-1] // 2
    squared = wrap_angle(predicted - truth)[..., :dof] ** 2

    def one(t):
        inside = (ts >= t - window) & (ts <= t)
        mean = jnp.mean(squared, axis=(1, 2), where=inside[None, :, None])
        lost = ~jnp.all(jnp.isfinite(predicted), axis=(1, 2), where=inside[None, :, None])
        return jnp.where(lost, jnp.pi, jnp.sqrt(jnp.where(lost, 0, mean)))

    return jax.vmap(one)(jnp.asarray(at, ts.dtype))


def energy_error(
    energy: Callable[[Array, Array, Array], Array],
    predicted: Rollouts,
    ts: Array,
    scale: float | Array,
    at: Sequence[float] | None = None,
) -> Array:
    """Largest deviation of a known energy along predicted paths from its start, up to each time, over `scale`.

    **Arguments:**

    - `energy`: the true system's `(t, q, v) -> scalar`.
    - `predicted`: shape `(trajectory, time, 2 dof)`. `ts`: shape `(time,)`.
    - `scale`: energy that counts as one, such as the depth of the potential.
    - `at`: times up to which the maximum is taken; `None` gives the deviation at every time.

    **Returns:** shape `(at, trajectory)`, or `(trajectory, time)` without `at`; infinite where a rollout failed.
    """
    path = jax.vmap(jax.vmap(lambda t, y: energy(t, *jnp.split(y, 2))), (None, 0))(ts, predicted)
    deviation = jnp.abs(path - path[:, :1]) / scale
    deviation = jnp.where(jnp.isfinite(deviation), deviation, jnp.inf)
    if at is None:
        return deviation
    return jnp.stack([jnp.max(deviation, axis=1, where=(ts <= t)[None], initial=0.0) for t in at])


def valid_time(
    predicted: Rollouts, truth: Rollouts, ts: Array, *, tolerance: float = 0.1
) -> Float[Array, " trajectory"]:
    """Time until the wrapped coordinate error (root mean square over coordinates) first exceeds `tolerance` radians."""
    dof = truth.shape[-1] // 2
    error = jnp.sqrt(jnp.mean(wrap_angle(predicted - truth)[..., :dof] ** 2, axis=-1))
    wrong = ~(error <= tolerance)
    first = jnp.where(jnp.any(wrong, axis=1), jnp.argmax(wrong, axis=1), ts.shape[0] - 1)
    return ts[first] - ts[0]


def phase_shift(predicted: Rollouts, truth: Rollouts) -> Float[Array, "trajectory dof"]:
    """Phase in degrees by which each predicted coordinate leads the true one, at the true one's dominant frequency.

    The angle between the two Hann-windowed Fourier coefficients there; times must be uniform. A rollout that is not
    finite gives NaN.
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


def perturbation_floor(
    system: AbstractRolloutModel, ts: Array, y0s: Array, key: PRNGKeyArray, *, size: float = 1e-4
) -> Rollouts:
    """The truth restarted from states off by a random vector of length `size`: no model can be asked for more."""
    direction = jax.random.normal(key, y0s.shape, y0s.dtype)
    direction = direction / jnp.linalg.norm(direction, axis=-1, keepdims=True)
    return rollouts(system, ts, y0s + size * direction)
