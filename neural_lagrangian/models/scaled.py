"""Models that work in natural units inside, and in physical units outside."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, PyTree

from .._checks import is_concrete
from .._types import Coordinates, Force, Lagrangian, MassMatrix, Scalar, State, Trajectory
from ..integrators import AbstractMotionModel, Integration, check_rollout_arguments
from ..lagrangians import AbstractLagrangian
from ..mechanics import AbstractMassSolve, PseudoInverse
from ..networks import unfrozen
from ..trajectories import Scaling


class Scaled(AbstractMotionModel):
    r"""A model of scaled motion as a model of the motion itself: it takes and gives physical units.

    With $\tilde q = (q - c) / s,\ \tilde t = t / \tau,\ \tilde v = v \tau / s$ (see `Scaling`) and the inner model's
    $\tilde L, \tilde Q$,

    $$L(t, q, v) = \tilde L(\tilde t, \tilde q, \tilde v), \quad p_i = \tfrac{\tau}{s_i} \tilde p_i, \quad
      M_{ij} = \tfrac{\tau^2}{s_i s_j} \tilde M_{ij}, \quad E = \tilde E, \quad Q_i = \tilde Q_i / s_i, \quad
      a_i = \tfrac{s_i}{\tau^2} \tilde a_i.$$

    So the Euler-Lagrange equations hold in physical units whenever they hold in scaled ones:
    $\frac{d}{dt} \frac{\partial L}{\partial v_i} - \frac{\partial L}{\partial q_i} - Q_i$ is $1 / s_i$ times the same
    inside. The values of $L$, $E$ and the forces are in the units of the inner Lagrangian, whose scale is free.

    The inner model integrates in its own units: its tolerances are relative to the size of the motion, and its `dt0`
    is in units of $\tau$. `fit` trains the inner model and leaves the scaling as it is; `save` and `load` carry it.
    Losses weigh coordinates in the units of the data: to weigh them alike, train inside,
    `Scaled(fit(inner, scaling.scale(data), key=key).model, scaling)`.

    **Arguments:**

    - `model`: any model of scaled motion, such as a `NeuralLagrangian` or a `NeuralODE`. Where it has no
      Lagrangian, its energy and the like raise `AttributeError` here too.
    - `scaling`: the units that it works in.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> spring = lambda t, q, v: 0.5 * v @ v - 0.5 * q @ q  # in units of 1 cm and 0.1 s
    >>> scaling = nl.trajectories.Scaling(centre=[0.0], q_scale=[0.01], t_scale=0.1)
    >>> model = nl.Scaled(nl.NeuralLagrangian.from_lagrangian(spring), scaling)
    >>> round(float(model.acceleration(0.0, jnp.array([0.01]), jnp.zeros(1))[0]), 3)  # 1 cm / (0.1 s)^2
    -1.0
    ```
    """

    model: Any
    scaling: Scaling

    def __init__(self, model: AbstractMotionModel, scaling: Scaling):
        if not isinstance(model, AbstractMotionModel):
            raise ValueError(f"`model` is {model!r}; expected a model of motion, such as a NeuralLagrangian")
        if not isinstance(scaling, Scaling):
            raise ValueError(f"`scaling` is {scaling!r}; expected a Scaling")
        self.model = model
        self.scaling = scaling

    @property  # of an abstract variable, as Equinox allows
    def integration(self) -> Integration:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the inner model, in scaled units."""
        return self.model.integration

    @property
    def force(self) -> Force | None:
        r"""The generalised force $Q$ of the inner model, `(t, q, v) -> (dof,)`, if it has one."""
        inner = unfrozen(self.model.force)
        return None if inner is None else _ScaledForce(inner, self.scaling)

    @property
    def lagrangian(self) -> AbstractLagrangian:
        r"""The Lagrangian $\tilde L(\tilde t, \tilde q, \tilde v)$, callable as `(t, q, v) -> scalar`, by itself."""
        return _ScaledLagrangian(self.model.lagrangian, self.scaling)

    def mass_matrix(self, t: ArrayLike, q: Array, v: Array) -> MassMatrix:
        r"""$M = \partial^2 L / \partial v^2$, shape `(dof, dof)`."""
        units = _Units(self.scaling, q)
        per_speed = units.tau / units.s
        return jnp.outer(per_speed, per_speed) * self.model.mass_matrix(*units.inward(t, q, v))

    def momentum(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        r"""Conjugate momentum $p = \partial L / \partial v$, shape `(dof,)`."""
        units = _Units(self.scaling, q)
        return units.tau / units.s * self.model.momentum(*units.inward(t, q, v))

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        r"""Energy $p \cdot v - L$, that of the inner model."""
        return self.model.energy(*_Units(self.scaling, q).inward(t, q, v))

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        r"""Acceleration, shape `(dof,)`."""
        units = _Units(self.scaling, q)
        return units.s / units.tau**2 * self.model.acceleration(*units.inward(t, q, v))

    def vector_field(self, t: ArrayLike, y: Array, args: PyTree = None) -> State:
        q, v = jnp.split(y, 2)
        units = _Units(self.scaling, q)
        t, q, v = units.inward(t, q, v)
        rate = units.outward(self.model.vector_field(t, jnp.concatenate([q, v]), args), centre=False)
        return rate / units.tau

    def solve(self, ts: ArrayLike, y0: ArrayLike, args: PyTree = None) -> diffrax.Solution:
        clock, y0 = check_rollout_arguments(ts, y0)
        units = _Units(self.scaling, y0[: y0.shape[0] // 2])
        solution = self.model.solve(self._inner_times(ts, y0), units.inward_state(y0), args)
        return eqx.tree_at(
            lambda solution: (solution.t0, solution.t1, solution.ts, solution.ys),
            solution,
            (clock.start, clock.ts[-1], clock.ts, units.outward(solution.ys)),
        )

    def __call__(self, ts: ArrayLike, y0: ArrayLike) -> Trajectory:
        _, y0 = check_rollout_arguments(ts, y0)
        units = _Units(self.scaling, y0[: y0.shape[0] // 2])
        return units.outward(self.model(self._inner_times(ts, y0), units.inward_state(y0)))

    def _inner_times(self, ts: ArrayLike, y0: Array) -> Array | np.ndarray:
        """The times of the inner model; known ones keep their digits until they are counted from the start."""
        if is_concrete(ts, self.scaling.t_scale):
            return np.asarray(ts, np.float64) / np.asarray(self.scaling.t_scale, np.float64)
        return jnp.asarray(ts, y0.dtype) / jax.lax.stop_gradient(jnp.asarray(self.scaling.t_scale, y0.dtype))


class _Units(eqx.Module):
    """The constants of a scaling as constants of a computation: in its precision, and never trained."""

    c: Array
    s: Array
    tau: Array

    def __init__(self, scaling: Scaling, q: Array):
        if q.shape != scaling.q_scale.shape:
            raise ValueError(f"`q` has shape {q.shape}; expected {scaling.q_scale.shape}, as the scaling")
        constants = (scaling.centre, scaling.q_scale, scaling.t_scale)
        self.c, self.s, self.tau = (jax.lax.stop_gradient(jnp.asarray(x, q.dtype)) for x in constants)

    def inward(self, t: ArrayLike, q: Array, v: Array) -> tuple[Array, Array, Array]:
        return jnp.asarray(t, q.dtype) / self.tau, (q - self.c) / self.s, v * (self.tau / self.s)

    def inward_state(self, y0: Array) -> Array:
        _, q, v = self.inward(0.0, *jnp.split(y0, 2))
        return jnp.concatenate([q, v])

    def outward(self, ys: Array, *, centre: bool = True) -> Array:
        """States, or with `centre=False` differences of states, of any leading shape."""
        q, v = jnp.split(ys, 2, axis=-1)
        shape = (1,) * (q.ndim - 1) + self.s.shape
        s = self.s.reshape(shape)
        c = self.c.reshape(shape) if centre else 0.0
        return jnp.concatenate([q * s + c, v * (s / self.tau)], axis=-1)


class _ScaledLagrangian(AbstractLagrangian):
    inner: Lagrangian
    scaling: Scaling

    @property
    def dof(self) -> int:
        return len(self.scaling.q_scale)

    @property
    def mass_solve(self) -> AbstractMassSolve:
        return self.inner.mass_solve if isinstance(self.inner, AbstractLagrangian) else PseudoInverse()

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        return self.inner(*_Units(self.scaling, q).inward(t, q, v))


class _ScaledForce(eqx.Module):
    force: Force
    scaling: Scaling

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        units = _Units(self.scaling, q)
        return self.force(*units.inward(t, q, v)) / units.s
