r"""The Euler-Lagrange equations of any Lagrangian, solved for the acceleration.

$$M a = b, \qquad M = \frac{\partial^2 L}{\partial v^2}, \qquad
  b = \frac{\partial L}{\partial q} - \frac{\partial^2 L}{\partial v\,\partial q} v
      - \frac{\partial^2 L}{\partial v\,\partial t} + Q.$$

*Forming it.* One forward sweep takes n + 1 directions, and one backward sweep differentiates $L$. Pairs of the n unit
velocities give $M$. Pairs of a unit velocity with $(\dot t, \dot q, \dot v) = (1, v, 0)$ give both cross terms. That is
n + 3 passes through the network, and the mixed block is never formed. If the mass solve knows the pattern of $M$, k
products of $M$ with seeds replace it: k + 1 tangents of one gradient, and nothing of size n x n.

*Differentiating it.* The residual $r(\theta, t, q, v, a) = 0$ defines $a$. Its tangent is one tangent of $r$ with $a$
held, followed by the mass solve: $\dot a = M^{-1} \dot r$. The cost does not grow with n. The rule consists of
differentiable terms, so it holds to any order. Constraints add $G^\top \lambda$ to $r$, with $\lambda$ held too, and
one row each to the solve.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from .._checks import floating, same_shape
from .._types import Coordinates, Force, Lagrangian, MassMatrix, Scalar
from ..numerics import Directions, gradient_and_curvature, keep, program_of
from .arguments import regular_coordinates, scalar_valued, vector_valued
from .constraints import HolonomicConstraint, Multipliers, SaddlePoint
from .mass_solves import AbstractMassSolve, Products, PseudoInverse


def acceleration(
    lagrangian: Lagrangian,
    t: ArrayLike,
    q: ArrayLike,
    v: ArrayLike,
    *,
    force: Force | None = None,
    constraint: HolonomicConstraint | None = None,
    mass_solve: AbstractMassSolve | None = None,
) -> Coordinates:
    r"""Acceleration $a = M^{-1} b$ of the Euler-Lagrange equations
    $\frac{d}{dt} \frac{\partial L}{\partial v} - \frac{\partial L}{\partial q} = Q + G^\top \lambda$.

    Differentiable to any order, in forward and reverse mode, with respect to all arrays that `lagrangian`, `force` and
    `constraint` depend on, also those that they close over. (Cranmer et al. 2020, eq. 6, with the time term, the force
    and the constraint.)

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`.
    - `t`: time, in seconds. `q`, `v`: coordinates and velocities, shape `(dof,)`.
    - `force`: optional callable `(t, q, v) -> (dof,)`, the generalised force $Q$.
    - `constraint`: optional `HolonomicConstraint`, kept by the force $G^\top \lambda$.
    - `mass_solve`: how $M a = b$ is solved; `PseudoInverse()` unless given.

    **Returns:** $a$, shape `(dof,)`.

    **Raises:** `ValueError` if `q` or `v` is not a floating vector, their shapes differ, or the Lagrangian is not
    a scalar.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> spring = lambda t, q, v: 0.5 * v @ v - 2.0 * q @ q  # 1 kg on a spring of 4 N/m
    >>> nl.acceleration(spring, 0.0, jnp.array([1.0]), jnp.array([0.0])).tolist()
    [-4.0]
    ```
    """
    return _solution(lagrangian, t, q, v, force, constraint, mass_solve)[0]


def multipliers(
    lagrangian: Lagrangian,
    t: ArrayLike,
    q: ArrayLike,
    v: ArrayLike,
    *,
    constraint: HolonomicConstraint,
    force: Force | None = None,
    mass_solve: AbstractMassSolve | None = None,
) -> Multipliers:
    r"""Lagrange multipliers $\lambda$ of the constraints, arguments as for `acceleration`.

    The constraint force is $G^\top \lambda$, `constraint.force(t, q, multipliers)`, shape `(dof,)`. If constraints are
    redundant, the multipliers are the solution of least norm, with each constraint in its natural unit. Their
    derivative is then not unique, but it gives the right force.

    **Returns:** $\lambda$, shape `(m,)`, in energy per unit of the constraint.

    **Raises:** `ValueError` as `acceleration`, and if there is no constraint.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> weight = lambda t, q, v: 0.5 * v @ v - 10.0 * q[1]  # 1 kg, weight 10 N
    >>> rod = nl.mechanics.HolonomicConstraint(lambda t, q: jnp.array([jnp.linalg.norm(q) - 1.0]))
    >>> nl.mechanics.multipliers(weight, 0.0, jnp.array([0.0, -1.0]), jnp.zeros(2), constraint=rod).tolist()
    [-10.0]
    ```
    """
    if constraint is None:
        raise ValueError("`constraint` is None; expected a HolonomicConstraint, for its multipliers")
    return _solution(lagrangian, t, q, v, force, constraint, mass_solve)[1]


def mass_matrix(lagrangian: Lagrangian, t: ArrayLike, q: ArrayLike, v: ArrayLike) -> MassMatrix:
    r"""Mass matrix $M = \partial^2 L / \partial v^2$ (the velocity Hessian), shape `(dof, dof)`.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`.
    - `t`: time, in seconds. `q`, `v`: coordinates and velocities, shape `(dof,)`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> arms = nl.systems.DoublePendulum()  # 1 kg and 1 m each
    >>> nl.mass_matrix(arms.lagrangian, 0.0, jnp.zeros(2), jnp.zeros(2)).tolist()
    [[2.0, 1.0], [1.0, 1.0]]
    ```
    """
    t, q, v = regular_coordinates(t, q, v, lagrangian)
    L = scalar_valued(lagrangian)
    return jax.jacfwd(lambda v: jax.grad(L, argnums=2)(t, q, v))(v)


def euler_lagrange_residual(
    lagrangian: Lagrangian,
    t: ArrayLike,
    q: ArrayLike,
    v: ArrayLike,
    a: ArrayLike,
    *,
    force: Force | None = None,
) -> Coordinates:
    r"""Residual $r = \frac{\partial L}{\partial q} - \frac{d}{dt}\frac{\partial L}{\partial v} + Q$, zero on a motion.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`.
    - `t`: time, in seconds. `q`, `v`, `a`: coordinates, velocities and accelerations, shape `(dof,)`.
    - `force`: optional callable `(t, q, v) -> (dof,)`, the generalised force $Q$.

    **Returns:** $r$, shape `(dof,)`, a generalised force.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> spring = lambda t, q, v: 0.5 * v @ v - 2.0 * q @ q  # 1 kg on a spring of 4 N/m
    >>> nl.mechanics.euler_lagrange_residual(spring, 0.0, jnp.array([1.0]), jnp.zeros(1), jnp.array([-4.0])).tolist()
    [0.0]
    ```
    """
    t, q, v = regular_coordinates(t, q, v, lagrangian, force)
    a = floating("a", a, ("dof",))
    same_shape("q", q, "a", a)
    return _residual(scalar_valued(lagrangian), None if force is None else vector_valued(force), None, t, q, v, a, None)


def _closure_converted(fn: Callable[..., Array], *args: Array) -> Callable[..., Array]:
    """`fn` as a pytree of what it closes over, its products in the order that a batch likes."""
    return eqx.filter_closure_convert(lambda *args: program_of(fn, *args)(*args), *args)


@eqx.filter_jit
def _equations(
    L: Lagrangian, Q: Force | None, t: Scalar, q: Array, v: Array, mass_solve: AbstractMassSolve
) -> tuple[Products, Coordinates]:
    """M, or its products with the seeds of the mass solve, and b of the Euler-Lagrange equations M a = b."""
    n = q.shape[0]
    seeds = mass_solve.seeds(n)
    if seeds is not None:
        M, dL_dq, drift = _products(L, jnp.asarray(seeds, q.dtype), t, q, v)
        return M, _add(dL_dq - drift, Q, t, q, v)
    units = Directions(0, jnp.eye(n, dtype=q.dtype))
    directions = (Directions(n, jnp.ones(1, q.dtype)), Directions(n, v[None]), units)  # in t, q, v
    (_, dL_dq, _), paired = gradient_and_curvature(program_of(L, t, q, v), (t, q, v), directions, n)
    M, drift = paired[:n], paired[n]
    return M, _add(dL_dq - drift, Q, t, q, v)


def _products(
    L: Lagrangian, seeds: Products, t: Scalar, q: Array, v: Array
) -> tuple[Products, Coordinates, Coordinates]:
    r"""$M s_i$, $\partial L / \partial q$ and $(\partial_t + v \cdot \partial_q)\, \partial L / \partial v$.

    The seeds vary v alone: what depends on q alone, such as a potential, sees no pass of theirs.
    """
    _, mass_product = jax.linearize(lambda v: jax.grad(L, argnums=2)(t, q, v), v)
    momentum = _momentum(L)
    _, drift, dL_dq = jax.jvp(lambda t, q: momentum(t, q, v), (t, q), (jnp.ones_like(t), v), has_aux=True)
    return jax.vmap(mass_product)(seeds), dL_dq, drift


def _residual(
    L: Lagrangian,
    Q: Force | None,
    C: HolonomicConstraint | None,
    t: Scalar,
    q: Array,
    v: Array,
    a: Array,
    lam: Multipliers | None,
) -> Coordinates:
    _, dp_dt, dL_dq = jax.jvp(_momentum(L), (t, q, v), (jnp.ones_like(t), v, a), has_aux=True)
    r = _add(dL_dq - dp_dt, Q, t, q, v)
    return r if C is None or lam is None else r + C.force(t, q, lam)


def _momentum(L: Lagrangian) -> Callable[..., tuple[Coordinates, Coordinates]]:
    """dL/dv as a function of (t, q, v), with dL/dq from the same sweep beside it."""

    def momentum(t, q, v):
        dL_dq, dL_dv = jax.grad(L, argnums=(1, 2))(t, q, v)
        return dL_dv, dL_dq

    return momentum


def _add(conservative: Array, Q: Force | None, t: Scalar, q: Array, v: Array) -> Coordinates:
    return conservative if Q is None else conservative + Q(t, q, v)


def _solution(
    lagrangian: Lagrangian,
    t: ArrayLike,
    q: ArrayLike,
    v: ArrayLike,
    force: Force | None,
    constraint: HolonomicConstraint | None,
    mass_solve: AbstractMassSolve | None,
) -> tuple[Coordinates, Any]:
    """The acceleration, and the multipliers where there is a constraint."""
    t, q, v = regular_coordinates(t, q, v, lagrangian, force)
    L = _closure_converted(scalar_valued(lagrangian), t, q, v)
    Q = None if force is None else _closure_converted(vector_valued(force), t, q, v)
    C = constraint
    if C is not None:
        if not isinstance(C, HolonomicConstraint):
            raise ValueError(f"`constraint` is {C!r}; expected a HolonomicConstraint(g)")
        C = HolonomicConstraint(_closure_converted(C, t, q), C.damping, C.stiffness)
    return _solve(L, Q, C, t, q, v, mass_solve=PseudoInverse() if mass_solve is None else mass_solve)


@eqx.filter_custom_jvp
def _solve(
    L: Lagrangian,
    Q: Force | None,
    C: HolonomicConstraint | None,
    t: Scalar,
    q: Array,
    v: Array,
    *,
    mass_solve: AbstractMassSolve,
) -> tuple[Coordinates, Multipliers | None]:
    M, b = _equations(L, Q, t, q, v, mass_solve)
    factor = mass_solve.factor(M)
    a = mass_solve.apply(factor, b)
    if C is None:
        return a, None
    return SaddlePoint.of(mass_solve, factor, C.jacobian(t, q)).constrain(a, C.residual(t, q, v, jnp.zeros_like(a)))


@_solve.def_jvp
def _(primals, tangents, *, mass_solve: AbstractMassSolve) -> tuple[Any, Any]:
    L, Q, C, t, q, v = primals
    M, b = _equations(L, Q, t, q, v, mass_solve)
    factor = keep(mass_solve.factor(M))
    a, lam, saddle = mass_solve.apply(factor, b), None, None
    if C is not None:
        saddle = keep(SaddlePoint.of(mass_solve, factor, C.jacobian(t, q)))
        a, lam = saddle.constrain(a, C.residual(t, q, v, jnp.zeros_like(a)))
    a, lam = keep((a, lam))
    r, dr = _with_tangent(lambda L, Q, C, t, q, v: _residual(L, Q, C, t, q, v, a, lam), primals, tangents)

    def products(W):  # M w and dM w
        def product(L, t, q, v, w):
            return jax.jvp(lambda v: jax.grad(L, argnums=2)(t, q, v), (v,), (w,))[1]

        varied = (L, t, q, v), (tangents[0], *tangents[3:])
        return jax.vmap(lambda w: _with_tangent(partial(product, w=w), *varied))(W)

    da, dlam = mass_solve.tangent(factor, a, r, dr, products), None
    if C is not None and saddle is not None:
        _, ds = _with_tangent(lambda C, t, q, v: C.residual(t, q, v, a), primals[2:], tangents[2:])
        da, dlam = saddle.constrain(da, ds)
    return (a, lam), (da, dlam)


def _with_tangent(fn: Callable[..., Array], primals: Any, tangents: Any) -> tuple[Array, Array]:
    """The value and the tangent of `fn`, which is zero where `fn` depends on nothing that varies."""
    out, out_dot = eqx.filter_jvp(fn, primals, tangents)
    return out, jnp.zeros_like(out) if out_dot is None else out_dot
