"""`information`: the information matrix of observations, without the initial states of their windows."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PyTree

from .._checks import positive_integer
from ..training import evaluated, fixed_windows, forward_or_reverse, normal_equations
from ..trajectories import Trajectories, Window, Windows
from .information import Information, described, undetermined_share
from .likelihood import check_recording, counted, observation_residual
from .linearized import with_known_noise
from .observed import Observed

STATE_STEPS = 8
"""Number of Gauss-Newton steps for the initial states of the windows."""


class Leftover(NamedTuple):
    """What is left over in a channel, for each of its columns: shape `(column,)`.

    - `squares`: sum of the squared residuals over their noise. `observed`: number of values.
    - `taken`: number of values that the initial states of the windows take up.
    """

    squares: Array
    observed: Array
    taken: Array


def information(model: Observed, trajectories: Trajectories, *, horizon: int = 100, stride: int = 1) -> Information:
    """Find out which sensors and constants observations determine, how well, and what is confounded.

    Before training, it says whether a recording can determine what you want to know. After training, it gives standard
    errors. The recording is cut into windows that do not overlap, and the initial state of each is unknown. The noise
    counts as known.

    **Arguments:**

    - `model`: an `Observed` model, before or after training. If it has a `Population`, the standard errors are those
      with its prior, and the words say what the observations alone do not tell.
    - `trajectories`: the recording, with `observations`. Its `ys` are first guesses of the states.
    - `horizon`: number of intervals of a window. `stride`: number of samples from one row to the next.

    **Returns:** an `Information`.

    **Raises:** `ValueError` if the channels of model and trajectories differ, if nothing but noise is trained, or if a
    channel has no value in the windows.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, numpy as np, neural_lagrangian as nl
    >>> from neural_lagrangian.observation import Observed, Position, Sensor, Velocity, information
    >>> ts = np.linspace(0.0, 1.0, 11)
    >>> free = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v)
    >>> sensors = {"place": Sensor(Position(), noise=0.01), "speed": Sensor(Velocity(), noise=0.01, gain=1.0)}
    >>> seen = {"place": ts, "speed": 0 * ts + 1}
    >>> motion = nl.Trajectories(ts, np.stack([ts, np.ones(11)], axis=1), observations=seen)
    >>> found = information(Observed(free, sensors), motion, horizon=10)
    >>> found.names, found.standard_errors.round(3).tolist()
    (("sensors['speed'].gain",), [0.01])
    ```
    """
    check_recording(model, trajectories)
    model = with_known_noise(model)
    own, matrix, leftover = of_observations(model, trajectories, horizon, stride)
    if empty := [name for name, x in leftover.items() if not x.observed.sum() > 0]:
        raise ValueError(
            f"channels {empty} have no value in windows of {horizon} intervals; expected a `horizon` with which the "
            f"windows contain one, or a model without their sensors"
        )
    misfit = {name: float(jnp.sqrt(x.squares.sum() / x.observed.sum())) for name, x in leftover.items()}
    return described(model, own, matrix, misfit)


def of_observations(
    model: Observed, trajectories: Trajectories, horizon: int, stride: int
) -> tuple[Float[Array, " weight"], Float[Array, "weight weight"], dict[str, "Leftover"]]:
    """Information of each trained number alone, of all without the initial states, and what the channels leave over. A
    prior has no part in it. The noise of the model must be frozen.
    """
    positive_integer("horizon", horizon)
    positive_integer("stride", stride)
    trained, rest, _, first = fixed_windows(model, trajectories, horizon, stride, 1, None)
    every = Windows(trajectories, horizon, stride=stride, dtype=first.ys.dtype)
    batch = every.gather(jnp.asarray(_apart(every)))
    size = sum(value[0].size for value in (batch.observations or {}).values())
    tangent = forward_or_reverse(observation_residual, trained, rest, batch, jnp.asarray(batch.ys)[:, :1], size)
    return _found(trained, rest if tangent is None else tangent, batch, tangent is not None)


def _apart(windows: Windows) -> Int[np.ndarray, " window"]:
    """Numbers of windows that do not overlap, from the beginning of each run."""
    ends = np.asarray(windows.ends)
    starts = np.concatenate([[0], ends[:-1]])
    step = windows.horizon * windows.stride + 1
    return np.concatenate([np.arange(start, end, step) for start, end in zip(starts, ends, strict=True)])


@eqx.filter_jit
def _found(
    trained: PyTree, rest: PyTree, batch: Window, forward: bool
) -> tuple[Float[Array, " weight"], Float[Array, "weight weight"], dict[str, Leftover]]:
    """Information of each number alone, of all without the initial states, and what the channels leave over."""
    weights, unravel = ravel_pytree(trained)

    def of_window(w: Array, x: Array, window: Window) -> Array:
        window = replace(window, states=x[None])
        r = evaluated("residual", observation_residual, eqx.combine(unravel(w), rest), window).reshape(-1)
        return r[: sum(value.size for value in (window.observations or {}).values())]

    states = jax.vmap(lambda window: _settled(lambda x: of_window(weights, x, window), window.ys[0], forward))(batch)
    residuals = jax.vmap(of_window, (None, 0, 0))(weights, states, batch)
    blocks = normal_equations(of_window, weights, states, batch, forward)
    C, D = blocks.C * residuals.size, blocks.D * residuals.size
    H = blocks.H * residuals.size
    inverse = jax.vmap(_pseudoinverse)(D)
    eliminated = jnp.einsum("ink,ikj,imj->nm", C, inverse, C)

    def taken(x: Array, inverse: Array, window: Window) -> Array:
        J = (jax.jacfwd if forward else jax.jacrev)(lambda x: of_window(weights, x, window))(x)
        return jnp.sum((J @ inverse) * J, axis=1)

    def values(window: Window) -> Array:
        return evaluated("residual", counted, eqx.combine(unravel(weights), rest), window).reshape(-1)

    parts = residuals**2, jax.vmap(values)(batch).astype(residuals.dtype), jax.vmap(taken)(states, inverse, batch)
    return jnp.diagonal(H), H - eliminated, _leftover(batch, *parts)


def _settled(residual: Callable[[Array], Array], x: Array, forward: bool) -> Array:
    """The initial state of a window with the least residual, from the guess `x`."""
    jacobian = (jax.jacfwd if forward else jax.jacrev)(residual)

    def step(x: Array, _: None) -> tuple[Array, None]:
        r, J = residual(x), jacobian(x)
        moved = x - _pseudoinverse(J.T @ J) @ (J.T @ r)
        better = jnp.sum(residual(moved) ** 2) < jnp.sum(r**2)
        return jnp.where(better, moved, x), None

    return jax.lax.scan(step, x, length=STATE_STEPS)[0]


def _pseudoinverse(D: Array) -> Array:
    """Of a positive semidefinite matrix, in units in which its diagonal is one."""
    size = jnp.sqrt(jnp.diagonal(D))
    unit = jnp.where(size > 0, 1 / jnp.where(size > 0, size, 1), 0)
    s, V = jnp.linalg.eigh(unit[:, None] * D * unit[None])
    kept = s > undetermined_share(D.dtype)
    inverse = (V * jnp.where(kept, 1 / jnp.where(kept, s, 1), 0)[None]) @ V.T
    return unit[:, None] * inverse * unit[None]


def _leftover(batch: Window, *parts: Array) -> dict[str, Leftover]:
    """The parts of `Leftover` for each channel, from those of all components of windows, `(window, component)`."""
    columns = [jnp.sum(part.reshape(*batch.ts.shape, -1), axis=(0, 1)) for part in parts]
    found, first = {}, 0
    for name, value in (batch.observations or {}).items():
        own = slice(first, first + value.shape[-1])
        found[name] = Leftover(*(part[own] for part in columns))
        first += value.shape[-1]
    return found
