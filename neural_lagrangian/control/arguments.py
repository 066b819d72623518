"""Checks of the arguments of controllers."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from .._checks import check_instance, check_intervals, finite, floating, is_concrete, is_positive
from .._types import State, Times
from ..integrators import check_rollout_arguments
from .controller import ControlLimits


def as_state(name: str, y: ArrayLike) -> Array:
    """Check a state, shape `(2 dof,)`, of finite numbers."""
    y = floating(name, y, ("2 dof",))
    if y.shape[0] % 2 or y.shape[0] == 0:
        raise ValueError(f"`{name}` has shape {y.shape}; expected an even length, (2 dof,), as [q, v]")
    return finite(name, y)


def as_control(name: str, u: ArrayLike, controls: int, dtype: Any) -> Array:
    """Check a control, shape `(m,)`, of finite numbers, and convert it to the precision of the state."""
    return finite(name, jnp.asarray(floating(name, u, (controls,)), dtype))


def as_angles(periodic: Any, dof: int) -> tuple[int, ...]:
    """Check the indices of coordinates that are angles. Any other would be ignored, or wrap a velocity."""
    indices = np.asarray(periodic).tolist()
    known = isinstance(indices, list) and all(type(k) is int and k in range(dof) for k in indices)
    if not known:
        raise ValueError(
            f"`periodic` is {periodic!r}; expected indices of the coordinates that are angles, from 0 to {dof - 1}, "
            f"such as (0,)"
        )
    return tuple(indices)


def check_limits(limits: Any) -> None:
    """**Raises:** `ValueError` unless `limits` are a `ControlLimits` or `None`."""
    check_instance("limits", limits, ControlLimits, optional=True)


def positive(name: str, value: Any, meaning: str) -> None:
    """**Raises:** `ValueError` unless `value` is a positive finite number, or traced."""
    if is_concrete(value) and not is_positive(value):
        raise ValueError(f"`{name}` is {value!r}; expected {meaning}")


def sampling_times(ts: ArrayLike, y0: ArrayLike) -> tuple[Times, State]:
    """Check the sampling times of a controller, strictly increasing, and the initial state.

    **Raises:** `ValueError` (outside `jit`) for times that decrease, and for times that the precision of `y0` rounds.
    """
    clock, y0 = check_rollout_arguments(ts, y0)
    if clock.intervals is not None:
        if not np.all(clock.intervals > 0):
            raise ValueError("`ts` decreases; expected strictly increasing sampling times")
        check_intervals("ts", ts, y0.dtype)
    return jnp.asarray(clock.ts, y0.dtype), y0
