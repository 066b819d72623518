"""`warmed_up`: losses of models with memory whose windows begin in the middle of a recording."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from .._checks import positive_integer
from ..integrators import AbstractMotionModel
from ..networks import unfrozen
from ..trajectories import Window
from .memory import WithMemory
from .scaled import Scaled


def warmed_up(loss: Callable[[Any, Window], Any], samples: int) -> Callable[[Any, Window], Any]:
    r"""A loss, or a residual, whose rollouts start with internal states found from the recorded motion before.

    The first `samples` intervals of each window warm the memory up: the internal states follow the recorded motion,

    $$\dot z = f(t, q_{\text{recorded}}, v_{\text{recorded}}, z),$$

    and the loss sees the rest of the window. A fading memory forgets where it started, so the windows may begin
    anywhere in a recording. Gradients go through the warm-up too. The recorded velocities should be good there, since
    they drive the memory.

    **Arguments:**

    - `loss`: a loss or a residual of rollouts, such as `trajectory_mse` or `trajectory_residual`.
    - `samples`: number of intervals of the warm-up, longer than the memory. The horizon must be larger.

    **Returns:** a loss or a residual for `fit`, `polish` and `gauss_newton`.

    **Raises:** `ValueError` for `samples` that is not a positive integer; the result, for a shorter window, and for a
    model without memory.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> table = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v, dof=1)
    >>> model = nl.models.WithMemory(table, nl.mechanics.Maxwell([4.0], relaxation_time=[0.1]))
    >>> ts = jnp.linspace(0.0, 2.0, 201)
    >>> later = slice(100, 201)
    >>> window = nl.trajectories.Window(ts[later], model(ts, jnp.array([0.0, 1.0]))[later])
    >>> plain, warm = nl.trajectory_mse, nl.models.warmed_up(nl.trajectory_mse, samples=50)
    >>> bool(warm(model, window) < 1e-3 * plain(model, window))  # the spring is not relaxed at 1 s
    True
    ```
    """
    samples = positive_integer("samples", samples)

    def of_warm(model: Any, window: Window) -> Any:
        intervals = len(window.ts) - 1
        if intervals <= samples:
            raise ValueError(
                f"`samples` is {samples}, and a window has {intervals} intervals; expected a longer `horizon`"
            )
        past = slice(0, samples + 1)
        model = _started(unfrozen(model), jnp.asarray(window.ts)[past], jnp.asarray(window.ys)[past])
        rows = {
            name: jax.tree.map(lambda rows: rows[samples:], getattr(window, name))
            for name in ("ts", "ys", "accelerations", "controls", "observations", "states", "mask")
        }
        return loss(model, replace(window, **rows))

    return of_warm


def _started(model: Any, ts: Array, ys: Array) -> Any:
    """The model whose memory has followed this motion."""
    if isinstance(model, WithMemory):
        return eqx.tree_at(lambda m: m.start, model, model.follow(ts, ys)[-1], is_leaf=lambda node: node is None)
    inner = getattr(model, "model", None)
    if not isinstance(inner, AbstractMotionModel):
        raise ValueError(
            f"`model` is a {type(model).__name__} without memory; expected a `models.WithMemory`, or a loss without "
            f"warm-up"
        )
    if isinstance(model, Scaled):
        ts, ys = model.inner_motion(ts, ys)
    return eqx.tree_at(lambda m: m.model, model, _started(inner, ts, ys))
