"""Recorded motion from several start states, to compare predictions with."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...models import driven_by
from ...networks import parameters_of_runs, with_args
from ...trajectories import Trajectories, Windows
from .controls import thinned

MAX_STARTS = 50
"""Largest number of start states."""
PREDICTED_SHARE = 2 / 3
"""Length of a rollout, as a share of the longest piece. Start states lie in the rest of a piece."""


class Starts(NamedTuple):
    """Recorded motion from several start states: times, and states in SI units.

    `parameters`: those of the system of each start by name, shape `(start,)`; `None` if there is one system.
    `controls`: those that drive the motion after each start; `None` for free motion.
    """

    ts: Float[Array, "start time"]
    ys: Float[Array, "start time two_dof"]
    parameters: dict[str, Array] | None = None
    controls: Float[Array, "start time m"] | None = None

    @property
    def times(self) -> np.ndarray:
        """Times since the start in seconds, shape `(time,)`; median over starts, as sampling may be uneven."""
        return np.median(np.asarray(self.ts - self.ts[:, :1]), axis=0)

    def model_of(self, model: Any, start: int = 0) -> Any:
        """The model of the system of one start, driven by its controls."""
        return _of_one(model, *jax.tree.map(lambda values: values[start], self._conditions(model)))

    def each(self, model: Any, function: Callable[..., Any], *arrays: Any) -> Any:
        """The results of `function(model, *rows)` with `model_of` each start, stacked."""

        def of_one(conditions: Any, *rows: Any) -> Any:
            return function(_of_one(model, *conditions), *rows)

        return jax.vmap(of_one)(self._conditions(model), *arrays)

    @property
    def are_alike(self) -> bool:
        """Whether all starts have the same model: there is one system, and no control."""
        return self.parameters is None and self.controls is None

    def _conditions(self, model: Any) -> tuple[Any, Any, Any]:
        """Parameters, if the model takes any, times and controls of the starts."""
        return self.parameters if parameters_of_runs(model) else None, self.ts, self.controls


def _of_one(model: Any, parameters: Any, ts: Array, us: Array | None) -> Any:
    return driven_by(with_args(model, parameters), ts, us)


def starts_of(trajectories: Trajectories, stride: int) -> Starts:
    """Choose start states spread evenly over the pieces, with `PREDICTED_SHARE` of the longest piece after each."""
    longest = (int(trajectories.lengths.max()) - 1) // stride
    windows = Windows(
        thinned(trajectories, stride),
        max(1, round(PREDICTED_SHARE * longest)),
        stride=stride,
        dtype=jnp.result_type(float),
    )
    starts = windows.gather(windows.evenly(MAX_STARTS))
    us = None if starts.controls is None else jnp.asarray(starts.controls)
    return Starts(jnp.asarray(starts.ts), jnp.asarray(starts.ys), starts.parameters, us)
