"""Models of motion under forces with internal states."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PyTree

from .. import mechanics
from .._checks import check_instance, floating, same_precision
from .._types import Coordinates, Force, Lagrangian, MassMatrix, Scalar, State, Trajectory
from ..integrators import (
    AbstractMotionModel,
    AbstractRolloutModel,
    AbstractVariationalSolver,
    Integration,
    SaveTimes,
    check_rollout_arguments,
)
from ..mechanics import AbstractForceWithMemory, EulerLagrangeTerm
from ..networks import unfrozen, with_args

InternalStates = Float[Array, " internal"]


class WithMemory(AbstractMotionModel):
    r"""A model with forces that have internal states, such as LuGre friction or the lag of an actuator.

    $$\frac{d}{dt} \frac{\partial L}{\partial v} - \frac{\partial L}{\partial q}
      = Q(t, q, v) + \sum_k Q_k(t, q, v, z_k),
      \qquad \dot z_k = f_k(t, q, v, z_k).$$

    The motion $[q, v]$ and the internal states $z$ are integrated together, by any explicit or implicit solver. Calls
    take and return states $[q, v]$, so every loss of rollouts, `fit`, `polish`, `gauss_newton`, `save`, `with_control`
    and `Scaled` accept the model. `rollout` returns the internal states too.

    Every rollout starts with internal states `start`, also in the middle of a recording, where they are not known.
    `warmed_up` lets a loss find them from the samples before. Or train with one window from a start at rest.

    An acceleration depends on internal states, which are not observed. So losses of accelerations and torques, sensors
    of accelerations and variational solvers refuse the model.

    **Arguments:**

    - `model`: a `NeuralLagrangian` or a system of `systems`, with its solver, forces and constraint. Its arrays are
      trained. For scaled motion use `Scaled(WithMemory(model, ...), scaling)`.
    - `forces`: forces with memory, at least one: `LuGre`, `BoucWen`, `Maxwell`, `FirstOrderLag`, `SecondOrderLag`,
      `LearnedMemory`, `MemoryAtJoints`, or your own `AbstractForceWithMemory`. Their constants are trained.
    - `start`: initial internal states of all forces, shape `(internal,)`. They are trained; `networks.Frozen(start)` is
      not. `None` means those of the laws: zero for friction, the first command for actuators.

    **Raises:** `ValueError` for a model without Lagrangian or with a variational solver, for other forces, and for a
    `start` of another length.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> table = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v, dof=1)  # 1 kg
    >>> rubber = nl.mechanics.Maxwell([4.0], relaxation_time=[0.5])
    >>> model = nl.models.WithMemory(table, rubber)
    >>> ys, zs = model.rollout(jnp.linspace(0.0, 1.0, 11), jnp.array([0.0, 1.0]))
    >>> ys.shape, zs.shape
    ((11, 2), (11, 1))
    ```
    """

    model: Any
    forces: tuple[AbstractForceWithMemory, ...]
    start: Any

    def __init__(self, model: Any, *forces: Any, start: Any = None):
        inner = unfrozen(model)
        if not isinstance(inner, AbstractRolloutModel) or not callable(getattr(inner, "lagrangian", None)):
            raise ValueError(
                f"`model` is {model!r}; expected a model with a Lagrangian, such as a NeuralLagrangian. For scaled "
                f"motion use `Scaled(WithMemory(model, ...), scaling)`"
            )
        if isinstance(inner.integration.solver, AbstractVariationalSolver):
            raise ValueError(
                f"`model` has the variational solver {inner.integration.solver}, which integrates positions and "
                f"momenta, not internal states; expected another solver, such as diffrax.Tsit5() or diffrax.Kvaerno5()"
            )
        if not forces:
            raise ValueError("`forces` is empty; expected at least one force with memory, such as a LuGre")
        for force in forces:
            check_instance("forces", unfrozen(force), AbstractForceWithMemory)
        self.model = model
        self.forces = tuple(forces)
        self.start = None if start is None else _start(start)

    @property  # Equinox allows a property for an abstract variable
    def integration(self) -> Integration:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Solver and steps, those of the inner model."""
        return self.model.integration

    @property
    def lagrangian(self) -> Lagrangian:
        """The Lagrangian of the inner model, callable as `(t, q, v) -> scalar`."""
        return unfrozen(self.model).lagrangian

    @property
    def force(self) -> Force:
        """Not available: forces with memory are no function of `(t, q, v)`.

        **Raises:** `ValueError`, always. Use `total_force`.
        """
        raise ValueError(
            "`model` has forces with memory, which are no function of (t, q, v); expected a use that only needs "
            "rollouts, such as `trajectory_mse` or `trajectory_residual`. `total_force` takes internal states"
        )

    def mass_matrix(self, t: ArrayLike, q: Array, v: Array) -> MassMatrix:
        r"""$M = \partial^2 L / \partial v^2$, shape `(dof, dof)`."""
        return mechanics.mass_matrix(self.lagrangian, t, q, v)

    def momentum(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        r"""Conjugate momentum $p = \partial L / \partial v$, shape `(dof,)`."""
        return mechanics.momentum(self.lagrangian, t, q, v)

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        r"""Energy $p \cdot v - L$ of the Lagrangian, without the energy in the internal states (`stored_energy`)."""
        return mechanics.energy(self.lagrangian, t, q, v)

    def stored_energy(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Scalar:
        r"""Energy that the internal states store, $W = \sum_k W_k$, in joules; `z` has shape `(internal,)`.

        Without explicit time in $L$,
        $\frac{d}{dt} (E + W) = Q(t, q, v) \cdot v - D$, where $D$ is the `dissipation` and $Q$ the inner model's force.
        """
        parts = self._parts(z, q.shape[0])
        return sum((k.stored_energy(t, q, v, z_k) for k, z_k in parts), jnp.zeros((), q.dtype))

    def dissipation(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Scalar:
        r"""Power that the forces with memory turn into heat, $D = \sum_k D_k$, in watts. Actuators count negative."""
        parts = self._parts(z, q.shape[0])
        return sum((k.dissipation(t, q, v, z_k) for k, z_k in parts), jnp.zeros((), q.dtype))

    def total_force(self, t: ArrayLike, q: Array, v: Array, z: Array) -> Coordinates:
        """All generalised forces at the internal states `z`, shape `(internal,)`. The result has shape `(dof,)`."""
        own = self._motion(jnp.concatenate([q, v])).force
        return _TotalForce(own, tuple(self._parts(z, q.shape[0])))(t, q, v)

    def initial_states(self, t: ArrayLike, y0: Array) -> InternalStates:
        """Internal states of a rollout that starts at time `t` in the state `y0`, shape `(2 dof,)`."""
        q, v = jnp.split(y0, 2)
        forces, start = unfrozen((self.forces, self.start))
        size = self._size(q.shape[0])
        if start is not None and start.shape != (size,):
            raise ValueError(f"`start` has shape {start.shape}; expected ({size},), the internal states of all forces")
        z0 = jnp.concatenate([force.initial(t, q, v) for force in forces]) if start is None else start
        return same_precision(z0, y0)

    def vector_field(self, t: ArrayLike, y: Array, args: PyTree = None) -> State:
        r"""The rates $[v, a, \dot z]$ at the extended state $y = [q, v, z]$, shape `(2 dof + internal,)`.

        **Raises:** `ValueError` for a state $[q, v]$ without internal states.
        """
        if args is not None:
            return with_args(self, args).vector_field(t, y)
        dof = self._dof_of_extended(y)
        q, v, z = jnp.split(y, (dof, 2 * dof))
        own, parts = self._motion(y[: 2 * dof]), tuple(self._parts(z, dof))
        total = _TotalForce(own.force, parts)
        moved = EulerLagrangeTerm(own.lagrangian, total, constraint=own.constraint, mass_solve=own.mass_solve)
        rates = [force.rate(t, q, v, z_k) for force, z_k in parts]
        return jnp.concatenate([moved.vf(t, y[: 2 * dof], None), same_precision(jnp.concatenate(rates), y)])

    def rollout(
        self, ts: ArrayLike, y0: ArrayLike, args: PyTree = None
    ) -> tuple[Trajectory, Float[Array, "time internal"]]:
        """The states, shape `(time, 2 dof)`, and the internal states, shape `(time, internal)`, at the times `ts`.

        **Arguments:** as for `solve`.
        """
        model = with_args(self, args)
        clock, y0, x0, integration = model._started(ts, y0)
        xs = integration.rollout(model._term, clock, x0)
        return xs[:, : y0.shape[0]], xs[:, y0.shape[0] :]

    def follow(self, ts: ArrayLike, ys: ArrayLike, args: PyTree = None) -> Float[Array, "time internal"]:
        """The internal states along a recorded motion, shape `(time, internal)`, from those of a start of a rollout.

        A fading memory forgets its start, so the last internal states are then those of the recorded machine.

        **Arguments:**

        - `ts`: times in seconds, shape `(time,)`. `ys`: the recorded states, shape `(time, 2 dof)`, which are
          interpolated linearly. `args`: as for `solve`.
        """
        model, ys = with_args(self, args), floating("ys", ys, ("time", "2 dof"))
        clock, y0 = check_rollout_arguments(ts, ys[0])
        recorded = diffrax.LinearInterpolation(jnp.asarray(ts, y0.dtype), ys)

        def rates(t: Any, z: Any, args: Any) -> Array:
            q, v = jnp.split(recorded.evaluate(t), 2)
            each = [force.rate(t, q, v, z_k) for force, z_k in model._parts(z, q.shape[0])]
            return same_precision(jnp.concatenate(each), z)

        z0 = model.initial_states(clock.start, y0)
        integration = self.integration.beside_motion(z0.shape[0], y0.dtype)
        return integration.rollout(diffrax.ODETerm(rates), clock, z0)

    def solve(self, ts: ArrayLike, y0: ArrayLike, args: PyTree = None) -> diffrax.Solution:
        model = with_args(self, args)
        clock, y0, x0, integration = model._started(ts, y0)
        solution = integration.solve(model._term, clock, x0)
        return eqx.tree_at(lambda found: found.ys, solution, replace_fn=lambda xs: xs[:, : y0.shape[0]])

    def __call__(self, ts: ArrayLike, y0: ArrayLike, args: PyTree = None) -> Trajectory:
        return self.rollout(ts, y0, args)[0]

    @property
    def _term(self) -> diffrax.ODETerm:
        return diffrax.ODETerm(self.vector_field)

    def _started(self, ts: ArrayLike, y0: ArrayLike) -> tuple[SaveTimes, Array, Array, Integration]:
        """Save times, the initial state, the one with internal states, and the integration of both."""
        clock, y0 = check_rollout_arguments(ts, y0)
        z0 = self.initial_states(clock.start, y0)
        integration = self.integration.beside_motion(z0.shape[0], y0.dtype)
        return clock, y0, jnp.concatenate([y0, z0]), integration

    def _motion(self, y: State) -> EulerLagrangeTerm:
        term = unfrozen(self.model).term(y)
        check_instance("model.term(y)", term, EulerLagrangeTerm)
        return term

    def _parts(self, z: Array, dof: int) -> list[tuple[AbstractForceWithMemory, Array]]:
        forces = unfrozen(self.forces)
        if z.shape != (self._size(dof),):
            raise ValueError(f"`z` has shape {z.shape}; expected ({self._size(dof)},), the internal states")
        ends = np.cumsum([force.size(dof) for force in forces])
        return list(zip(forces, jnp.split(z, ends[:-1]), strict=True))

    def _size(self, dof: int) -> int:
        return sum(force.size(dof) for force in unfrozen(self.forces))

    def _dof_of_extended(self, x: Array) -> int:
        known = getattr(unfrozen(self.model), "dof", None)
        candidates = range(1, x.shape[0] // 2 + 1) if known is None else [known]
        for dof in candidates:
            if 2 * dof + self._size(dof) == x.shape[0]:
                return dof
        raise ValueError(
            f"`y` has shape {x.shape}; expected a state with internal states, [q, v, z], since the model has forces "
            f"with memory. Where only [q, v] is known, use rollouts: a loss such as `trajectory_mse`"
        )


def has_memory(model: Any) -> bool:
    """Whether any force of the model has memory."""
    return any(map(_is_with_memory, jax.tree.leaves(model, is_leaf=_is_with_memory)))


def _is_with_memory(node: Any) -> bool:
    return isinstance(node, WithMemory)


class _TotalForce(eqx.Module):
    """The force of the motion and those with memory, at given internal states."""

    own: Force | None
    parts: tuple[tuple[AbstractForceWithMemory, Array], ...]

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        total = sum((force.force(t, q, v, z) for force, z in self.parts), jnp.zeros_like(q))
        return total if self.own is None else total + self.own(t, q, v)


def _start(start: Any) -> Any:
    """The initial internal states as an array, `Frozen` ones still frozen."""
    floating("start", unfrozen(start), ("internal",))
    return start if unfrozen(start) is not start else floating("start", start, ("internal",))
