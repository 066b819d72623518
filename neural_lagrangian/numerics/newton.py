r"""Simplified Newton iteration for small systems, to round-off, with the derivative of the implicit function.

$$z \leftarrow z - J(z_0)^{-1} F(z), \qquad \dot z = -J^{-1} \dot F \text{ at the root, with } z \text{ held.}$$

Why not optimistix: a gradient through 1000 steps of `GalerkinGaussLobatto(2)` took 1.6 times as long with `Chord` and
2.5 times as long with `Newton`, both to 1e-10. They cannot start with the inverse Jacobian of the previous step, and
they do not stop at round-off in all units.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import Flag, MassMatrix, Scalar
from .batching import any_in_batch
from .checkpointing import keep
from .equilibration import power_of_two

Vector = Float[Array, " m"]
Matrix = Float[Array, "m m"]

MAX_STEP_RATIO = 0.03
"""Largest ratio of one Newton step to the previous one (no unit). If convergence is slower, J is computed again."""
STALLED_STEP_RATIO = 0.1
"""Step ratio (no unit) above which steps of round-off size count as stalled: the root is found."""
MAX_JACOBIANS = 12
"""Number of Jacobians after which the root counts as not found."""
MAX_STEPS_PER_JACOBIAN = 8
"""Number of Newton steps with one Jacobian."""


class Inverse(eqx.Module):
    """The inverse of a Jacobian, kept for the next equation.

    - `matrix`: $J^{-1}$, shape `(m, m)`. `formed`: whether it has been computed.
    - `coupling`: how strongly round-off of one coordinate affects another, shape `(dof, dof)`, ones on the diagonal.
    """

    matrix: Matrix
    coupling: MassMatrix
    formed: Flag

    @classmethod
    def none(cls, size: int, dof: int, dtype: Any) -> "Inverse":
        return cls(jnp.zeros((size, size), dtype), jnp.eye(dof, dtype=dtype), jnp.zeros((), bool))

    @classmethod
    def of(cls, J: Matrix, dof: int) -> "Inverse":
        matrix = inverse_of(J)
        spread = jnp.abs(matrix) @ jnp.abs(J)
        spread = jnp.max(spread.reshape(-1, dof, J.shape[0] // dof, dof), axis=(0, 2))
        return cls(matrix, spread / jnp.diagonal(spread)[:, None], jnp.ones((), bool))


def newton_root(
    residual: Callable[[Vector], Vector],
    jacobian: Callable[[Vector], Matrix],
    guess: Vector,
    inverse: Inverse | None = None,
    *,
    dof: int | None = None,
) -> tuple[Vector, Inverse, Flag]:
    """Find the root of `residual` near `guess`: returns the root, the inverse Jacobian, and whether it was found.

    One inverse Jacobian is used as long as the steps shrink fast. The iteration stops when the remaining error is below
    round-off of the root (Hairer, McLachlan and Razakarivony 2008, section 2). Round-off is measured separately for
    each coordinate and the coordinates coupled to it, so the result does not depend on units. The derivative (of any
    order) is that of the implicit function, with respect to all arrays in `residual`, closed-over ones included. The
    derivative with respect to `guess` is zero.

    **Arguments:**

    - `residual`: callable from shape `(m,)` to `(m,)`. `jacobian`: its Jacobian, from `(m,)` to `(m, m)`.
    - `guess`: initial guess, shape `(m,)`. Round-off is measured relative to the sizes of the guess and the root.
    - `inverse`: inverse Jacobian of a similar equation, such as that of the previous time step.
    - `dof`: unknowns i, i + dof, i + 2 dof, ... are values of one coordinate. `None`: each unknown is a coordinate.
    """
    dof = guess.shape[0] if dof is None else dof
    guess = jax.lax.stop_gradient(guess)
    inverse = Inverse.none(guess.shape[0], dof, guess.dtype) if inverse is None else jax.lax.stop_gradient(inverse)
    F, J = (eqx.filter_closure_convert(fn, guess) for fn in (residual, jacobian))
    return _root(F, J, guess, inverse)


@eqx.filter_custom_jvp
def _root(
    F: Callable[..., Any], J: Callable[..., Any], guess: Vector, inverse: Inverse
) -> tuple[Vector, Inverse, Flag]:
    eps = float(jnp.finfo(guess.dtype).eps)
    dof = inverse.coupling.shape[0]

    def by_coordinate(z):
        return jnp.max(jnp.abs(z.reshape(-1, dof)), axis=0)

    size_of_guess = by_coordinate(guess)

    def found(before, size):
        stalled = (size > STALLED_STEP_RATIO * before) & (size <= 64 * eps)
        return (_left(before, size) <= eps / 8) | stalled

    def steps_help(state):
        _, _, before, size, inverse, count = state
        fast = (size <= MAX_STEP_RATIO * before) & (_left(before, size) > eps / 8)
        return inverse.formed & ((count == 0) | (fast & (count < MAX_STEPS_PER_JACOBIAN)))

    def take_step(state):
        # `before` and `size`: the last step but one and the last step, relative to the scale of each coordinate
        # (maximum over the coordinates).
        z, last, _, _, inverse, count = state
        dz = -(inverse.matrix @ F(z))
        z, step = z + dz, by_coordinate(dz)
        scale = inverse.coupling @ jnp.maximum(size_of_guess, by_coordinate(z))
        scale = jnp.where((step == 0) & (scale == 0), 1, scale)
        return z, step, jnp.max(last / scale), jnp.max(step / scale), inverse, count + 1

    def with_one_inverse(z, inverse):
        infinite = jnp.full(dof, jnp.inf, z.dtype)
        start = z, infinite, infinite[0], infinite[0], inverse, jnp.zeros((), int)
        z, _, before, size, _, _ = jax.lax.while_loop(steps_help, take_step, start)
        return z, before, size

    def go_on(state):
        z, before, size, _, count = state
        return (count < MAX_JACOBIANS) & ~found(before, size) & jnp.all(jnp.isfinite(z))

    def with_new_inverse(state):
        z, before, size, inverse, count = state
        fails = ~found(before, size)
        misled = fails & (count == 0) & ~(size <= before)  # the given inverse does not suit: restart at the guess
        z = jnp.where(misled, guess, z)
        # `fails` is always true here, but the compiler must not know it: else it would move a constant Jacobian out of
        # the loop and compute it every time.
        inverse = jax.lax.cond(
            any_in_batch(fails),
            lambda: jax.tree.map(lambda new, old: jnp.where(fails, new, old), Inverse.of(J(z), dof), inverse),
            lambda: inverse,
        )
        return *with_one_inverse(z, inverse), inverse, count + 1

    start = *with_one_inverse(guess, inverse), inverse, jnp.zeros((), int)
    z, before, size, inverse, _ = jax.lax.while_loop(go_on, with_new_inverse, start)
    return z, inverse, found(before, size) & jnp.all(jnp.isfinite(z))


def _left(before: Scalar, size: Scalar) -> Scalar:
    """Estimate of the remaining error: the sum of all later steps, as a geometric series."""
    return jnp.where(before == jnp.inf, size, size / jnp.where(before == 0, 1, before) * size)


@_root.def_jvp
def _(primals, tangents) -> Any:
    F, J, guess, inverse = primals
    F_dot, *_ = tangents
    z, inverse, found = _root(F, J, guess, inverse)
    z, inverse = keep((z, inverse))
    matrix = keep(inverse_of(J(z)))
    _, residual_dot = eqx.filter_jvp(lambda F: F(z), (F,), (F_dot,))
    dz = jnp.zeros_like(z) if residual_dot is None else -(matrix @ residual_dot)
    return (z, inverse, found), (dz, jax.tree.map(lambda _: None, inverse), None)


def inverse_of(J: Matrix) -> Matrix:
    """$J^{-1}$, independent of the units of rows and columns.

    Up to m = 3 it uses cofactors, which are several times faster than LAPACK calls on small matrices.
    """
    rows = power_of_two(jnp.max(jnp.abs(J), axis=1))
    columns = power_of_two(jnp.max(jnp.abs(J) * rows[:, None], axis=0))
    return columns[:, None] * _inverse(J * rows[:, None] * columns[None]) * rows[None]


def _inverse(A: Matrix) -> Matrix:
    m = A.shape[0]
    if m == 1:
        return 1 / A
    if m == 2:
        return jnp.stack([jnp.stack([A[1, 1], -A[0, 1]]), jnp.stack([-A[1, 0], A[0, 0]])]) / (
            A[0, 0] * A[1, 1] - A[0, 1] * A[1, 0]
        )
    if m == 3:
        rows = A[0], A[1], A[2]
        cofactors = jnp.stack([jnp.cross(rows[i - 2], rows[i - 1]) for i in range(3)], axis=1)
        return cofactors / jnp.dot(rows[0], cofactors[:, 0])
    return _lapack_inverse(A)


@jax.custom_jvp
def _lapack_inverse(A: Matrix) -> Matrix:
    return jnp.linalg.inv(A)


@_lapack_inverse.defjvp
def _(primals, tangents) -> Any:
    (A,), (dA,) = primals, tangents
    inverse = _lapack_inverse(A)
    return inverse, -inverse @ dA @ inverse  # by products, which are cheaper than solves
