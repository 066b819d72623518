r"""The fixed-interval smoother: the most probable states of a whole recording, with their covariance."""

from collections.abc import Mapping
from dataclasses import KW_ONLY
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._checks import check_intervals, finite, floating, is_concrete, one_or_each, positive_integer
from ..networks import unfrozen
from .kalman import acceleration_covariance, corrected, smoothing_gain
from .likelihood import check_observed, check_states
from .linearized import driven_by, innovation, with_jacobian
from .observed import Observed

STEP_LENGTHS = tuple(2.0**-k for k in range(8))
"""Fractions of a Gauss-Newton step that are tried. The best one is taken, or none if all are worse."""


class Smoothed(eqx.Module):
    """Estimated states of a recording; the result of `smooth`.

    - `ys`: the most probable states, shape `(time, 2 dof)`.
    - `covariances`: their covariances, shape `(time, 2 dof, 2 dof)`.
    - `cost`: the negative logarithm of the posterior, without a constant, before each step and after the last one.
    """

    _: KW_ONLY
    ys: Float[Array, "time two_dof"]
    covariances: Float[Array, "time two_dof two_dof"]
    cost: Float[Array, " step"]

    @property
    def deviations(self) -> Float[Array, "time two_dof"]:
        """Standard deviations of `ys`."""
        return jnp.sqrt(jnp.diagonal(self.covariances, axis1=1, axis2=2))


def smooth(
    model: Observed,
    ts: ArrayLike,
    observations: Mapping[str, Any],
    guess: ArrayLike,
    *,
    deviation: ArrayLike,
    acceleration_noise: ArrayLike,
    controls: ArrayLike | None = None,
    steps: int = 10,
) -> Smoothed:
    r"""Estimate the states of a recording from all observations before and after (fixed-interval smoothing).

    The states minimise

    $$\tfrac12 \sum_k \left|\frac{y_k - h(t_k, x_k)}{\sigma}\right|^2
      + \tfrac12 \sum_k |x_{k + 1} - f(x_k)|^2_{Q_k^{-1}} + \tfrac12 |x_0 - g_0|^2_{P_0^{-1}}$$

    by Gauss-Newton steps with exact derivatives. Each step is a Kalman filter and a Rauch-Tung-Striebel smoother (Bell
    1994), so its cost is linear in the length of the recording. The covariances are those of the last linear problem.

    **Arguments:**

    - `model`: an `Observed` model.
    - `ts`: times in seconds, strictly increasing, shape `(time,)`.
    - `observations`: values of each channel, shape `(time, column)`; NaN where missing.
    - `guess`: a first guess of the states, shape `(time, 2 dof)`. Its first row is the mean of the initial state.
    - `deviation`: standard deviations of the initial state, a number or shape `(2 dof,)`.
    - `acceleration_noise`: as for `ExtendedKalmanFilter`; positive. Small values trust the model.
    - `controls`: the control at each time, held until the next, shape `(time, m)`, for a model with a `ControlForce`. A
      late sensor sees the control until its time; its delay should be at most a sampling interval.
    - `steps`: number of Gauss-Newton steps, at least 1.

    **Raises:** `ValueError` for wrong shapes or channels, times that do not increase, noise that is not positive,
    and a model with forces with memory.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> from neural_lagrangian.observation import Observed, Position, Sensor, smooth
    >>> steps = nl.StepsPerSample(1)
    >>> free = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v, stepsize_controller=steps)
    >>> rig = Observed(free, {"place": Sensor(Position(), noise=0.1)})
    >>> ts = jnp.arange(5.0)  # 2 m in each second, and one value is missing
    >>> seen = {"place": jnp.array([[0.0], [2.0], [jnp.nan], [6.0], [8.0]])}
    >>> found = smooth(rig, ts, seen, jnp.zeros((5, 2)), deviation=10.0, acceleration_noise=0.01)
    >>> found.ys[2].round(2).tolist()
    [4.0, 2.0]
    ```
    """
    check_observed(model, observations)
    check_states(model)
    ys = floating("guess", guess, ("time", "2 dof"))
    if ys.shape[1] % 2 or ys.size == 0:
        raise ValueError(f"`guess` has shape {ys.shape}; expected (time, 2 dof), each row [q, v]")
    if is_concrete(ys) and not np.all(np.isfinite(ys)):
        raise ValueError("`guess` is not finite; expected a first guess of every state, without NaN")
    positive_integer("steps", steps)
    given = ts
    ts = floating("ts", ts, (len(ys),)).astype(ys.dtype)
    check_intervals("ts", given, ys.dtype)
    if not np.all(np.diff(np.asarray(ts)) > 0):
        raise ValueError("`ts` is not strictly increasing; sort the samples and remove repeated times")
    for name, value in {"deviation": deviation, "acceleration_noise": acceleration_noise}.items():
        if not np.all(np.asarray(value) > 0) or not np.all(np.isfinite(value)):
            raise ValueError(f"`{name}` is {value}; expected positive numbers")
    seen = {name: floating(f"observations[{name!r}]", x, (len(ys), "column")) for name, x in observations.items()}
    size = one_or_each("deviation", deviation, ys.shape[1:], ys.dtype)
    density = one_or_each("acceleration_noise", acceleration_noise, (ys.shape[1] // 2,), ys.dtype)
    held = None if controls is None else finite("controls", floating("controls", controls, (len(ys), "m")))
    if held is not None:
        seen = _with_known_controls(model, ts, seen)
    problem = _Problem(unfrozen(model), ts, seen, held, ys[0], jnp.diag(size**2), density)
    return _smoothed(problem, ys, steps)


def _with_known_controls(model: Observed, ts: Array, seen: dict[str, Array]) -> dict[str, Array]:
    """Observations without those of late sensors from before the first sample, where the control is not known."""

    def known(name: str, value: Array) -> Array:
        sensor = model.sensors[name]
        return jnp.where((ts - sensor.lag(ts) >= ts[0])[:, None], value, jnp.nan) if sensor.is_late else value

    return {name: known(name, value) for name, value in seen.items()}


class _Problem(eqx.Module):
    """The recording, the model and the noise."""

    model: Observed
    ts: Float[Array, " time"]
    observations: dict[str, Array]
    controls: Array | None
    start: Float[Array, " two_dof"]
    P0: Float[Array, "two_dof two_dof"]
    density: Float[Array, " dof"]

    @property
    def Q(self) -> Float[Array, "interval two_dof two_dof"]:
        return jax.vmap(lambda dt: acceleration_covariance(dt, self.density))(jnp.diff(self.ts))

    def ahead(self, ys: Array) -> tuple[Array, Array]:
        """The state at the next sample from each state but the last, and its Jacobian."""

        def one(t: Array, later: Array, y: Array, control: Array | None) -> tuple[Array, Array]:
            model = driven_by(self.model, control)
            return with_jacobian(lambda y: model(jnp.stack([t, later]), y)[-1], y)

        held = None if self.controls is None else self.controls[:-1]
        return jax.vmap(one)(self.ts[:-1], self.ts[1:], ys[:-1], held)

    def errors(self, ys: Array) -> tuple[Array, Array]:
        """Observed minus expected values over their noise at each state, and the Jacobian of the expected ones."""

        def one(t: Array, y: Array, control: Any, last: Any, values: dict[str, Array]) -> tuple[Array, Array]:
            model, before = (driven_by(self.model, u) for u in (control, last))
            error, J = with_jacobian(lambda y: innovation(model, t, y, values, before)[0], y)
            return error, -J

        us = self.controls
        last = None if us is None else jnp.concatenate([us[:1], us[:-1]])
        return jax.vmap(one)(self.ts, ys, us, last, self.observations)

    def cost(self, ys: Array) -> Array:
        """The negative logarithm of the posterior, without a constant."""
        jumps = ys[1:] - self.ahead(ys)[0]
        parts = [jnp.sum(self.errors(ys)[0] ** 2), _quadratic(self.P0, ys[0] - self.start)]
        total = sum(parts) + jnp.sum(jax.vmap(_quadratic)(self.Q, jumps))
        return jnp.where(jnp.isfinite(total), total / 2, jnp.inf)


@eqx.filter_jit
def _smoothed(problem: _Problem, ys: Array, steps: int) -> Smoothed:
    def step(ys: Array, _: Any) -> tuple[Array, Array]:
        target, _ = _linear(problem, ys)
        tried = jnp.stack([ys, *(ys + c * (target - ys) for c in STEP_LENGTHS)])
        costs = jax.lax.map(problem.cost, tried)
        return tried[jnp.argmin(costs)], costs[0]

    ys, costs = jax.lax.scan(step, ys, length=steps)
    _, covariances = _linear(problem, ys)
    return Smoothed(ys=ys, covariances=covariances, cost=jnp.append(costs, problem.cost(ys)))


def _linear(problem: _Problem, around: Array) -> tuple[Array, Array]:
    """Means and covariances of the states in the problem that is linear around these states."""
    f, F = problem.ahead(around)
    error, H = problem.errors(around)
    c = f - jnp.einsum("kij,kj->ki", F, around[:-1])
    d = error + jnp.einsum("kij,kj->ki", H, around)

    def forward(belief: tuple[Array, Array], row: tuple[Array, ...]) -> tuple[tuple[Array, Array], tuple[Array, ...]]:
        F, c, Q, d, H = row
        x, P = F @ belief[0] + c, F @ belief[1] @ F.T + Q
        after = corrected(x, P, d - H @ x, H)[:2]
        return after, (*after, x, P)

    first = corrected(problem.start, problem.P0, d[0] - H[0] @ problem.start, H[0])[:2]
    last, (xs, Ps, before, spread) = jax.lax.scan(forward, first, (F, c, problem.Q, d[1:], H[1:]))
    xs, Ps = jnp.concatenate([first[0][None], xs]), jnp.concatenate([first[1][None], Ps])

    def backward(later: tuple[Array, Array], row: tuple[Array, ...]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        x, P, F, ahead, P_ahead = row
        G = smoothing_gain(P, F, P_ahead)
        found = x + G @ (later[0] - ahead), P + G @ (later[1] - P_ahead) @ G.T
        return found, found

    rows = (xs[:-1], Ps[:-1], F, before, spread)
    _, (means, covariances) = jax.lax.scan(backward, last, rows, reverse=True)
    return jnp.concatenate([means, last[0][None]]), jnp.concatenate([covariances, last[1][None]])


def _quadratic(P: Array, x: Array) -> Array:
    r"""$x^\top P^{-1} x$, in units in which the diagonal of P is one."""
    size = jnp.sqrt(jnp.diagonal(P))
    scaled = jax.scipy.linalg.cho_factor(P / jnp.outer(size, size))
    return (x / size) @ jax.scipy.linalg.cho_solve(scaled, x / size)
