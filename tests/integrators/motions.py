"""Motions that the laws of variational solvers are tried on, and their oracle."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp

import neural_lagrangian as nl

from ..helpers import DTYPE


def driven(t, q, v):
    """Two coordinates, a mass matrix that depends on both, a gyroscopic term, and explicit time."""
    mass = jnp.array([[1 + 0.3 * jnp.sin(q[0]) ** 2, 0.2 * jnp.cos(q[1])], [0.2 * jnp.cos(q[1]), 1 + 0.2 * q[0] ** 2]])
    potential = -4 * jnp.cos(q[0]) + (2 + 0.4 * jnp.sin(t)) * q[1] ** 2 + 0.5 * q[0] * q[1]
    return 0.5 * v @ mass @ v + 0.3 * q[0] * v[1] * jnp.cos(t) - potential


def drag(t, q, v):
    """Linear and cubic drag, stronger away from the origin, and a push."""
    return -(0.1 + 0.1 * q**2) * v - 0.1 * v**3 + 0.2 * jnp.cos(2 * t)


TERM = nl.EulerLagrangeTerm(driven, drag)
Y0 = jnp.asarray([1.1, -0.6, 0.4, 1.0], DTYPE)


@cache
def compiled_field():
    return jax.jit(partial(TERM.vf, args=None))


def exact(ts, y0):
    """Rows at `ts` of the motion of `TERM`, by SciPy's DOP853 on the accelerations."""
    field = compiled_field()

    def scipy_field(t, y):
        return np.asarray(field(jnp.asarray(t), jnp.asarray(y)))

    solution = solve_ivp(scipy_field, (ts[0], ts[-1]), np.asarray(y0), "DOP853", t_eval=ts, rtol=1e-13, atol=1e-13)
    return solution.y.T


def conservative(t, q, v):
    """As `driven`, at rest in time: not separable, not quadratic in the velocities."""
    return driven(0.0, q, v) + 0.05 * jnp.sum(v**4)
