"""Changes of units, and one small problem in any of them."""

import jax.numpy as jnp
import numpy as np


class Units:
    r"""A change of units: $q_i \to s_i q_i$, $t \to \tau t$, $L \to \alpha L$, and the Lagrangian in the new ones."""

    def __init__(self, s, tau, alpha):
        self.s, self.tau, self.alpha = s, tau, alpha

    def lagrangian(self, L):
        return lambda t, q, v: self.alpha * L(t / self.tau, q / self.s, v * (self.tau / self.s))

    def force(self, Q):
        return lambda t, q, v: self.alpha / self.s * Q(t / self.tau, q / self.s, v * (self.tau / self.s))

    def state(self, y):
        return y * self._of_state(y)

    def natural(self, ys):
        return ys / self._of_state(ys)

    def _of_state(self, ys):
        scale = jnp.concatenate([self.s, self.s / self.tau])
        return scale.reshape((1,) * (ys.ndim - 1) + scale.shape)


def changes(dof, dtype):
    """Powers of ten between 1e-9 and 1e9 for each coordinate, time and L, as far as masses and their derivatives can be
    represented."""
    rng = np.random.default_rng(dof)
    limit = 34 if dtype == jnp.float32 else 300
    drawn = [(np.zeros(dof), 0.0, 0.0)]
    drawn += [(np.full(dof, -9.0), 0.0, 0.0), (np.zeros(dof), 9.0, 0.0), (np.zeros(dof), -9.0, -9.0)]
    drawn += [(np.resize([9.0, -9.0], dof), 0.0, 9.0)]
    while len(drawn) < 40:
        s, tau, alpha = rng.integers(-9, 10, dof), rng.integers(-9, 10), rng.integers(-9, 10)
        masses = alpha + 2 * tau - s[:, None] - s[None]
        slopes = masses[..., None] - s
        if max(np.abs(masses).max(), np.abs(slopes).max()) < limit:
            drawn.append((s, tau, alpha))
    return [tuple(jnp.asarray(10.0 ** np.asarray(x, float), dtype) for x in change) for change in drawn]


def coupled(dof):
    """Coupled, anharmonic, with gyroscopic terms and explicit time; mass matrix positive definite, tridiagonal."""

    def L(t, q, v):
        neighbours = q[1:] - q[:-1]
        kinetic = 0.5 * jnp.sum((1 + 0.2 * jnp.cos(q)) * v**2) + 0.3 * jnp.sum(v[1:] * v[:-1])
        gyroscopic = 0.2 * jnp.sum(q[1:] * v[:-1])
        potential = jnp.sum(1 - jnp.cos(q)) * (1 + 0.1 * jnp.sin(t)) + 0.5 * jnp.sum(neighbours**2)
        return kinetic + gyroscopic - potential

    return L


def friction(t, q, v):
    return -0.1 * v - 0.05 * jnp.tanh(v)
