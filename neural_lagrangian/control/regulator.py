"""The linear-quadratic regulator of a learned model."""

from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, ArrayLike, Complex, Float

from .._checks import is_concrete
from .._types import State
from .arguments import as_angles, as_control, as_state, check_limits, positive
from .controller import AbstractController, ControlLimits, state_error
from .driven import driven
from .errors import ControlError
from .linearization import Linearization, linearize
from .natural_units import NaturalUnits
from .stabilizability import check_stabilizable

MAX_LINEARIZATION_CHANGE = 0.1
"""Relative change of A from the given state to the one where the regulator settles; above, it is not an equilibrium."""

MIN_DECAY = 1e-6
"""Decay of the slowest mode of a stable closed loop, per sample or relative to the fastest mode."""


class LinearQuadraticRegulator(AbstractController):
    r"""State feedback $u = \bar u - K (y - \bar y)$, see `lqr`.

    - `y`, `u`: the state and control that it holds, shapes `(2 dof,)` and `(m,)`.
    - `gain`: $K$, shape `(m, 2 dof)`.
    - `cost_to_go`: $P$, shape `(2 dof, 2 dof)`; the cost from the state $y$ is $(y - \bar y)^\top P (y - \bar y)$.
    - `linearization`: the dynamics that it was computed for.
    - `accepted_error`: the error of each component of the state that costs one, shape `(2 dof,)`. For a component that
      costs nothing it follows from the others.
    - `limits`: the limits to which it clips, or `None`.
    - `periodic`: coordinates that are angles; their differences are taken in $[-\pi, \pi)$.
    """

    y: State
    u: Float[Array, " control"]
    gain: Float[Array, "control state"]
    cost_to_go: Float[Array, "state state"]
    linearization: Linearization
    accepted_error: State
    _: KW_ONLY
    limits: ControlLimits | None = None
    periodic: tuple[int, ...] = eqx.field(static=True, default=())

    @property
    def eigenvalues(self) -> Complex[np.ndarray, " state"]:
        """Eigenvalues of the closed loop $A - B K$, shape `(2 dof,)`, per second, or per sample in discrete time."""
        A, B, K = (np.asarray(x, np.float64) for x in (self.linearization.A, self.linearization.B, self.gain))
        return np.linalg.eigvals(A - B @ K).astype(complex)

    def value(self, y: State) -> Array:
        r"""$(y - \bar y)^\top P (y - \bar y)$ at the state `y`, shape `(2 dof,)`; a scalar."""
        error = state_error(y, self.y, self.periodic)
        return error @ self.cost_to_go @ error

    def __call__(self, t: ArrayLike, y: State) -> Array:
        u = self.u - self.gain @ state_error(y, self.y, self.periodic)
        return u if self.limits is None else self.limits(u)


def lqr(
    model: Any,
    y: ArrayLike,
    u: ArrayLike | None = None,
    *,
    state_cost: ArrayLike,
    control_cost: ArrayLike,
    dt: float | None = None,
    limits: ControlLimits | None = None,
    periodic: Sequence[int] = (),
) -> LinearQuadraticRegulator:
    r"""The linear-quadratic regulator (LQR): the linear feedback that holds a state at least cost.

    It minimises $\int \delta y^\top Q\, \delta y + \delta u^\top R\, \delta u\; dt$ for the linearised model, or the
    sum of the same over samples. The gain $K = R^{-1} B^\top P$ comes from the algebraic Riccati equation
    $A^\top P + P A - P B R^{-1} B^\top P + Q = 0$, solved by SciPy. Call it outside `jit`; the regulator can be
    compiled.

    **Arguments:**

    - `model`: a model with one `ControlForce`.
    - `y`: the state to hold, shape `(2 dof,)`. `u`: the control that holds it, shape `(m,)`. `None` means the control
      of least acceleration, measured by the `state_cost`: for example the torque that carries a load.
    - `state_cost`: $Q$, positive semidefinite, shape `(2 dof,)` (a diagonal) or `(2 dof, 2 dof)`. A good start is one
      over the square of the error that you accept (Bryson's rule).
    - `control_cost`: $R$, positive definite, shape `(m,)` or `(m, m)`.
    - `dt`: sampling interval of a digital controller, which holds its output, in seconds. `None` means continuous time.
    - `limits`: limits of the control. `u` must lie inside, and the regulator clips to them.
    - `periodic`: coordinates that are angles.

    **Returns:** a `LinearQuadraticRegulator`.

    **Raises:** `ControlError` if the model has no `ControlForce`; if a mode that grows cannot be influenced by the
    control (it names the mode); if `y` is no equilibrium of the model; or if `u` is outside the limits. `ValueError`
    for other shapes, and for costs that are not positive.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> pendulum, motor = nl.systems.Pendulum(gravity=10.0), nl.mechanics.ControlForce()
    >>> model = nl.NeuralLagrangian.from_lagrangian(pendulum.lagrangian, force=motor)
    >>> upright = jnp.array([jnp.pi, 0.0])
    >>> regulator = nl.control.lqr(model, upright, state_cost=jnp.array([1.0, 1.0]), control_cost=jnp.ones(1))
    >>> regulator.gain.round(2).tolist()
    [[20.05, 6.41]]
    ```
    """
    y = as_state("y", y)
    if not is_concrete(y):
        raise ValueError("`y` is traced; expected a call of `lqr` outside `jit`: compile the regulator instead")
    if np.any(np.asarray(y[len(y) // 2 :])):
        raise ControlError(f"`y` is {np.asarray(y)}, which is not an equilibrium: it moves; expected zero velocities")
    check_limits(limits)
    angles = as_angles(periodic, len(y) // 2)
    if dt is not None:
        positive("dt", dt, "a positive time in seconds, or None")
    system = driven(model, y)
    n, m = y.shape[0], system.controls
    Q, R = _cost("state_cost", state_cost, n, definite=False), _cost("control_cost", control_cost, m, definite=True)
    if u is None:
        free = linearize(model, y, jnp.zeros(m, y.dtype))
        u = _holding_control(free, NaturalUnits.of(np.asarray(free.B, np.float64), Q, R, None))
    u = as_control("u", u, m, y.dtype)
    _check_within(u, limits)
    linear = linearize(model, y, u)
    linear = linear if dt is None else linear.zero_order_hold(dt)
    A, B = np.asarray(linear.A, np.float64), np.asarray(linear.B, np.float64)
    units = NaturalUnits.of(B, Q, R, dt)
    scaled = units.scaled(A, B, Q, R)
    check_stabilizable(*(x / units.time for x in scaled[:2]), discrete=dt is not None)
    P, K = _riccati(*scaled, discrete=dt is not None)
    P = P * units.time / np.outer(units.state, units.state)
    K = K * (units.control[:, None] / units.state)
    _check_equilibrium(model, y, u, linear, K, units.state)
    gain, cost_to_go, accepted = (jnp.asarray(x, y.dtype) for x in (K, P, units.state))
    return LinearQuadraticRegulator(y, u, gain, cost_to_go, linear, accepted, limits=limits, periodic=angles)


def _riccati(
    A: np.ndarray, B: np.ndarray, Q: np.ndarray, R: np.ndarray, *, discrete: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The stabilising solution of the algebraic Riccati equation, and the gain."""
    message = (
        "the algebraic Riccati equation has no stabilising solution: a mode that does not decay costs nothing; "
        "expected a positive `state_cost` of every coordinate"
    )
    try:
        if discrete:
            P = scipy.linalg.solve_discrete_are(A, B, Q, R)
            K = np.linalg.solve(R + B.T @ P @ B, B.T @ P @ A)
        else:
            P = scipy.linalg.solve_continuous_are(A, B, Q, R)
            K = np.linalg.solve(R, B.T @ P)
    except np.linalg.LinAlgError as error:
        raise ControlError(message) from error
    poles = np.linalg.eigvals(A - B @ K)
    growth = np.abs(poles) - 1 if discrete else poles.real / np.abs(poles).max()
    if growth.max() > -MIN_DECAY:
        raise ControlError(message)
    return P, K


def _cost(name: str, value: ArrayLike, size: int, *, definite: bool) -> np.ndarray:
    """A cost matrix, from its diagonal or whole."""
    try:
        given = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:  # from NumPy, whose message does not name the argument
        raise ValueError(f"`{name}` cannot be read as an array of numbers: {value!r}") from error
    if given.shape not in ((size,), (size, size)):
        raise ValueError(f"`{name}` has shape {given.shape}; expected ({size},) or ({size}, {size})")
    matrix = np.diag(given) if given.ndim == 1 else given
    if not np.all(np.isfinite(matrix)) or not np.allclose(matrix, matrix.T):
        raise ValueError(f"`{name}` is {given}; expected a symmetric matrix of finite numbers")
    least = np.linalg.eigvalsh(matrix).min()
    if least <= 0 if definite else least < -1e-12 * np.abs(matrix).max():
        kind = "positive definite" if definite else "positive semidefinite"
        raise ValueError(f"`{name}` has the eigenvalue {least:.3g}; expected a {kind} matrix")
    return matrix


def _holding_control(linear: Linearization, units: NaturalUnits) -> Array:
    """The control of least acceleration, as a share of the accepted errors: a neural ODE has no other metric."""
    B, drift = (np.asarray(x, np.float64) for x in (linear.B, linear.drift))
    u = -np.linalg.lstsq(B * units.control / units.state[:, None], drift / units.state)[0] * units.control
    return jnp.asarray(u, linear.drift.dtype)


def _check_within(u: Array, limits: ControlLimits | None) -> None:
    if limits is None:
        return
    lower, upper = (np.asarray(x) for x in limits.bounds(u))
    if np.any(np.asarray(u) <= lower) or np.any(np.asarray(u) >= upper):
        raise ControlError(
            f"holding the state needs the control {np.asarray(u)}, and `limits` are {lower} to {upper}; expected wider "
            f"limits, or another state to hold"
        )


def _check_equilibrium(model: Any, y: State, u: Array, linear: Linearization, K: np.ndarray, units: np.ndarray) -> None:
    """Refuse a state if the regulator would settle so far from it that the linearisation no longer holds."""
    A, B, d = (np.asarray(x, np.float64) for x in (linear.A, linear.B, linear.drift))
    closed = A - B @ K if linear.dt is None else A - B @ K - np.eye(len(A))
    offset = -np.linalg.solve(closed, d)
    there = linearize(model, y + jnp.asarray(offset, y.dtype), u)
    there = np.asarray((there if linear.dt is None else there.zero_order_hold(linear.dt)).A, np.float64)
    ratio = units / units[:, None]
    change = np.linalg.norm((there - A) * ratio) / np.linalg.norm(A * ratio)
    if not change < MAX_LINEARIZATION_CHANGE:
        raise ControlError(
            f"`y` is {np.asarray(y)}, which is not an equilibrium of the model: with the control {np.asarray(u)} the "
            f"regulator would settle {np.array2string(offset, precision=3)} away, where the linearisation differs by "
            f"{change:.0%}; expected a state at rest that a control can hold"
        )
