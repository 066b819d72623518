"""What a model of motion is: a vector field, and its rollouts."""

import abc
from typing import Any

import diffrax
import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, PyTree

from .._checks import floating, is_concrete
from .._types import State, Trajectory
from .integration import Integration
from .save_times import SaveTimes


class AbstractMotionModel(eqx.Module):
    """A model of motion: a vector field, and how it is integrated.

    `model(ts, y0)` is a rollout of one initial state; `jax.vmap(model, (None, 0))(ts, y0s)` one of many.
    """

    integration: eqx.AbstractVar[Integration]

    @abc.abstractmethod
    def vector_field(self, t: ArrayLike, y: Array, args: PyTree = None) -> State:
        r"""Right-hand side $\dot y = f(t, y)$ at the state $y = [q, v]$, shape `(2 dof,)`."""

    @abc.abstractmethod
    def solve(self, ts: ArrayLike, y0: ArrayLike, args: PyTree = None) -> diffrax.Solution:
        """The rollout as a `diffrax.Solution`: `.ys` as `model(ts, y0)`, `.result`, `.stats`.

        A failed solve says so in `.result` and leaves infinite rows; it never raises. Constant steps through a
        singularity can also give NaN with a successful result: check that `.ys` is finite.

        **Arguments:**

        - `ts`: strictly increasing (or decreasing) times, shape `(time,)`, in seconds; `ts[0]` is that of `y0`.
        - `y0`: initial state `[q, v]`, shape `(2 dof,)`.
        - `args`: passed on to the vector field; the models of this package take none.

        **Raises:** `ValueError` for wrong shapes, dtypes other than float32 and float64, `args` that nothing takes,
        and (outside `jit`) times out of order.
        """

    @abc.abstractmethod
    def __call__(self, ts: ArrayLike, y0: ArrayLike) -> Trajectory:
        """States at the times `ts` of the motion from `y0`, shape `(time, 2 dof)`; arguments as for `solve`."""


class AbstractRolloutModel(AbstractMotionModel):
    """A model of motion that integrates its own vector field: what is left to say is that field."""

    @abc.abstractmethod
    def term(self, y: State) -> diffrax.AbstractTerm:
        """The motion as a diffrax term on states like `y`, shape `(2 dof,)`, of which only shape and dtype matter."""

    def solve(self, ts: ArrayLike, y0: ArrayLike, args: PyTree = None) -> diffrax.Solution:
        clock, y0 = check_rollout_arguments(ts, y0)
        return self.integration.solve(self.term(y0), clock, y0, args)

    def __call__(self, ts: ArrayLike, y0: ArrayLike) -> Trajectory:
        clock, y0 = check_rollout_arguments(ts, y0)
        return self.integration.rollout(self.term(y0), clock, y0)


def check_state(y: Array, dof: int | None) -> None:
    """Raise `ValueError` if `y` is not a state of `dof` degrees of freedom, where that number is known."""
    if dof is not None and y.shape != (2 * dof,):
        raise ValueError(f"`y` has shape {y.shape}; expected ({2 * dof},), as [q, v]")


def check_rollout_arguments(ts: ArrayLike, y0: ArrayLike) -> tuple[SaveTimes, Array]:
    """The clock of `ts` and `y0`, of one precision, or a `ValueError`; the order of traced times cannot be checked."""
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
                f"ts[{wrong}] = {times[wrong]} (in {y0.dtype}, that of `y0`)"
            )
    return clock, y0


def without_integration(model: Any) -> Any:
    """What a model is, apart from how it is integrated: the same for every solver and controller."""
    if isinstance(model, AbstractMotionModel):
        return eqx.tree_at(lambda m: m.integration, model, None)
    return model


def with_integration(bare: Any, model: Any) -> Any:
    """What `without_integration` left, or a part of it, integrated as a model is."""
    if not isinstance(model, AbstractMotionModel):
        return bare
    nothing = jax.tree.map(lambda _: False, model)
    integration = eqx.tree_at(
        lambda m: m.integration, nothing, replace_fn=lambda part: jax.tree.map(lambda _: True, part)
    )
    return eqx.combine(bare, eqx.filter(model, integration))
