"""Models that compute in natural units and have arguments and results in physical units."""

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
    r"""A model of scaled motion, used in physical units: the inner model is scaled, arguments and results are not.

    The scaled variables are $\tilde q = (q - c) / s,\ \tilde t = t / \tau,\ \tilde v = v \tau / s$ (see `Scaling`).
    With $\tilde L, \tilde Q$ of the inner model,

    $$L(t, q, v) = \tilde L(\tilde t, \tilde q, \tilde v), \quad p_i = \tfrac{\tau}{s_i} \tilde p_i, \quad
      M_{ij} = \tfrac{\tau^2}{s_i s_j} \tilde M_{ij}, \quad E = \tilde E, \quad Q_i = \tilde Q_i / s_i, \quad
      a_i = \tfrac{s_i}{\tau^2} \tilde a_i.$$

    The Euler-Lagrange residual $\frac{d}{dt} \frac{\partial L}{\partial v_i} - \frac{\partial L}{\partial q_i} - Q_i$
    is $1 / s_i$ times the scaled one, so the equations hold in physical units if they hold in scaled units. The values
    of $L$, $E$ and the forces are in the units of the inner Lagrangian, whose scale is arbitrary.

    The inner model integrates in scaled units, so its tolerances are relative to the size of the motion, and its `dt0`
    is in units of $\tau$. `fit` trains the inner model and does not change the scaling; `save` and `load` keep it.
    Losses of a `Scaled` model weight the coordinates in the units of the data. For equal weights train the inner model:
    `Scaled(fit(inner, scaling.scale(data), key=key).model, scaling)`.

    **Arguments:**

    - `model`: any model of scaled motion, such as a `NeuralLagrangian` or a `NeuralODE`. If it has no Lagrangian, then
      `energy` and similar methods raise `AttributeError`.
    - `scaling`: the units of the inner model.

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
            raise ValueError(f"`scaling` is {scaling!r}; expected a Scaling, such as Scaling.of(trajectories)")
        self.model = model
        self.scaling = scaling

    @property  # Equinox allows a property for an abstract variable
    def integration(self) -> Integration:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The integration of the inner model, in scaled units."""
        return self.model.integration

    @property
    def force(self) -> Force | None:
        r"""The generalised force $Q$ of the inner model, `(t, q, v) -> (dof,)`, if it has one."""
        inner = unfrozen(self.model.force)
        return None if inner is None else _ScaledForce(inner, self.scaling)

    @property
    def lagrangian(self) -> AbstractLagrangian:
        r"""The Lagrangian $\tilde L(\tilde t, \tilde q, \tilde v)$ alone, callable as `(t, q, v) -> scalar`."""
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
        r"""Energy $p \cdot v - L$, equal to that of the inner model."""
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

    def __call__(self, ts: ArrayLike, y0: ArrayLike, args: PyTree = None) -> Trajectory:
        _, y0 = check_rollout_arguments(ts, y0)
        units = _Units(self.scaling, y0[: y0.shape[0] // 2])
        return units.outward(self.model(self._inner_times(ts, y0), units.inward_state(y0), args))

    def inner_motion(self, ts: ArrayLike, ys: Array) -> tuple[Array, Array]:
        """Times and states, shape `(time, 2 dof)`, in the units of the inner model."""
        units = _Units(self.scaling, ys[0, : ys.shape[1] // 2])
        return jnp.asarray(self._inner_times(ts, ys), ys.dtype), jax.vmap(units.inward_state)(ys)

    def _inner_times(self, ts: ArrayLike, y0: Array) -> Array | np.ndarray:
        """The times of the inner model. Known times stay in double precision until the start time is subtracted."""
        if is_concrete(ts, self.scaling.t_scale):
            return np.asarray(ts, np.float64) / np.asarray(self.scaling.t_scale, np.float64)
        return jnp.asarray(ts, y0.dtype) / jax.lax.stop_gradient(jnp.asarray(self.scaling.t_scale, y0.dtype))


class _Units(eqx.Module):
    """The constants of a scaling, in the precision of `q` and without gradient."""

    c: Array
    s: Array
    tau: Array

    def __init__(self, scaling: Scaling, q: Array):
        if q.shape != scaling.q_scale.shape:
            raise ValueError(
                f"`q` has shape {q.shape}; expected {scaling.q_scale.shape}, one entry for each coordinate of `scaling`"
            )
        constants = (scaling.centre, scaling.q_scale, scaling.t_scale)
        self.c, self.s, self.tau = (jax.lax.stop_gradient(jnp.asarray(x, q.dtype)) for x in constants)

    def inward(self, t: ArrayLike, q: Array, v: Array) -> tuple[Array, Array, Array]:
        return jnp.asarray(t, q.dtype) / self.tau, (q - self.c) / self.s, v * (self.tau / self.s)

    def inward_state(self, y0: Array) -> Array:
        _, q, v = self.inward(0.0, *jnp.split(y0, 2))
        return jnp.concatenate([q, v])

    def outward(self, ys: Array, *, centre: bool = True) -> Array:
        """Convert scaled states to physical ones, with any leading shape. `centre=False` is for differences."""
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
