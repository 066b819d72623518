"""Lyapunov exponents: how fast neighbouring motions separate."""

from dataclasses import KW_ONLY

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._types import Scalar, State, Trajectory
from ..integrators import AbstractRolloutModel, SaveTimes, check_rollout_arguments
from ..numerics import root_mean_square


class LyapunovEstimate(eqx.Module):
    """The largest Lyapunov exponent of a motion, in 1/s.

    - `exponent`: the final estimate. `running`: the estimates after each time, shape `(time - 1,)`.
    """

    _: KW_ONLY
    exponent: Scalar
    running: Array

    @property
    def time(self) -> Scalar:
        """The Lyapunov time in seconds, in which an error grows by a factor e. Infinite without growth."""
        return jnp.where(self.exponent > 0, 1 / jnp.where(self.exponent > 0, self.exponent, 1), jnp.inf)


@eqx.filter_jit
def lyapunov_exponent(model: AbstractRolloutModel, ts: ArrayLike, y0: ArrayLike, key: PRNGKeyArray) -> LyapunovEstimate:
    r"""The largest Lyapunov exponent: mean growth rate of an infinitesimal disturbance along a motion,

    $$\lambda = \frac{1}{t_N - t_0} \sum_k \log |w(t_{k+1})|, \qquad
      \dot y = f(t, y), \quad \dot w = \frac{\partial f}{\partial y} w, \quad |w(t_k)| = 1$$

    (Benettin, Galgani, Giorgilli and Strelcyn 1980.) It converges like 1 / time. For regular motion it tends to zero.
    Each component of $w$ is in units of its root mean square along the motion, so the estimate does not depend on the
    units of the coordinates.

    **Arguments:**

    - `model`: a system or a learned model.
    - `ts`: times, shape `(time,)`. The disturbance is normalised at each. `y0`: initial state, shape `(2 dof,)`.
    - `key`: a JAX random key, for the direction of the initial disturbance.

    **Returns:** a `LyapunovEstimate`; infinite or NaN if the motion could not be integrated.

    **Example:**

    ```python
    >>> import jax, jax.numpy as jnp, neural_lagrangian as nl
    >>> hill = nl.NeuralODE(lambda y: y[:1], dof=1)  # from the top of a hill errors grow as e^t
    >>> found = nl.analysis.lyapunov_exponent(hill, jnp.arange(0.0, 21.0), jnp.zeros(2), jax.random.key(0))
    >>> round(float(found.running[-1]), 1)
    1.0
    ```
    """
    clock, y0 = check_rollout_arguments(ts, y0)
    ts = clock.elapsed
    first = _size_at(y0, model.vector_field(clock.start, y0), jnp.abs(ts[1]))

    def field(t, pair, args):
        y_dot, w_dot = jax.jvp(lambda y: model.vector_field(t, y), (pair[0],), (pair[1],))
        return jnp.stack([y_dot, w_dot])

    def interval(pair, ends):
        start, end = ends
        times = SaveTimes(clock.start + start, jnp.stack([jnp.zeros_like(end), end - start]))
        end = model.integration.solve(diffrax.ODETerm(field), times, pair).ys
        assert end is not None
        y, w = end[-1]
        growth = jnp.linalg.norm(w / first)
        pair = jnp.stack([y, w / growth])
        return pair, (pair, jnp.log(growth))

    w0 = jax.random.normal(key, y0.shape, y0.dtype)
    pair = jnp.stack([y0, first * w0 / jnp.linalg.norm(w0)])
    _, (pairs, growths) = jax.lax.scan(interval, pair, jnp.stack([ts[:-1], ts[1:]], axis=1))
    size = _size_along(pairs[:, 0], jnp.abs(ts[-1]))
    turned = jnp.linalg.norm(pairs[:, 1] / size[None], axis=1) / jnp.linalg.norm(pair[1] / size)
    running = (jnp.cumsum(growths) + jnp.log(turned)) / (ts[1:] - ts[0])
    return LyapunovEstimate(exponent=running[-1], running=running)


def _size_at(y: State, y_dot: State, time: Scalar) -> State:
    """The size of each component of a state, from itself and from its change in a time; one where nothing moves."""
    (q, v), a = jnp.split(jnp.abs(y), 2), jnp.abs(y_dot[len(y) // 2 :])
    return _nonzero(jnp.concatenate([q + v * time + a * time**2, v + a * time]))


def _size_along(ys: Trajectory, time: Scalar) -> State:
    """The root mean square of each component of a motion; one where nothing moves."""
    q, v = jnp.split(root_mean_square(ys), 2)
    return _nonzero(jnp.concatenate([q, jnp.where(v > 0, v, q / time)]))


def _nonzero(size: State) -> State:
    return jnp.where(size > 0, size, 1)
