r"""Derivatives at points where automatic differentiation meets 0/0, and mathematics does not.

The drag $-c |v| v$ has the derivative zero at rest, $\tfrac12 m |v|^2$ a mass matrix there, and a spring between two
particles a stiffness where they meet; the chain rule through $|v| = \sqrt{v \cdot v}$ gives NaN. All of them are
continuous, so they are taken at a point a rounding away. Where the derivatives nearby approach no limit, as those of
dry friction $v / |v|$ or of a charge do, the point stays as it is, and what is computed there is not finite.

A function without square roots, powers, logarithms and quotients of what varies, as networks are, costs nothing. Of
the others the operands are looked at; only where one is zero are derivatives nearby compared.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from .._types import Flag
from .batching import any_in_batch
from .program import program_of, singular_steps

AGREEMENT = 1e-3
"""Relative difference up to which derivatives at several points nearby count as equal."""
SHRINK = 2.0**-10
"""Ratio of the two distances at which derivatives are compared, where a coordinate is zero; 1 / 8 where it is not."""


def regular_point(fn: Callable[..., Array], order: int, *x: Array) -> tuple[Array, ...]:
    """`x`; or, where derivatives of `fn` are not finite and those nearby approach a limit, a point nearby.

    A number that is not zero moves by a few roundings, one that is zero by one whose cube is barely normal. As
    functions of `x` the results have the derivative one.

    **Arguments:**

    - `fn`: callable of several floating arrays, of rank at most 1, to a scalar or a vector.
    - `order`: up to which its derivatives are looked at, 1 or 2.
    - `x`: those arrays.
    """
    held = eqx.filter_closure_convert(fn, *x)
    if not singular_steps(program_of(held, *x)):
        return x
    return tuple(one + by for one, by in zip(x, _step(held, x, order=order), strict=True))


def has_derivatives(fn: Callable[..., Array], order: int, *x: Array) -> tuple[Flag, ...]:
    """For each of `x` whether the derivatives of `fn` by it are finite, there or, in the limit, nearby."""
    y, apart = ravel_pytree(regular_point(fn, order, *x))
    _, *slopes = _derivatives(lambda y: fn(*apart(y)), order, y)
    finite = apart(jnp.all(jnp.isfinite(jnp.stack(slopes)), axis=0).astype(y.dtype))
    return tuple(jnp.all(one == 1) for one in finite)


def at_regular_point(fn: Callable[..., Array], order: int, *x: Array) -> Array:
    """`fn` at `regular_point(fn, order, *x)`, as one operation: who looks for such points in a larger function need
    not look into it.
    """
    return _whole(eqx.filter_closure_convert(fn, *x), regular_point(fn, order, *x))


@eqx.filter_custom_jvp
def _whole(fn: Callable[..., Array], x: tuple[Array, ...]) -> Array:
    return fn(*x)


@_whole.def_jvp
def _(primals, tangents):
    return eqx.filter_jvp(lambda fn, x: fn(*x), primals, tangents)


@eqx.filter_custom_jvp
def _step(fn: Callable[..., Array], x: tuple[Array, ...], *, order: int) -> tuple[Array, ...]:
    y, apart = ravel_pytree(x)
    step = jax.lax.cond(
        any_in_batch(_meets_zero(fn, x)),
        lambda: _moved(lambda y: fn(*apart(y)), order, y),
        lambda: jnp.zeros_like(y),
    )
    return apart(step)


@_step.def_jvp
def _(primals, tangents, *, order):  # a constant, whatever it was chosen by
    step = _step(*primals, order=order)
    return step, jax.tree.map(lambda _: None, step)


def _meets_zero(fn: Callable[..., Array], x: tuple[Array, ...]) -> Flag:
    """Whether an operand is zero where a derivative might be 0/0."""
    program = program_of(fn, *x)
    values = dict(zip(program.inputs, x, strict=True)) | program.constants
    flag = jnp.zeros((), bool)
    for step, operands in singular_steps(program):
        for i in operands:
            flag |= jnp.any(values[i] == 0)
        values.update(zip(step.outputs, step.apply(*(values[i] for i in step.inputs)), strict=True))
    return flag


def _moved(fn: Callable[[Array], Array], order: int, y: Array) -> Array:
    """The step to a point with derivatives, zero where there is none or none is needed."""
    n, info = y.shape[0], jnp.finfo(y.dtype)
    weight = 0.6 + 0.4 * np.modf(np.arange(1, n + 2) * 0.618034)[0]  # no two alike
    signs = np.where(np.modf(np.arange(1, n + 1) * 0.41421356)[0] < 0.5, -1, 1)
    here = jnp.asarray(weight[:n], y.dtype)
    there = jnp.asarray(weight[1:] * signs, y.dtype)
    tiny = float(info.tiny) ** 0.3  # its cube is a normal number, so third derivatives are finite
    small = jnp.where(y == 0, tiny, float(info.eps) ** 0.75 * jnp.abs(y))
    large = jnp.where(y == 0, tiny / SHRINK, 8 * small)
    steps = jnp.stack([small * here, -small * there, large * here, -large * there, small * there, large * there])

    def derivatives(y: Array) -> list[Array]:
        return _derivatives(fn, order, y)

    # One after the other: memory for all at once would be set aside even where nothing is looked for.
    nearby = jax.lax.map(derivatives, y[None] + jnp.concatenate([jnp.zeros_like(steps[:1]), steps]))
    value, *slopes = nearby
    needed = ~jnp.all(jnp.stack([jnp.all(jnp.isfinite(slope[0])) for slope in slopes]))
    limit = jnp.all(jnp.stack([_approach_a_limit(slope[1:]) for slope in slopes]))
    return jnp.where(needed & limit & jnp.all(jnp.isfinite(value)), steps[0], 0)


def _derivatives(fn: Callable[[Array], Array], order: int, y: Array) -> list[Array]:
    """The value, the gradient of its sum with fixed weights and, to second order, that along a fixed direction."""

    def combined(y: Array) -> Array:
        value = fn(y)
        weights = 0.6 + 0.4 * np.modf(np.arange(1, value.size + 1) * 0.7548777)[0]
        return jnp.sum(value * jnp.asarray(weights, value.dtype).reshape(value.shape))

    gradient = jax.grad(combined)
    if order == 1:
        return [fn(y), gradient(y)]
    direction = jnp.asarray(0.6 + 0.4 * np.modf(np.arange(1, y.size + 1) * 0.5698403)[0], y.dtype)
    return [fn(y), *jax.jvp(gradient, (y,), (direction,))]


def _approach_a_limit(slopes: Float[Array, "six n"]) -> Flag:
    """Whether derivatives on several sides, near and nearer, agree, or vanish."""
    size = jnp.max(jnp.abs(slopes))
    spread = jnp.max(jnp.max(slopes, axis=0) - jnp.min(slopes, axis=0))
    near = jnp.max(jnp.abs(slopes[jnp.asarray([0, 1, 4])]))
    return jnp.all(jnp.isfinite(slopes)) & ((spread <= AGREEMENT * size) | (near <= size / 2))
