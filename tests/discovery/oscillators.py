"""Damped oscillators $L = c_1 v^2 - c_2 q^2$, $Q = -c_3 v$, and their motions by the matrix exponential."""

import jax.numpy as jnp
import numpy as np
from scipy.linalg import expm

from neural_lagrangian.discovery import LagrangianFamily

from ..helpers import DTYPE

RANGES = {"c1": "positive", "c2": "non-negative", "c3": "non-negative"}
TS = jnp.asarray(0.1 * np.arange(41), DTYPE)


def lagrangian(t, q, v, *, c1, c2):
    return c1 * jnp.dot(v, v) - c2 * jnp.dot(q, q)


def friction(t, q, v, *, c3):
    return -c3 * v


FAMILY = LagrangianFamily(lagrangian, dof=1, force=friction, **RANGES)


def drawn(count, seed=0):
    """Independent coefficients, some of them zero, and the motions [q, p]."""
    rng = np.random.default_rng(seed)
    c = rng.uniform(0.5, 5.0, (count, 3))
    c[1::8, 1] = 0
    c[2::8, 2] = 0
    motions = []
    for c1, c2, c3 in c:
        step = expm(0.1 * np.array([[0, 1 / (2 * c1)], [-2 * c2, -c3 / (2 * c1)]]))
        rows = [rng.normal(size=2) * [1, 2 * c1]]
        for _ in range(len(TS) - 1):
            rows.append(step @ rows[-1])
        motions.append(rows)
    return c, np.asarray(motions, DTYPE)


def noisy(motions, share, seed=1):
    size = np.sqrt(np.mean(motions**2, axis=1, keepdims=True))
    noise = np.random.default_rng(seed).normal(size=motions.shape)
    return (motions + share * size * noise).astype(motions.dtype)
