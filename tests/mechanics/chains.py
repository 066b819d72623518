"""Chains of point masses on rods, in Cartesian coordinates with constraints and in angles."""

import equinox as eqx
import jax
import jax.numpy as jnp

from neural_lagrangian.mechanics import HolonomicConstraint
from neural_lagrangian.systems import NLinkPendulum

MASSES, LENGTHS = (1.0, 0.7, 1.3), (0.9, 1.2, 0.6)


class CartesianChain(eqx.Module):
    """The same chain as `NLinkPendulum(mass, length)`; coordinates x1, y1, x2, y2, ..., with y upwards."""

    mass: tuple[float, ...]

    def __call__(self, t, q, v):
        m = jnp.asarray(self.mass, q.dtype)
        return 0.5 * jnp.dot(m, jnp.sum(v.reshape(-1, 2) ** 2, axis=1)) - 9.81 * jnp.dot(m, q[1::2])


class Rods(eqx.Module):
    """Half the excess of each squared length, the first rod from the origin."""

    length: jax.Array

    def __call__(self, t, q):
        x = q.reshape(-1, 2)
        rods = x - jnp.concatenate([jnp.zeros_like(x[:1]), x[:-1]])
        return 0.5 * (jnp.sum(rods**2, axis=1) - self.length**2)


def chain(links, **rates):
    """Lagrangian, constraint, and the system in angles."""
    mass, length = MASSES[:links], LENGTHS[:links]
    constraint = HolonomicConstraint(Rods(jnp.asarray(length)), **rates)
    return CartesianChain(mass), constraint, NLinkPendulum(mass, length)


def bobs(angles):
    length = jnp.asarray(LENGTHS[: angles.shape[0]], angles.dtype)
    return jnp.cumsum(jnp.stack([length * jnp.sin(angles), -length * jnp.cos(angles)], axis=1), axis=0).reshape(-1)


def cartesian(y):
    """The state `[q, v]` in Cartesian coordinates of one in angles."""
    return jnp.concatenate(jax.jvp(bobs, *((part,) for part in jnp.split(y, 2))))
