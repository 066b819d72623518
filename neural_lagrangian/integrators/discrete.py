r"""Discrete mechanics: motion described by positions only (Marsden and West 2001, sections 1.3 to 1.5 and 3.2).

The discrete Lagrangian $L_d(q_0, q_1)$ is the action of one step of a variational integrator, stationary with respect
to the motion between the two positions. With the discrete forces $F_d^\pm$ (from the virtual work), the discrete
Legendre transforms are the momenta at both ends,

$$p_0 = - D_1 L_d(q_0, q_1) - F_d^-(q_0, q_1), \qquad p_1 = D_2 L_d(q_0, q_1) + F_d^+(q_0, q_1).$$

A sequence of positions is a motion if the momenta of neighbouring steps agree:
$p_1(q_{n-1}, q_n) = p_0(q_n, q_{n+1})$.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .._checks import floating
from .._types import Coordinates, Force, Lagrangian, Scalar
from ..mechanics import EulerLagrangeTerm, scalar_valued
from ..numerics import inverse_of, newton_root
from .galerkin import Covectors, Scheme, Step
from .variational import AbstractVariationalSolver, covectors_of

Positions = Float[Array, "time dof"]


def discrete_lagrangian(
    lagrangian: Lagrangian,
    solver: AbstractVariationalSolver,
    ts: ArrayLike,
    qs: ArrayLike,
    *,
    force: Force | None = None,
) -> Scalar:
    r"""Discrete Lagrangian $L_d(q_0, q_1)$: the action of the solver's step between two positions.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`.
    - `solver`: a variational solver, such as `GalerkinGaussLobatto(2)`.
    - `ts`: two times, shape `(2,)`, in seconds. `qs`: the positions at these times, shape `(2, dof)`.
    - `force`: optional callable `(t, q, v) -> (dof,)`. It changes the motion between the positions, but is not part of
      the action.

    **Returns:** a scalar, in units of action; NaN if no motion between the positions was found.

    **Raises:** `ValueError` for a solver that is not variational, or wrong shapes.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> free, solver = (lambda t, q, v: 0.5 * v @ v), nl.integrators.VariationalMidpoint()
    >>> ts, qs = jnp.array([0.0, 1.0]), jnp.array([[0.0], [2.0]])  # 1 kg at 2 m/s for 1 s
    >>> float(nl.integrators.discrete_lagrangian(free, solver, ts, qs))
    2.0
    ```
    """
    covectors, scheme, ts, qs = _checked(lagrangian, solver, ts, qs, force, 2)
    step, z = _motion(covectors, scheme, *ts, *qs)
    b = jnp.asarray(scheme.weights, z.dtype)
    return step.h * jnp.dot(b, step.at_nodes(z, scalar_valued(lagrangian)))


def discrete_momenta(
    lagrangian: Lagrangian,
    solver: AbstractVariationalSolver,
    ts: ArrayLike,
    qs: ArrayLike,
    *,
    force: Force | None = None,
) -> tuple[Positions, Positions]:
    r"""Discrete momenta (discrete Legendre transforms) at the start and at the end of each step.

    $$p^-_n = - D_1 L_d(q_n, q_{n+1}) - F_d^-(q_n, q_{n+1}), \qquad
      p^+_{n+1} = D_2 L_d(q_n, q_{n+1}) + F_d^+(q_n, q_{n+1})$$

    (Marsden and West 2001, eqs. 1.5.1 and 3.2.6.)

    **Arguments:** as for `discrete_lagrangian`, with `ts` of shape `(time,)` and `qs` of shape `(time, dof)`.

    **Returns:** $p^-$ and $p^+$, each of shape `(time - 1, dof)`; NaN if no motion between two positions was found.

    **Raises:** `ValueError` for a solver that is not variational, or wrong shapes.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> free, solver = (lambda t, q, v: 0.5 * v @ v), nl.integrators.VariationalMidpoint()
    >>> ts, qs = jnp.array([0.0, 1.0, 2.0]), jnp.array([[0.0], [2.0], [4.0]])  # 1 kg at 2 m/s
    >>> start, end = nl.integrators.discrete_momenta(free, solver, ts, qs)
    >>> start.tolist(), end.tolist()
    ([[2.0], [2.0]], [[2.0], [2.0]])
    ```
    """
    covectors, scheme, ts, qs = _checked(lagrangian, solver, ts, qs, force)

    def momenta(t0, t1, q0, q1):
        step, z = _motion(covectors, scheme, t0, t1, q0, q1)
        F, impulse = step.balance(z)
        return F[-1], F[-1] + impulse

    return jax.vmap(momenta)(ts[:-1], ts[1:], qs[:-1], qs[1:])


def discrete_euler_lagrange_residual(
    lagrangian: Lagrangian,
    solver: AbstractVariationalSolver,
    ts: ArrayLike,
    qs: ArrayLike,
    *,
    force: Force | None = None,
) -> Coordinates:
    r"""Residual of the forced discrete Euler-Lagrange equations at the middle one of three positions:

    $$r = D_2 L_d(q_0, q_1) + F_d^+(q_0, q_1) + D_1 L_d(q_1, q_2) + F_d^-(q_1, q_2).$$

    It is zero along every rollout of the solver (Marsden and West 2001, eq. 3.2.7).

    **Arguments:** as for `discrete_lagrangian`, with `ts` of shape `(3,)` and `qs` of shape `(3, dof)`. The two steps
    may have different lengths.

    **Returns:** shape `(dof,)`, in units of momentum; NaN if no motion between two positions was found.

    **Raises:** `ValueError` for a solver that is not variational, or wrong shapes.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> free, solver = (lambda t, q, v: 0.5 * v @ v), nl.integrators.VariationalMidpoint()
    >>> ts, qs = jnp.array([0.0, 1.0, 2.0]), jnp.array([[0.0], [2.0], [5.0]])  # 1 kg at 2 m/s, then at 3 m/s
    >>> nl.integrators.discrete_euler_lagrange_residual(free, solver, ts, qs).tolist()
    [-1.0]
    ```
    """
    start, end = discrete_momenta(
        lagrangian, solver, floating("ts", ts, (3,)), floating("qs", qs, (3, "dof")), force=force
    )
    return end[0] - start[1]


def discrete_position_errors(
    lagrangian: Lagrangian,
    solver: AbstractVariationalSolver,
    ts: ArrayLike,
    qs: ArrayLike,
    *,
    force: Force | None = None,
) -> Float[Array, "predicted dof"]:
    r"""Prediction errors of positions: the solver's prediction from two positions minus the third, to first order:

    $$e_{n+1} = - (D_1 D_2 L_d + D_2 F_d^-)^{-1} r_n.$$

    This is the first Newton step of the discrete Euler-Lagrange equations, starting at the observed position.

    **Arguments:** as for `discrete_momenta`, with at least three times.

    **Returns:** predicted minus observed positions, shape `(time - 2, dof)`, in the units of `qs`. They do not depend
    on the scale of the Lagrangian. Not finite if no motion between two positions was found.

    **Raises:** `ValueError` for a solver that is not variational, or wrong shapes.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> free, solver = (lambda t, q, v: 0.5 * v @ v), nl.integrators.VariationalMidpoint()
    >>> ts, qs = jnp.array([0.0, 1.0, 2.0]), jnp.array([[0.0], [2.0], [5.0]])  # free motion would reach 4
    >>> nl.integrators.discrete_position_errors(free, solver, ts, qs).tolist()
    [[-1.0]]
    ```
    """
    covectors, scheme, ts, qs = _checked(lagrangian, solver, ts, qs, force)
    if ts.shape[0] < 3:
        raise ValueError(
            f"`ts` has shape {ts.shape}; expected at least three times: a position is predicted from two before it"
        )

    def motion(t0, t1, q0, q1):
        step, z = _motion(covectors, scheme, t0, t1, q0, q1)
        F, impulse = step.balance(z)
        return z, F, F[-1] + impulse

    def error(t0, t1, q0, z, F, p):
        return _newton_step(Step(scheme, covectors, t0, t1 - t0, t1 - t0, q0), z, F, p)[-1]

    z, F, p = jax.vmap(motion)(ts[:-1], ts[1:], qs[:-1], qs[1:])
    return jax.vmap(error)(ts[1:-1], ts[2:], qs[1:-1], z[1:], F[1:], p[:-1])


def _newton_step(step: Step, z: Array, F: Array, p: Coordinates) -> Array:
    """One Newton step from z for the equations of a step with initial momentum p. F is their left side at z.

    The derivative differentiates the Jacobian only along the Newton step (one tangent), not column by column.
    """
    J_inverse = jax.lax.stop_gradient(inverse_of(step.jacobian(z).reshape(z.size, z.size)))

    def solve(_, G):
        return (J_inverse @ G.reshape(-1)).reshape(G.shape)

    def transpose_solve(_, G):
        return (G.reshape(-1) @ J_inverse).reshape(G.shape)

    def derivative(dz):
        return step.h * jax.jvp(lambda z: step.balance(z)[0], (z,), (dz,))[1]

    return jax.lax.custom_linear_solve(derivative, -step.h * F.at[-1].subtract(p), solve, transpose_solve)


def _motion(
    covectors: Covectors, scheme: Scheme, t0: Scalar, t1: Scalar, q0: Coordinates, q1: Coordinates
) -> tuple[Step, Float[Array, "inner dof"]]:
    """The step between two positions, and its displacements. The last displacement is `q1 - q0`."""
    h, last = t1 - t0, q1 - q0
    step = Step(scheme, covectors, t0, h, h, q0)
    inner = len(scheme.control) - 2
    if inner == 0:
        return step, last[None]

    def displacements(z: Array) -> Array:
        return jnp.concatenate([z.reshape(inner, -1), last[None]])

    def residual(z: Array) -> Array:
        F, _ = step.balance(displacements(z))
        return (h * F[:-1]).reshape(-1)

    def jacobian(z: Array) -> Array:
        return step.jacobian(displacements(z))[:-1, :, :-1].reshape(z.shape * 2)

    straight = jnp.asarray(scheme.control[1:-1, None], last.dtype) * last[None]
    z, _, found = newton_root(residual, jacobian, straight.reshape(-1), dof=last.shape[0])
    return step, displacements(jnp.where(found, z, jnp.nan))


def _checked(
    lagrangian: Lagrangian,
    solver: AbstractVariationalSolver,
    ts: ArrayLike,
    qs: ArrayLike,
    force: Force | None,
    times: int | str = "time",
) -> tuple[Covectors, Scheme, Array, Array]:
    if not isinstance(solver, AbstractVariationalSolver):
        raise ValueError(f"`solver` is {solver!r}; expected a variational solver, such as GalerkinGaussLobatto(2)")
    qs = floating("qs", qs, (times, "dof"))
    ts = floating("ts", ts, (qs.shape[0],)).astype(qs.dtype)
    if ts.shape[0] < 2:
        raise ValueError(f"`ts` has shape {ts.shape}; expected at least two times")
    return covectors_of(EulerLagrangeTerm(lagrangian, force), None), solver.scheme(), ts, qs
