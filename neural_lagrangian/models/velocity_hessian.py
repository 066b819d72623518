"""Refuse, when a model is built, networks that cannot carry kinetic energy."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array


def check_velocity_hessian(network: Callable[..., Any], dof: int, *, potential_allowed: bool) -> None:
    r"""Raise `ValueError` if $\partial^2 L / \partial v^2$ vanishes whatever the weights are.

    Probed at random states with random weights, so that a network whose last layer starts at zero passes and a
    ReLU network does not. With `potential_allowed` (a kinetic prior supplies the mass) a network that ignores the
    velocities altogether passes too.
    """
    try:
        with jax.ensure_compile_time_eval():
            hessian, slope = _probe(_with_random_weights(network), dof)
            dependent, curved = bool(slope), bool(hessian)
    except jax.errors.ConcretizationTypeError:
        return  # closes over traced values: nothing can be looked at now
    if curved or (potential_allowed and not dependent):
        return
    raise ValueError(
        "`network` has no second derivative in the velocities, so the mass matrix is zero and nothing ever "
        "accelerates; expected a smooth activation such as jax.nn.softplus, jnp.tanh or jax.nn.gelu in place of "
        "piecewise linear ones (relu, leaky_relu, hard_tanh), or a network that depends on the velocities"
    )


@eqx.filter_jit
def _probe(network: Callable[..., Any], dof: int) -> tuple[Array, Array]:
    """Whether the velocity Hessian and the velocity gradient are anywhere different from zero."""
    dtypes = [leaf.dtype for leaf in jax.tree.leaves(network) if eqx.is_inexact_array(leaf)]
    dtype = jnp.result_type(*dtypes) if dtypes else jnp.result_type(float)
    states = jax.random.normal(jax.random.key(0), (8, 2 * dof), dtype)

    def L(v, q):
        return jnp.reshape(network(jnp.concatenate([q, v])), ())

    def one(y):
        q, v = jnp.split(y, 2)
        return jax.jacfwd(jax.grad(L))(v, q), jax.grad(L)(v, q)

    hessian, slope = jax.vmap(one)(states)
    return jnp.any(hessian != 0), jnp.any(slope != 0)


def _with_random_weights(network: Callable[..., Any]) -> Callable[..., Any]:
    rng = np.random.default_rng(1)  # on the host: drawing each leaf by JAX would compile once a shape

    def draw(leaf):
        fan_in = leaf.shape[-1] if leaf.ndim else 1
        return jnp.asarray(rng.normal(size=leaf.shape) / fan_in**0.5, leaf.dtype)

    dynamic, static = eqx.partition(network, eqx.is_inexact_array)
    return eqx.combine(jax.tree.map(draw, dynamic), static)
