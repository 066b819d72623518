"""Prediction errors of rollouts on recorded motion, for each run."""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..models import takes_control, with_control
from ..networks import with_args
from ..trajectories import Trajectories, check_resolution


class RolloutErrors(eqx.Module):
    """Errors of rollouts from the first sample of each run. Print it for a summary.

    - `times`: time since the first sample of the run, shape `(run, time)`.
    - `values`: predicted minus observed coordinates, shape `(run, time, dof)`, in the units of the trajectories.
      Infinite after a rollout failed, NaN after the end of a shorter run.
    - `names`: names of the coordinates, or `None`.
    """

    _: KW_ONLY
    times: Float[np.ndarray, "run time"]
    values: Float[np.ndarray, "run time dof"]
    names: tuple[str, ...] | None = eqx.field(static=True)

    @property
    def rms(self) -> Float[np.ndarray, " dof"]:
        """Root mean square over all predicted samples of all runs, shape `(dof,)`; infinite if a rollout failed."""
        return self._rms((0, 1))

    @property
    def by_run(self) -> Float[np.ndarray, "run dof"]:
        """Root mean square over the predicted samples of each run, shape `(run, dof)`; NaN for a run of one sample."""
        return self._rms(1)

    @property
    def failures(self) -> int:
        """Number of runs whose rollout failed."""
        return int(np.isinf(self.values).any(axis=(1, 2)).sum())

    def _rms(self, axis: int | tuple[int, int]) -> np.ndarray:
        predicted = self.values[:, 1:]  # the first sample is the initial state
        known = ~np.isnan(predicted)
        count = known.sum(axis=axis)
        squares = np.where(known, predicted, 0.0) ** 2
        return np.where(count > 0, np.sqrt(squares.sum(axis=axis) / np.maximum(count, 1)), np.nan)

    def __str__(self) -> str:
        names = self.names or [f"coordinate {i}" for i in range(self.values.shape[2])]
        parts = [f"{name} {value:.3g}" for name, value in zip(names, self.rms, strict=True)]
        failed = f", {self.failures} failed" if self.failures else ""
        return f"root mean square errors of {len(self.values)} rollouts{failed}: {', '.join(parts)}"


def errors(
    model: Callable[[Array, Array], Array], trajectories: Trajectories, *, periodic: Sequence[int | str] = ()
) -> RolloutErrors:
    """Prediction errors of a model on recorded motion: one rollout from the first sample of each run.

    Runs may have different lengths and times. A gap ends a run, so no rollout crosses a gap. If the model has a
    `ControlForce`, the recorded controls are used.

    **Arguments:**

    - `model`: any rollout model, `model(ts, y0)` of shape `(time, 2 dof)`.
    - `trajectories`: held-out motion (test set).
    - `periodic`: indices or names of angles in radians, whose errors are wrapped to less than a turn.

    **Raises:** `ValueError` for an unknown coordinate. `TimeOrderError` if the times are too large for the precision of
    the states.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> states = np.array([[0.0, 0.0], [-6.0, -12.0]])  # a stone that falls by 6 m in a second
    >>> motion = nl.Trajectories(np.array([0.0, 1.0]), states, names=["height"])
    >>> model = nl.systems.ConstantForce(load=(-10.0,))  # falls by 5 m
    >>> print(nl.analysis.errors(model, motion))
    root mean square errors of 1 rollouts: height 1
    ```
    """
    angles = [trajectories.index(coordinate) for coordinate in periodic]
    runs = trajectories.split_at_gaps()
    dtype = jax.dtypes.canonicalize_dtype(runs.ys.dtype)
    check_resolution(runs.ts, runs.mask, dtype)
    us = None if runs.controls is None or not takes_control(model) else jnp.asarray(runs.controls, dtype)
    args = jax.tree.map(lambda array: jnp.asarray(array, dtype), runs.parameters)
    # Times continue in the padding of short runs, so all runs have rollouts of equal length; the padding is masked.
    predicted = np.asarray(_rollouts(model, jnp.asarray(runs.ts, dtype), jnp.asarray(runs.ys[:, 0], dtype), us, args))
    with np.errstate(invalid="ignore"):
        values = (predicted - runs.ys)[..., : runs.dof].astype(np.float64)
        values[..., angles] = (values[..., angles] + np.pi) % (2 * np.pi) - np.pi
    values = np.where(np.isfinite(values), values, np.inf)
    values[~runs.mask] = np.nan
    return RolloutErrors(times=np.asarray(runs.ts - runs.ts[:, :1], np.float64), values=values, names=runs.names)


@eqx.filter_jit
def _rollouts(model: Any, ts: Array, y0s: Array, us: Array | None, args: dict[str, Array] | None) -> Array:
    def rollout(t: Array, y0: Array, u: Array | None, args: dict[str, Array] | None) -> Array:
        of_run = with_args(model, args)
        return (of_run if u is None else with_control(of_run, t, u))(t, y0)

    return jax.vmap(rollout)(ts, y0s, us, args)
