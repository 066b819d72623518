r"""The function whose total derivative a given Lagrangian is."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from ..._types import Lagrangian, Scalar

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


class BoundaryTerm(eqx.Module):
    r"""$F(t, q)$ of a total derivative $R = \dot F = \partial F / \partial t + v \cdot \partial F / \partial q$:

    $$F(t, q) = \int_0^1 (q - q^*) \cdot \frac{\partial R}{\partial v}\bigl(t, q^* + s (q - q^*), 0\bigr)\, ds
      + t \int_0^1 R(s t, q^*, 0)\, ds,$$

    by Gauss quadrature with 16 points, zero at $t = 0$, $q = q^*$. Of no meaning where $R$ is no total derivative.

    **Arguments:**

    - `derivative`: $R$, callable `(t, q, v) -> scalar`. `q_ref`: $q^*$, shape `(dof,)`.
    """

    derivative: Lagrangian
    q_ref: Array

    def __call__(self, t: ArrayLike, q: Array) -> Scalar:
        t, q_ref, rest = jnp.asarray(t, q.dtype), jnp.asarray(self.q_ref, q.dtype), jnp.zeros_like(q)

        def integrand(s):
            dF_dq = jax.grad(self.derivative, argnums=2)(t, q_ref + s * (q - q_ref), rest)
            return jnp.dot(q - q_ref, dF_dq) + t * self.derivative(s * t, q_ref, rest)

        values = jax.vmap(integrand)(jnp.asarray((_NODES + 1) / 2, q.dtype))
        return jnp.dot(jnp.asarray(_WEIGHTS / 2, q.dtype), values)
