"""Base classes of models of motion: vector field, rollouts, and checks of rollout arguments."""

import abc
from typing import Any

import diffrax
import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, PyTree

from .._checks import floating, is_concrete
from .._types import State, Trajectory
from ..networks import with_args
from .integration import Integration
from .save_times import SaveTimes


class AbstractMotionModel(eqx.Module):
    """Base class of models of motion: a vector field and its integration.

    `model(ts, y0)` is the rollout from one initial state; `jax.vmap(model, (None, 0))(ts, y0s)` from many.
    """

    integration: eqx.AbstractVar[Integration]
    """Solver and steps of rollouts."""

    @abc.abstractmethod
    def vector_field(self, t: ArrayLike, y: Array, args: PyTree = None) -> State:
        r"""The right-hand side $f(t, y)$ of $\dot y = f(t, y)$ at the state $y = [q, v]$, shape `(2 dof,)`."""

    @abc.abstractmethod
    def solve(self, ts: ArrayLike, y0: ArrayLike, args: PyTree = None) -> diffrax.Solution:
        """The rollout as a `diffrax.Solution`: `.ys` is `model(ts, y0)`; `.result` and `.stats` describe the solve.

        A failed solve raises no error: it is reported in `.result`, and the remaining rows are infinite. Constant steps
        through a singularity may give NaN with a successful result, so check that `.ys` is finite.

        **Arguments:**

        - `ts`: strictly increasing (or decreasing) times, shape `(time,)`, in seconds; `ts[0]` is the time of `y0`.
        - `y0`: initial state `[q, v]`, shape `(2 dof,)`.
        - `args`: parameters of the run by name, for a model with a `networks.Conditioned` part; otherwise `None`.

        **Raises:** `ValueError` for wrong shapes, dtypes other than float32 and float64, `args` that are not None, and
        (outside `jit`) times that are not strictly monotonic.
        """

    @abc.abstractmethod
    def __call__(self, ts: ArrayLike, y0: ArrayLike, args: PyTree = None) -> Trajectory:
        """The states at the times `ts`, starting from `y0`, shape `(time, 2 dof)`. Arguments as for `solve`."""


class AbstractRolloutModel(AbstractMotionModel):
    """Base class of models that integrate their own vector field. Subclasses define `term` and `vector_field`."""

    @abc.abstractmethod
    def term(self, y: State) -> diffrax.AbstractTerm:
        """The equations of motion as a diffrax term. Only the shape `(2 dof,)` and the dtype of `y` matter."""

    def solve(self, ts: ArrayLike, y0: ArrayLike, args: PyTree = None) -> diffrax.Solution:
        clock, y0 = check_rollout_arguments(ts, y0)
        return self.integration.solve(with_args(self, args).term(y0), clock, y0)

    def __call__(self, ts: ArrayLike, y0: ArrayLike, args: PyTree = None) -> Trajectory:
        clock, y0 = check_rollout_arguments(ts, y0)
        return self.integration.rollout(with_args(self, args).term(y0), clock, y0)


def check_state(y: Array, dof: int | None) -> None:
    """Raise `ValueError` if `y` is not a state of `dof` degrees of freedom. No check if `dof` is None."""
    if dof is not None and y.shape != (2 * dof,):
        raise ValueError(f"`y` has shape {y.shape}; expected ({2 * dof},), as [q, v]")


def check_rollout_arguments(ts: ArrayLike, y0: ArrayLike) -> tuple[SaveTimes, Array]:
    """Check the times and the initial state of a rollout, and convert them to one precision.

    The order of the times is checked only outside `jit`.
    """
    y0 = floating("y0", y0, ("2 dof",))
    if y0.shape[0] % 2:
        raise ValueError(f"`y0` has shape {y0.shape}; expected an even length, (2 dof,), as [q, v]")
    given = floating("ts", ts, ("time",))
    if given.shape[0] < 2:
        raise ValueError(f"`ts` has shape {given.shape}; expected at least two times")
    clock = SaveTimes.of(ts, y0.dtype)
    if is_concrete(clock.elapsed):
        times = np.asarray(ts)
        steps = np.diff(np.asarray(clock.elapsed))
        if not np.all(np.isfinite(times)) or not (np.all(steps > 0) or np.all(steps < 0)):
            sign = 1 if times[-1] >= times[0] else -1
            wrong = int(np.argmax(~(sign * steps > 0))) + 1
            raise ValueError(
                f"`ts` is not strictly monotonic and finite: ts[{wrong - 1}] = {times[wrong - 1]}, "
                f"ts[{wrong}] = {times[wrong]} (compared in {y0.dtype}, the dtype of `y0`); expected strictly "
                f"increasing or decreasing times"
            )
    return clock, y0


def without_integration(model: Any) -> Any:
    """The model with `integration` replaced by None, so that it does not depend on solver and step sizes."""
    if isinstance(model, AbstractMotionModel):
        return eqx.tree_at(lambda m: m.integration, model, None)
    return model


def with_integration(bare: Any, model: Any) -> Any:
    """Put the `integration` of `model` back into the result of `without_integration`, or a part of it."""
    if not isinstance(model, AbstractMotionModel):
        return bare
    nothing = jax.tree.map(lambda _: False, model)
    integration = eqx.tree_at(
        lambda m: m.integration, nothing, replace_fn=lambda part: jax.tree.map(lambda _: True, part)
    )
    return eqx.combine(bare, eqx.filter(model, integration))
