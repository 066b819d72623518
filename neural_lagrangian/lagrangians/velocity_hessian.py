"""Check, when a model is built, that a network can represent kinetic energy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._types import Lagrangian
from ..networks import network_dtype


def check_velocity_hessian(lagrangian: Lagrangian, dof: int, *, potential_allowed: bool) -> None:
    r"""Raise `ValueError` if $\partial^2 L / \partial v^2$ is zero for all weights.

    The test uses random states and random weights. So a network whose last layer starts at zero passes, and a ReLU
    network does not. With `potential_allowed` (a kinetic prior supplies the mass) two more kinds pass: a network that
    ignores the velocities (a potential), and one that is linear in them with varying coefficients (a vector potential).
    """
    try:
        with jax.ensure_compile_time_eval():
            curved, dependent, mixed = (bool(x) for x in _probe(*_drawn(lagrangian, dof)))
    except jax.errors.ConcretizationTypeError:
        return  # the network contains traced values, so its output is not known now
    if curved or (potential_allowed and (mixed or not dependent)):
        return
    raise ValueError(
        "`network` has no second derivative in the velocities, so the mass matrix is zero and there is no "
        "acceleration; expected a network that depends on the velocities, with a smooth activation such as "
        "jax.nn.softplus, jnp.tanh or jax.nn.gelu (not relu, leaky_relu or hard_tanh, which are piecewise linear)"
    )


@eqx.filter_jit
def _probe(lagrangian: Lagrangian, points: Float[Array, "point one_plus_3_dof"]) -> tuple[Array, Array, Array]:
    """Whether d2L/dv2, dL/dv and d2L/dv dq are nonzero at any of the points (t, q, v, direction)."""

    def derivatives(x):
        t, (q, v, w) = x[0], jnp.split(x[1:], 3)
        momentum = jax.grad(lagrangian, argnums=2)
        # A product with a random vector shows whether a matrix is zero, without computing the whole matrix.
        slope, along_v = jax.jvp(lambda v: momentum(t, q, v), (v,), (w,))
        _, along_q = jax.jvp(lambda q: momentum(t, q, v), (q,), (w,))
        return along_v, slope, along_q

    curved, slope, mixed = jax.vmap(derivatives)(points)
    return jnp.any(curved != 0), jnp.any(slope != 0), jnp.any(mixed != 0)


def _drawn(lagrangian: Lagrangian, dof: int) -> tuple[Lagrangian, Array]:
    """The Lagrangian with random weights, and random test points. NumPy is used: JAX would compile for each shape."""
    rng = np.random.default_rng(1)

    def draw(leaf):
        fan_in = leaf.shape[-1] if leaf.ndim else 1
        return jnp.asarray(rng.normal(size=leaf.shape) / fan_in**0.5, leaf.dtype)

    dynamic, static = eqx.partition(lagrangian, eqx.is_inexact_array)
    points = rng.normal(size=(8, 3 * dof + 1))
    return eqx.combine(jax.tree.map(draw, dynamic), static), jnp.asarray(points, network_dtype(lagrangian))
