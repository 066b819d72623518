"""Swing-up by energy shaping, and the switch to a regulator."""

from collections.abc import Callable
from dataclasses import KW_ONLY
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, ArrayLike, PRNGKeyArray

from .._checks import check_instance, is_concrete, one_or_each, positive_integer
from .._types import Scalar, State
from ..mechanics import energy, mass_matrix
from .arguments import as_state, check_limits
from .controller import AbstractController, ControlLimits, either, state_error
from .driven import Driven, driven
from .errors import ControlError
from .regulator import LinearQuadraticRegulator

FIRST_ERRORS = (1e-3, 1.0)
"""Smallest and largest error at which an attraction level is sought first, over the error with ten times the V of an
accepted error in the costliest direction. If all of these levels decrease or none does, the next three decades follow.
"""
MAX_SEARCHES = 5
"""Number of times that three decades of errors are searched."""
BISECTIONS = 20
"""Number of bisections between the last level that decreases and the first that does not."""


def _target(y: ArrayLike) -> State:
    return as_state("target", y)


class EnergyShaping(AbstractController):
    r"""Swing-up by energy shaping: the motor moves so that the learned energy of the passive links reaches a target.

    For a machine with one motor, at the coordinate $z = q_m$, such as a cart-pole, a pendubot or a rotary pendulum.
    With $\tilde E$ the energy with the motor at rest, less that of the target, and $v_p$ the velocities of the other
    coordinates, the motor gets the acceleration

    $$\ddot z = k_E\, \tilde E\, M_{mp} v_p - k_p (z - \bar z) - k_d \dot z,$$

    by partial feedback linearisation: the model's acceleration $a_0 + N u$ is solved for $u$. On a cart-pole without
    friction and with $k_p = k_d = 0$ this gives $\dot{\tilde E} = -k_E \tilde E\, (M_{mp} v_p)^2$. (Spong 1996;
    Chung and Hauser 1995.)

    **Arguments:**

    - `model`: a model with a Lagrangian and one `ControlForce` with one control.
    - `target`: the state to reach, shape `(2 dof,)`, an equilibrium such as upright.
    - `motor`: index of the coordinate with the motor.
    - `energy_gain`: $k_E$. `stiffness`: $k_p$ per s^2. `damping`: $k_d$ per s.
    - `extra_energy`: added to the energy of the target in joules, against friction.

    **Raises:** `ValueError` for a motor that does not exist, and for other shapes. When it is called, `ControlError` if
    the model has more than one control.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> cart = nl.systems.CartPole()
    >>> model = nl.NeuralLagrangian.from_lagrangian(cart.lagrangian, force=nl.mechanics.ControlForce([[1.0], [0.0]]))
    >>> swing = nl.control.EnergyShaping(model, jnp.array([0.0, jnp.pi, 0.0, 0.0]), 0, 3.0, 4.0, 3.0)
    >>> float(swing(0.0, jnp.array([0.0, 0.0, 0.0, 2.0]))[0]) < 0  # the pole swings to the right: pull to the left
    True
    ```
    """

    model: Any
    target: State = eqx.field(converter=_target)
    motor: int = eqx.field(static=True)
    energy_gain: ArrayLike
    stiffness: ArrayLike
    damping: ArrayLike
    _: KW_ONLY
    extra_energy: ArrayLike = 0.0

    def __check_init__(self):
        dof = len(self.target) // 2
        if type(self.motor) is not int or self.motor not in range(dof):
            raise ValueError(f"`motor` is {self.motor!r}; expected an index from 0 to {dof - 1}")
        for name in ("energy_gain", "stiffness", "damping", "extra_energy"):
            one_or_each(name, getattr(self, name), (), self.target.dtype)

    def __call__(self, t: ArrayLike, y: State) -> Array:
        system, t = driven(self.model, y), jnp.asarray(t, y.dtype)
        if system.controls != 1:
            raise ControlError(f"`model` has {system.controls} controls; expected one: energy shaping moves one motor")
        kE, kp, kd = (jnp.asarray(k, y.dtype) for k in (self.energy_gain, self.stiffness, self.damping))
        (q, v), m = jnp.split(y, 2), self.motor
        coupling = mass_matrix(system.lagrangian, t, q, v)[m] @ v.at[m].set(0)
        acceleration = kE * self.excess(t, y) * coupling - kp * (q[m] - self.target[m]) - kd * v[m]
        a0, N = system.affine_acceleration(t, y)
        return (acceleration - a0[m])[None] / N[m]

    def excess(self, t: ArrayLike, y: State) -> Scalar:
        r"""$\tilde E$ in joules at the time `t` and the state `y`, shape `(2 dof,)`; a scalar."""
        lagrangian = driven(self.model, y).lagrangian
        if self.target.shape != y.shape:
            raise ValueError(f"`target` has shape {self.target.shape}; expected {y.shape}, that of the state")
        q, v = jnp.split(y, 2)
        E = energy(lagrangian, t, q, v.at[self.motor].set(0))
        return E - energy(lagrangian, t, *jnp.split(self.target, 2)) - jnp.asarray(self.extra_energy, y.dtype)


class Catch(AbstractController):
    r"""A swing-up that a regulator takes over close to the target: where $(y - \bar y)^\top P (y - \bar y) <$ `level`.

    **Arguments:**

    - `swing`: callable `(t, y) -> u`, used elsewhere.
    - `regulator`: a `LinearQuadraticRegulator`.
    - `level`: the value of the regulator below which it takes over, such as `attraction_level(model, regulator)`.

    **Raises:** `ValueError` for another kind of regulator, and for a level that is negative or NaN. When it is called,
    `ValueError` if the controls of both have other shapes.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> pendulum, motor = nl.systems.Pendulum(gravity=10.0), nl.mechanics.ControlForce()
    >>> model = nl.NeuralLagrangian.from_lagrangian(pendulum.lagrangian, force=motor)
    >>> upright = jnp.array([jnp.pi, 0.0])
    >>> hold = nl.control.lqr(model, upright, state_cost=jnp.ones(2), control_cost=jnp.ones(1))
    >>> catch = nl.control.Catch(lambda t, y: jnp.ones(1), hold, 1.0)
    >>> catch(0.0, jnp.zeros(2)).tolist(), catch(0.0, upright).round(3).tolist()
    ([1.0], [0.0])
    ```
    """

    swing: Callable[..., Array]
    regulator: LinearQuadraticRegulator
    level: ArrayLike

    def __check_init__(self):
        check_instance("regulator", self.regulator, LinearQuadraticRegulator)
        level = one_or_each("level", self.level, (), self.regulator.y.dtype)
        if is_concrete(level) and not level >= 0:
            raise ValueError(f"`level` is {self.level}; expected a value of the regulator, not negative")

    def __call__(self, t: ArrayLike, y: State) -> Array:
        close = self.regulator.value(y) < jnp.asarray(self.level, y.dtype)
        return either(close, ("regulator", self.regulator(t, y)), ("swing", self.swing(t, y)))


def attraction_level(
    model: Any,
    regulator: LinearQuadraticRegulator,
    *,
    key: PRNGKeyArray,
    limits: ControlLimits | None = None,
    directions: int = 256,
    levels: int = 60,
) -> float:
    r"""The largest level of a regulator's cost-to-go below which it decreases in the nonlinear model, by sampling.

    Inside $V = (y - \bar y)^\top P (y - \bar y) <$ level, $\dot V < 0$ at all sampled states. The regulator then
    attracts them. It is an estimate from random directions, and not a proof. The acceleration of a learned model at
    $\bar y$ itself, which is close to zero, is left out.

    **Arguments:**

    - `model`: the model with one `ControlForce`. `regulator`: its `LinearQuadraticRegulator` in continuous time, or of
      a short sampling interval.
    - `key`: random key. `directions`, `levels`: number of directions from the target, and of levels for each.
    - `limits`: limits of the control. `None` means those of the regulator.

    **Returns:** the level, a float; zero if the smallest level fails.

    **Raises:** `ValueError` without directions, for fewer than two levels, and for another kind of regulator.

    **Example:**

    ```python
    >>> import jax, jax.numpy as jnp, neural_lagrangian as nl
    >>> pendulum, motor = nl.systems.Pendulum(gravity=10.0), nl.mechanics.ControlForce()
    >>> model = nl.NeuralLagrangian.from_lagrangian(pendulum.lagrangian, force=motor)
    >>> hold = nl.control.lqr(model, jnp.array([jnp.pi, 0.0]), state_cost=jnp.ones(2), control_cost=jnp.ones(1))
    >>> strong, weak = (nl.control.ControlLimits(-u, u) for u in (8.0, 2.0))
    >>> level = lambda limits: nl.control.attraction_level(model, hold, key=jax.random.key(0), limits=limits)
    >>> level(strong) > level(weak) > 0
    True
    ```
    """
    check_instance("regulator", regulator, LinearQuadraticRegulator)
    check_limits(limits)
    positive_integer("directions", directions)
    if positive_integer("levels", levels) < 2:
        raise ValueError(f"`levels` is {levels}; expected at least 2, the ends of the range that is searched")
    dtype = regulator.y.dtype
    system = driven(model, regulator.y)
    unit, largest = _on_the_surface(regulator, jax.random.normal(key, (directions, len(regulator.y)), dtype))

    def tried(radii):
        return np.asarray(_decreases(system, regulator, limits, unit, jnp.asarray(radii, dtype)))

    return _largest_decreasing(tried, largest * np.geomspace(*FIRST_ERRORS, levels)) ** 2


@eqx.filter_jit
def _decreases(
    system: Driven, regulator: LinearQuadraticRegulator, limits: ControlLimits | None, unit: Array, radii: Array
) -> Array:
    """Whether V decreases at all errors of each radius."""
    drift = system.rate(0.0, regulator.y, regulator.u)

    def rate(y: Array) -> Array:
        u = regulator(0.0, y)
        f = system.rate(0.0, y, u if limits is None else limits(u)) - drift
        return 2 * state_error(y, regulator.y, regulator.periodic) @ regulator.cost_to_go @ f

    return jax.lax.map(lambda r: jnp.all(jax.vmap(rate)(regulator.y[None] + r * unit) < 0), radii)


def _largest_decreasing(tried: Callable[[np.ndarray], np.ndarray], radii: np.ndarray) -> float:
    """The radius up to which V decreases, from all radii below it that are tried; zero if there is none."""
    good, bad = 0.0, np.inf
    for _ in range(MAX_SEARCHES):
        count = int(np.sum(np.cumprod(tried(radii))))
        good = float(radii[count - 1]) if count else good
        bad = float(radii[count]) if count < len(radii) else bad
        if good > 0 and np.isfinite(bad):
            break
        radii = radii * (radii[-1] / radii[0]) ** (1 if count else -1)
    for _ in range(BISECTIONS if good > 0 and np.isfinite(bad) else 0):
        middle = float(np.sqrt(good * bad))
        good, bad = (middle, bad) if tried(np.array([middle]))[0] else (good, middle)
    return good


def _on_the_surface(regulator: LinearQuadraticRegulator, draws: Array) -> tuple[Array, float]:
    """Random errors with $V = 1$, evenly in the metric of $V$, and the largest radius: that at which $V$ is ten times
    that of an accepted error in the costliest direction.
    """
    P, units = np.asarray(regulator.cost_to_go, np.float64), np.asarray(regulator.accepted_error, np.float64)
    scaled = P * np.outer(units, units)
    jitter = np.finfo(draws.dtype).eps * np.trace(scaled) * np.eye(len(P))
    factor = np.linalg.cholesky(scaled + jitter)
    sphere = np.asarray(draws / jnp.linalg.norm(draws, axis=1, keepdims=True), np.float64)
    errors = scipy.linalg.solve_triangular(factor.T, sphere.T, lower=False).T * units
    return jnp.asarray(errors, draws.dtype), float(np.sqrt(10 * np.linalg.eigvalsh(scaled).max()))
