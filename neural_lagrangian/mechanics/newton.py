r"""Roots of small systems to round-off, by simplified Newton iteration, with their implicit derivative.

$$z \leftarrow z - J(z_0)^{-1} F(z), \qquad \dot z = -J^{-1} \dot F \text{ at the root, with } z \text{ held.}$$
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from .._types import Flag
from .euler_lagrange import STAGE
from .pseudoinverse import any_in_batch

Vector = Float[Array, " m"]
Matrix = Float[Array, "m m"]

SLOW = 0.03
"""Beyond this ratio of one step to the last, the Jacobian is formed anew."""
STALLED = 0.1
"""Beyond this ratio, steps of a few roundings shrink no more."""
MOST_JACOBIANS = 12
MOST_STEPS = 8


class Inverse(eqx.Module):
    """The inverse of a Jacobian, from earlier, and whether there is one."""

    matrix: Matrix
    formed: Flag

    @classmethod
    def none(cls, size: int, dtype: Any) -> "Inverse":
        return cls(jnp.zeros((size, size), dtype), jnp.zeros((), bool))


def newton_root(
    residual: Callable[[Vector], Vector],
    jacobian: Callable[[Vector], Matrix],
    guess: Vector,
    inverse: Inverse | None = None,
) -> tuple[Vector, Inverse, Flag]:
    """The root of `residual` near `guess`, the inverse of the Jacobian that led there, and whether it was found.

    Steps are taken with one inverse of the Jacobian for as long as they shrink fast, and until what is left is below
    round-off of the root (Hairer, McLachlan and Razakarivony 2008, section 2). The derivative, of any order, is that
    of the implicit function in all that `residual` depends on, closed-over arrays included; the guess has none.

    **Arguments:**

    - `residual`: shape `(m,)` to `(m,)`. `jacobian`: its Jacobian, shape `(m,)` to `(m, m)`.
    - `guess`: where to begin, shape `(m,)`. Its size, with that of the root, is what round-off is measured by.
    - `inverse`: that of a Jacobian nearby, such as that of the last of a series of equations.
    """
    guess = jax.lax.stop_gradient(guess)
    inverse = Inverse.none(guess.shape[0], guess.dtype) if inverse is None else jax.lax.stop_gradient(inverse)
    F, J = (eqx.filter_closure_convert(fn, guess) for fn in (residual, jacobian))
    return _root(F, J, guess, inverse)


@eqx.filter_custom_jvp
def _root(
    F: Callable[..., Any], J: Callable[..., Any], guess: Vector, inverse: Inverse
) -> tuple[Vector, Inverse, Flag]:
    eps = float(jnp.finfo(guess.dtype).eps)
    infinite = jnp.full((), jnp.inf, guess.dtype)
    size_of_guess = jnp.max(jnp.abs(guess))

    def left(before, size):
        """What the steps that follow would add, as a geometric series."""
        return jnp.where(before == jnp.inf, size, size / before * size)

    def found(before, size, scale):
        stalled = (size > STALLED * before) & (size <= 64 * eps * scale)
        return (left(before, size) <= eps / 8 * scale) | stalled

    def steps_help(state):
        _, before, size, scale, inverse, count = state
        fast = (size <= SLOW * before) & (left(before, size) > eps / 8 * scale)
        return inverse.formed & ((count == 0) | (fast & (count < MOST_STEPS)))

    def step(state):
        z, _, size, _, inverse, count = state
        dz = -(inverse.matrix @ F(z))
        z = z + dz
        return z, size, jnp.max(jnp.abs(dz)), jnp.maximum(size_of_guess, jnp.max(jnp.abs(z))), inverse, count + 1

    def with_one_inverse(z, scale, inverse):
        z, before, size, scale, _, _ = jax.lax.while_loop(
            steps_help, step, (z, infinite, infinite, scale, inverse, jnp.zeros((), int))
        )
        return z, before, size, scale

    def go_on(state):
        z, before, size, scale, _, count = state
        return (count < MOST_JACOBIANS) & ~found(before, size, scale) & jnp.all(jnp.isfinite(z))

    def with_new_inverse(state):
        z, before, size, scale, inverse, count = state
        fails = ~found(before, size, scale)
        misled = fails & (count == 0) & ~(size <= before)  # by an inverse from elsewhere: start again
        z, scale = jnp.where(misled, guess, z), jnp.where(misled, size_of_guess, scale)
        # True, but not known to be: else a Jacobian that is a constant would be moved out, and formed every time.
        matrix = jax.lax.cond(
            any_in_batch(fails), lambda: jnp.where(fails, inverse_of(J(z)), inverse.matrix), lambda: inverse.matrix
        )
        inverse = Inverse(matrix, inverse.formed | fails)
        return *with_one_inverse(z, scale, inverse), inverse, count + 1

    z, before, size, scale = with_one_inverse(guess, size_of_guess, inverse)
    start = z, before, size, scale, inverse, jnp.zeros((), int)
    z, before, size, scale, inverse, _ = jax.lax.while_loop(go_on, with_new_inverse, start)
    return z, inverse, found(before, size, scale) & jnp.all(jnp.isfinite(z))


@_root.def_jvp
def _(primals, tangents) -> Any:
    F, J, guess, inverse = primals
    F_dot, *_ = tangents
    z, inverse, found = _root(F, J, guess, inverse)
    z, inverse = jax.tree.map(lambda x: checkpoint_name(x, STAGE), (z, inverse))
    matrix = checkpoint_name(inverse_of(J(z)), STAGE)
    _, residual_dot = eqx.filter_jvp(lambda F: F(z), (F,), (F_dot,))
    dz = jnp.zeros_like(z) if residual_dot is None else -(matrix @ residual_dot)
    return (z, inverse, found), (dz, jax.tree.map(lambda _: None, inverse), None)


def inverse_of(J: Matrix) -> Matrix:
    """$J^{-1}$, by cofactors up to m = 3: several times faster than LAPACK's calls on small matrices."""
    m = J.shape[0]
    if m == 1:
        return 1 / J
    if m == 2:
        return jnp.stack([jnp.stack([J[1, 1], -J[0, 1]]), jnp.stack([-J[1, 0], J[0, 0]])]) / (
            J[0, 0] * J[1, 1] - J[0, 1] * J[1, 0]
        )
    if m == 3:
        rows = J[0], J[1], J[2]
        cofactors = jnp.stack([jnp.cross(rows[i - 2], rows[i - 1]) for i in range(3)], axis=1)
        return cofactors / jnp.dot(rows[0], cofactors[:, 0])
    return jnp.linalg.inv(J)
