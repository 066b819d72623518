"""Integration of the equations of motion: the only file that calls `diffrax.diffeqsolve`."""

import contextlib
from collections.abc import Iterator
from typing import Any, TypeAlias

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from .._checks import check_instance, is_concrete, positive_integer
from ..mechanics import EulerLagrangeTerm
from .adaptive_steps import DEFAULT_TOLERANCE_FLOAT32, DEFAULT_TOLERANCE_FLOAT64, AdaptiveSteps
from .fixed_step import StepsPerSample, explicit_rollout
from .implicit_stages import with_attainable_tolerance
from .replay import replayed_rollout
from .runge_kutta import is_explicit_runge_kutta
from .save_times import SaveTimes, later
from .variational import AbstractVariationalSolver
from .variational_rollout import variational_rollout

Controller: TypeAlias = diffrax.AbstractStepSizeController | StepsPerSample


DEFAULT_MAX_STEPS = 2**14
"""Default maximum number of steps. The memory of a gradient grows with its square root: about 180 solver states."""

LANDING = 1e-3
"""Largest distance from the end of a constant step to a sample, in steps, for the step to end at the sample: sampling
times have rounding errors.
"""


class Integration(eqx.Module):
    """Options of the integration: solver, step sizes, adjoint method.

    **Arguments:**

    - `solver`: any diffrax solver for ordinary differential equations, or a variational solver. `None` means
      `diffrax.Tsit5()`.
    - `stepsize_controller`: a diffrax controller, `AdaptiveSteps` or `StepsPerSample`. `None` means adaptive steps with
      the default tolerance, 1e-6 in single and 1e-9 in double precision (`DEFAULT_TOLERANCE_FLOAT32` and
      `DEFAULT_TOLERANCE_FLOAT64`). For a solver without error estimate it means constant steps of `dt0`; a variational
      solver without `dt0` takes one step from each sample to the next.
    - `dt0`: first (or constant) step size, in units of time. `None`: adaptive steps start with the first sampling
      interval.
    - `adjoint`: a diffrax adjoint. `None`: rollouts of an explicit Runge-Kutta solver find their steps once and replay
      them on the way back. `StepsPerSample` with such a solver, or with a variational one, is a checkpointed scan; so
      are constant steps of an explicit solver that end at every sample, if the times are not traced. All else has
      `diffrax.RecursiveCheckpointAdjoint()`.
    - `max_steps`: maximum number of steps. A solve that needs more fails with `RESULTS.max_steps_reached`. Long or fast
      motion may need a larger number; `solve(...).stats["num_steps"]` counts the steps.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> steps = nl.integrators.Integration(nl.integrators.RK4(), dt0=0.1)
    >>> spring = nl.systems.HarmonicOscillator(stiffness=1.0, integration=steps)  # period 2 pi
    >>> round(float(spring(jnp.array([0.0, jnp.pi]), jnp.array([1.0, 0.0]))[-1, 0]), 3)  # after half a period
    -1.0
    ```
    """

    solver: diffrax.AbstractSolver
    stepsize_controller: Controller | None
    dt0: float | Array | None
    adjoint: diffrax.AbstractAdjoint | None
    max_steps: int = eqx.field(static=True)

    def __init__(
        self,
        solver: diffrax.AbstractSolver | None = None,
        *,
        stepsize_controller: Controller | None = None,
        dt0: float | Array | None = None,
        adjoint: diffrax.AbstractAdjoint | None = None,
        max_steps: int = DEFAULT_MAX_STEPS,
    ):
        solver = diffrax.Tsit5() if solver is None else solver
        check_instance("solver", solver, diffrax.AbstractSolver)
        check_instance("stepsize_controller", stepsize_controller, *Controller.__args__, optional=True)
        check_instance("adjoint", adjoint, diffrax.AbstractAdjoint, optional=True)
        if isinstance(stepsize_controller, diffrax.ConstantStepSize) and dt0 is None:
            raise ValueError("`dt0` is None; expected a step size, since `stepsize_controller` is ConstantStepSize")
        steps_known = isinstance(solver, diffrax.AbstractAdaptiveSolver | AbstractVariationalSolver)
        if stepsize_controller is None and dt0 is None and not steps_known:
            raise ValueError(
                f"`dt0` is None; expected a step size (or `stepsize_controller=StepsPerSample(k)`), since "
                f"{type(solver).__name__} has no error estimate for adaptive steps"
            )
        if isinstance(dt0, float | int) and not dt0 > 0:
            raise ValueError(f"`dt0` is {dt0}; expected a positive step size, also for decreasing times")
        positive_integer("max_steps", max_steps)
        self.solver = solver
        self.stepsize_controller = stepsize_controller
        self.dt0 = dt0
        self.adjoint = adjoint
        self.max_steps = max_steps

    def __repr__(self) -> str:
        optional = ("stepsize_controller", "dt0", "adjoint")
        shown = [repr(self.solver), *(f"{name}={x!r}" for name in optional if (x := getattr(self, name)) is not None)]
        return f"Integration({', '.join([*shown, f'max_steps={self.max_steps}'])})"

    @property
    def rule(self) -> str | None:
        """A variational solver and its step size as text. `None` for other solvers.

        A model trained with a variational integrator learns the shadow Lagrangian of this integrator and step size, so
        it is accurate only with the same integrator and step size.
        """
        if not isinstance(self.solver, AbstractVariationalSolver):
            return None
        controller = self.stepsize_controller
        if isinstance(controller, StepsPerSample):
            extra = f" and {controller.extra} more" if controller.extra else ""
            return f"{self.solver}, {controller.substeps} to a sample{extra}"
        if self.dt0 is not None:
            return f"{self.solver}, steps of {float(self.dt0):.6g}"
        return f"{self.solver}, " + ("1 to a sample" if controller is None else str(controller))

    def solve(
        self, term: diffrax.AbstractTerm, ts: SaveTimes | Array, y0: Array, args: PyTree = None
    ) -> diffrax.Solution:
        """Solve with `diffrax.diffeqsolve` and save at the times `ts`. Failures are in `.result`; none is raised."""
        clock = ts if isinstance(ts, SaveTimes) else SaveTimes.of(ts, y0.dtype)
        self._check_term(term)
        adjoint = diffrax.RecursiveCheckpointAdjoint() if self.adjoint is None else self.adjoint
        with _forward_mode_explained(self.adjoint):
            steps = self._steps(clock, y0.dtype, adjoint)
            solution = steps(later(term, clock.start), clock.elapsed, y0, diffrax.SaveAt(ts=clock.elapsed), args)
        whole = (clock.start, clock.ts[-1], clock.ts)
        return eqx.tree_at(lambda solution: (solution.t0, solution.t1, solution.ts), solution, whole)

    def rollout(self, term: diffrax.AbstractTerm, ts: SaveTimes | Array, y0: Array, args: PyTree = None) -> Array:
        """The states at the times `ts`. After a failure the remaining rows are infinite."""
        clock = ts if isinstance(ts, SaveTimes) else SaveTimes.of(ts, y0.dtype)
        controller = self._controller(y0.dtype)
        if self.adjoint is None:
            if isinstance(controller, diffrax.ConstantStepSize) and is_explicit_runge_kutta(self.solver):
                controller = self._landing(clock) or controller
            self._check_term(term)
            moved, ts = later(term, clock.start), clock.elapsed
            if isinstance(controller, StepsPerSample):
                if is_explicit_runge_kutta(self.solver):
                    return explicit_rollout(moved, self.solver, ts, y0, controller, args)
                if isinstance(self.solver, AbstractVariationalSolver) and isinstance(moved, EulerLagrangeTerm):
                    return variational_rollout(moved, self.solver, ts, y0, controller, args)
            elif is_explicit_runge_kutta(self.solver) and not _jumps(controller):
                steps = self._steps(clock, y0.dtype, diffrax.ForwardMode())
                return replayed_rollout(moved, self.solver, ts, y0, args, max_steps=self.max_steps, solve=steps)
        ys = self.solve(term, clock, y0, args).ys
        assert ys is not None
        return ys

    def beside_motion(self, internal: int, dtype: Any) -> "Integration":
        """The same integration for states $[q, v, z]$ with `internal` internal states z, in the precision `dtype`."""
        if internal == 0:
            return self

        def counted(node: Any) -> Any:
            return AdaptiveSteps(node.rtol, internal) if isinstance(node, AdaptiveSteps) else node

        controller = jax.tree.map(
            counted, self._controller(dtype), is_leaf=lambda node: isinstance(node, AdaptiveSteps)
        )
        return eqx.tree_at(lambda own: own.stepsize_controller, self, controller, is_leaf=lambda node: node is None)

    def _steps(self, clock: SaveTimes, dtype: Any, adjoint: diffrax.AbstractAdjoint) -> "_Steps":
        """How steps are chosen, in the time since the start of the motion."""
        controller, dt0, max_steps, ts = self._controller(dtype), self.dt0, self.max_steps, clock.elapsed
        if isinstance(controller, StepsPerSample):
            max_steps = controller.steps(ts.shape[0] - 1)
            controller, dt0 = diffrax.StepTo(controller.step_times(ts)), None
        elif isinstance(controller, diffrax.StepTo):
            controller, dt0 = diffrax.StepTo(controller.ts - clock.start), None
        elif isinstance(controller, diffrax.ClipStepSizeController):
            controller = eqx.tree_at(
                lambda c: [x for x in (c.step_ts, c.jump_ts) if x is not None],
                controller,
                replace_fn=lambda ts: ts - clock.start,
            )
        if dt0 is None and not isinstance(controller, diffrax.StepTo):
            dt0 = jax.lax.stop_gradient(ts[1])
        elif dt0 is not None:
            dt0 = jnp.asarray(dt0, ts.dtype) * jnp.sign(ts[-1])
        solver = with_attainable_tolerance(self.solver, controller, dtype)
        return _Steps(solver, controller, dt0, adjoint, max_steps)

    def _landing(self, clock: SaveTimes) -> StepsPerSample | None:
        """Constant steps as steps per sample, if it is known that they end at the samples."""
        if clock.intervals is None or self.dt0 is None or not is_concrete(self.dt0):
            return None
        exact = np.abs(clock.intervals) / float(self.dt0)
        substeps = max(1, round(exact[0]))
        lands = np.abs(exact - substeps).max() < LANDING and substeps * len(exact) <= self.max_steps
        return StepsPerSample(substeps) if lands else None

    def _controller(self, dtype: Any) -> Controller:
        if self.stepsize_controller is not None:
            return self.stepsize_controller
        if isinstance(self.solver, AbstractVariationalSolver) and self.dt0 is None:
            return StepsPerSample()
        if not isinstance(self.solver, diffrax.AbstractAdaptiveSolver):
            return diffrax.ConstantStepSize()
        return AdaptiveSteps(DEFAULT_TOLERANCE_FLOAT32 if dtype == jnp.float32 else DEFAULT_TOLERANCE_FLOAT64)

    def _check_term(self, term: diffrax.AbstractTerm) -> None:
        if not isinstance(self.solver, AbstractVariationalSolver):
            return
        if not isinstance(term, EulerLagrangeTerm):
            raise ValueError(
                f"`solver` is {self.solver}, which needs a Lagrangian; expected another solver for this model, such as "
                f"diffrax.Tsit5(), or a NeuralLagrangian"
            )
        if term.constraint is not None:
            raise ValueError(
                f"`solver` is {self.solver}, and variational solvers take no `constraint`; expected another solver, "
                f"such as diffrax.Tsit5(), or no constraint"
            )


class _Steps(eqx.Module):
    """A solver with its steps: `diffrax.diffeqsolve` with all but the problem given."""

    solver: diffrax.AbstractSolver
    controller: diffrax.AbstractStepSizeController
    dt0: Array | None
    adjoint: diffrax.AbstractAdjoint
    max_steps: int = eqx.field(static=True)

    def __call__(
        self,
        term: diffrax.AbstractTerm,
        ts: Array,
        y0: Array,
        saveat: diffrax.SaveAt,
        args: PyTree = None,
        *,
        solver: diffrax.AbstractSolver | None = None,
    ) -> diffrax.Solution:
        """The solution, by another `solver` where one is given."""
        return diffrax.diffeqsolve(
            term,
            self.solver if solver is None else solver,
            t0=ts[0],
            t1=ts[-1],
            dt0=self.dt0,
            y0=y0,
            args=args,
            saveat=saveat,
            stepsize_controller=self.controller,
            adjoint=self.adjoint,
            max_steps=self.max_steps,
            throw=False,
        )


def _jumps(controller: Controller) -> bool:
    """Whether steps begin a little after the one before them ended, where a vector field jumps."""
    return isinstance(controller, diffrax.ClipStepSizeController) and controller.jump_ts is not None


@contextlib.contextmanager
def _forward_mode_explained(adjoint: diffrax.AbstractAdjoint | None) -> Iterator[None]:
    """Replace JAX's error about forward-mode differentiation of a solve by one that names the argument `adjoint`."""
    try:
        yield
    except TypeError as error:
        if "custom_vjp" not in str(error):
            raise
        raise TypeError(  # the same type as JAX's error, since callers may catch it to fall back to reverse mode
            f"`adjoint` is {adjoint!r}, which has no forward-mode derivative (jax.jvp, jacfwd, hessian); "
            f"expected adjoint=diffrax.DirectAdjoint(), or reverse mode (jax.grad, jacrev)"
        ) from error
