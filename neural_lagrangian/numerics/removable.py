r"""Removable singularities: derivatives at points where automatic differentiation gives 0/0, but the limit exists.

Examples: the drag $-c |v| v$ has derivative zero at rest; $\tfrac12 m |v|^2$ has a mass matrix at rest; a spring
between two particles has a stiffness where they meet. The chain rule through $|v| = \sqrt{v \cdot v}$ gives NaN in all
three cases. These derivatives are continuous, so they are taken at a point that is a rounding error away. If the
derivatives nearby have no limit, as for dry friction $v / |v|$ or a point charge, the point is not moved, and the
result is not finite.

This costs nothing for functions without square roots, powers, logarithms and quotients of variables, such as networks.
For all others it checks whether a singular operand is zero, and compares derivatives nearby only in that case.
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
from .jaxpr import program_of, singular_steps

LIMIT_TOLERANCE = 1e-3
"""Relative difference up to which derivatives at nearby points count as equal, so that a limit exists."""
DISTANCE_RATIO = 2.0**-10
"""Ratio of the two distances at which derivatives are compared, for coordinates that are zero. For others it is 1/8."""


def regular_point(fn: Callable[..., Array], order: int, *x: Array) -> tuple[Array, ...]:
    """`x`, or a point nearby if the derivatives of `fn` at `x` are not finite but have a limit.

    A nonzero number moves by a few rounding errors. A zero moves by a tiny number whose cube is still a normal
    floating-point number. The derivative of the result with respect to `x` is one.

    **Arguments:**

    - `fn`: callable of several floating-point arrays, of rank at most 1, to a scalar or a vector.
    - `order`: the highest order of derivatives that must be finite, 1 or 2.
    - `x`: the arguments of `fn`.
    """
    held = eqx.filter_closure_convert(fn, *x)
    if not singular_steps(program_of(held, *x)):
        return x
    return tuple(one + by for one, by in zip(x, _step(held, x, order=order), strict=True))


def has_derivatives(fn: Callable[..., Array], order: int, *x: Array) -> tuple[Flag, ...]:
    """For each argument in `x`: whether the derivatives of `fn` with respect to it are finite, or have a limit."""
    y, apart = ravel_pytree(regular_point(fn, order, *x))
    _, *slopes = _derivatives(lambda y: fn(*apart(y)), order, y)
    finite = apart(jnp.all(jnp.isfinite(jnp.stack(slopes)), axis=0).astype(y.dtype))
    return tuple(jnp.all(one == 1) for one in finite)


def at_regular_point(fn: Callable[..., Array], order: int, *x: Array) -> Array:
    """`fn` at `regular_point(fn, order, *x)`, as one operation.

    A search for singular steps in a larger function does not look inside it.
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
def _(primals, tangents, *, order):  # the step has derivative zero
    step = _step(*primals, order=order)
    return step, jax.tree.map(lambda _: None, step)


def _meets_zero(fn: Callable[..., Array], x: tuple[Array, ...]) -> Flag:
    """Whether a singular operand is zero, so that a derivative may be 0/0."""
    program = program_of(fn, *x)
    values = dict(zip(program.inputs, x, strict=True)) | program.constants
    flag = jnp.zeros((), bool)
    for step, operands in singular_steps(program):
        for i in operands:
            flag |= jnp.any(values[i] == 0)
        values.update(zip(step.outputs, step.apply(*(values[i] for i in step.inputs)), strict=True))
    return flag


def _moved(fn: Callable[[Array], Array], order: int, y: Array) -> Array:
    """The step to a nearby point with finite derivatives. Zero if no step is needed or no such point exists."""
    n, info = y.shape[0], jnp.finfo(y.dtype)
    weight = 0.6 + 0.4 * np.modf(np.arange(1, n + 2) * 0.618034)[0]  # all different
    signs = np.where(np.modf(np.arange(1, n + 1) * 0.41421356)[0] < 0.5, -1, 1)
    here = jnp.asarray(weight[:n], y.dtype)
    there = jnp.asarray(weight[1:] * signs, y.dtype)
    tiny = float(info.tiny) ** 0.3  # its cube is a normal number, so third derivatives are finite
    small = jnp.where(y == 0, tiny, float(info.eps) ** 0.75 * jnp.abs(y))
    large = jnp.where(y == 0, tiny / DISTANCE_RATIO, 8 * small)
    steps = jnp.stack([small * here, -small * there, large * here, -large * there, small * there, large * there])

    def derivatives(y: Array) -> list[Array]:
        return _derivatives(fn, order, y)

    # One after the other: a batch would reserve memory even if the branch is not taken.
    nearby = jax.lax.map(derivatives, y[None] + jnp.concatenate([jnp.zeros_like(steps[:1]), steps]))
    value, *slopes = nearby
    needed = ~jnp.all(jnp.stack([jnp.all(jnp.isfinite(slope[0])) for slope in slopes]))
    limit = jnp.all(jnp.stack([_approach_a_limit(slope[1:]) for slope in slopes]))
    return jnp.where(needed & limit & jnp.all(jnp.isfinite(value)), steps[0], 0)


def _derivatives(fn: Callable[[Array], Array], order: int, y: Array) -> list[Array]:
    """The value of `fn`, the gradient of a fixed weighted sum of its outputs, and for order 2 that gradient's
    derivative along a fixed direction.
    """

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
    """Whether the derivatives at several nearby points agree, or go to zero."""
    size = jnp.max(jnp.abs(slopes))
    spread = jnp.max(jnp.max(slopes, axis=0) - jnp.min(slopes, axis=0))
    near = jnp.max(jnp.abs(slopes[jnp.asarray([0, 1, 4])]))
    return jnp.all(jnp.isfinite(slopes)) & ((spread <= LIMIT_TOLERANCE * size) | (near <= size / 2))
