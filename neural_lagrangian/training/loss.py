"""Types of losses and residuals, how they are called, and how masked rows are left out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import jax.numpy as jnp
from jaxtyping import Array

from .._types import Scalar
from ..models import driven_by, is_driven, takes_control
from ..networks import parameters_of_runs, unfrozen, unknown_of, with_parameters
from ..trajectories import Window
from .alike import name_of, unwrapped

Loss: TypeAlias = Callable[[Any, Window], Scalar]
"""A function `loss(model, window) -> scalar`."""

Residual: TypeAlias = Callable[[Any, Window], Array]
"""A function `residual(model, window) -> array`: differences between model and data."""


def evaluated(argument: str, function: Callable[[Any, Window], Any], model: Any, window: Window) -> Any:
    """Evaluate a loss or a residual for one window, with the model `unfrozen`, driven by the window's controls and with
    the window's parameters.

    **Raises:** `ValueError` if the function cannot be called with (model, window). `argument` names it in the message.
    """
    return called(argument, function, driven(conditioned(unfrozen(model), window), window), window)


def conditioned(model: Any, window: Window) -> Any:
    """The model with the parameters of a window.

    **Raises:** `ValueError` if the model depends on other parameters than those of the window.
    """
    if window.parameters is not None:
        return with_parameters(model, window.parameters)
    if known := parameters_of_runs(model):
        raise ValueError(
            f"`model` depends on the parameters {sorted(known)}, but the trajectories have none; expected "
            f"`Trajectories(..., parameters={{...}})`"
        )
    return model


def driven(model: Any, window: Window) -> Any:
    """The model driven by the controls of a window; unchanged if there are none, or if it takes none."""
    return driven_by(model, window.ts, window.controls)


def called(argument: str, function: Callable[[Any, Window], Any], model: Any, window: Window) -> Any:
    """Call `function(model, window)`; `ValueError` if it takes other arguments."""
    function = unwrapped(function)
    try:
        return function(model, window)
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:  # raised inside the function
            error.add_note(f"`{argument}` is called as {argument}(model, window), with one `nl.trajectories.Window`.")
            raise
        raise ValueError(
            f"`{argument}` is {name_of(function)}, which cannot be called with (model, window); expected "
            f"`def {argument}(model, window)`, where `window` is a `nl.trajectories.Window`: it has `ts`, `ys`, "
            f"`accelerations`, `controls`, `parameters`, `states` and `mask`, `None` where they are absent"
        ) from error


def check_driven(model: Any, window: Window) -> None:
    """**Raises:** `ValueError` if the window has controls and they do not drive the model."""
    if window.controls is None:
        return
    if not takes_control(model):
        raise ValueError(
            "`model` has 0 forces of the kind ControlForce; expected one to take the `controls` of the window"
        )
    if not is_driven(model):
        raise ValueError(
            "`model` has a ControlForce without a control, and the window has `controls`; expected "
            "`with_control(model, window.ts, window.controls)`"
        )


def check_without_prior(model: Any) -> None:
    """**Raises:** `ValueError` if the model has a population of runs, whose prior only a likelihood contains."""
    if unknown_of(model) is not None:
        raise ValueError(
            "`model` has a population of runs, whose prior this loss would leave out; expected "
            "`observation.negative_log_likelihood` or `observation.observation_residual`, or the model of one run, "
            "`model.of_run({'run': 0})`"
        )


def check_without_states(quantity: str, window: Window) -> None:
    """**Raises:** `ValueError` if states are estimated, since a loss of `quantity` does not use them."""
    if window.states is not None:
        raise ValueError(
            f"`states` are estimated, but a loss of {quantity} does not look at them; expected `trajectory_mse`, "
            f"`trajectory_residual`, `multiple_shooting()` or another loss that starts from `window.states`"
        )


def given(name: str, array: Any, shape: tuple[int, ...]) -> Array:
    """The field `name` of a window. `ValueError` if it is `None` or does not have this shape."""
    if array is None:
        raise ValueError(f"`{name}` is None; expected the trajectories to carry them, or another loss")
    if array.shape != shape:
        raise ValueError(f"`{name}` has shape {array.shape}; expected {shape}")
    return jnp.asarray(array)


def filled(window: Window) -> Window:
    """The window with each masked row replaced by one that counts, so that nothing fails there."""
    if window.mask is None:
        return window
    mask = jnp.asarray(window.mask)
    usable = jnp.argmax(mask)

    def fill(rows: Any) -> Any:
        return None if rows is None else jnp.where(mask[:, None], rows, rows[usable][None])

    return replace(window, ys=fill(window.ys), accelerations=fill(window.accelerations))


def masked(rows: Array, mask: Any) -> Array:
    """Set masked rows to zero. If there are fewer rows than entries of `mask`, the first entries are skipped."""
    return rows if mask is None else jnp.where(beside(_last(mask, rows), rows), rows, 0)


def mean_counted(rows: Array, mask: Any) -> Scalar:
    """Mean over the rows that are not masked; zero if all are. Rows and mask are aligned as for `masked`."""
    if mask is None:
        return jnp.mean(rows)
    counted = jnp.broadcast_to(beside(_last(mask, rows), rows), rows.shape)
    return jnp.sum(jnp.where(counted, rows, 0)) / jnp.maximum(jnp.sum(counted), 1).astype(rows.dtype)


def beside(mask: Array, rows: Array) -> Array:
    """The mask with as many axes as `rows`, for broadcasting."""
    return mask.reshape(-1, *(1 for _ in rows.shape[1:]))


def _last(mask: Any, rows: Array) -> Array:
    return jnp.asarray(mask)[len(mask) - len(rows) :]
