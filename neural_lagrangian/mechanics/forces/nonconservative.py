r"""Nonconservative mechanics with doubled coordinates (Galley 2013).

Each coordinate has two copies, $q_1$ and $q_2$, and the motion makes $\int L(q_1) - L(q_2) + K\, dt$ stationary. The
nonconservative part is $K$, a function of $q_- = q_1 - q_2$ and $q_+ = (q_1 + q_2) / 2$. Then the copies are set equal.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from ..._types import Coordinates, ScalarFunction
from ...numerics import depends
from .force import AbstractForce


class NonconservativePotential(AbstractForce):
    r"""The force of a nonconservative potential $K$ at the physical limit $q_- = v_- = 0,\ q_+ = q,\ v_+ = v$:

    $$Q = A - \frac{dB}{dt}, \qquad A = \frac{\partial K}{\partial q_-}, \quad B = \frac{\partial K}{\partial v_-}.$$

    For example, $K = -\lambda\, v_+ \cdot q_-$ gives the damping force $Q = -\lambda v$. The convention is
    $q_- = q_1 - q_2$ and $q_+ = (q_1 + q_2) / 2$; with $q_- = (q_1 - q_2) / 2$ the force would be half as large.
    (Galley 2013; Tsang et al. 2015.)

    $B$ must not depend on $v$, else $dB / dt$ would contain the acceleration, and $Q$ would not be a force. Such a term
    acts as a mass and belongs in the Lagrangian: $v_- \cdot M v_+$ in $K$ equals $\tfrac12 v^\top M v$ in $L$.

    **Arguments:**

    - `potential`: $K$, callable `(t, q_minus, v_minus, q_plus, v_plus)` to a scalar, in joules; odd in the minus
      variables. The vectors have shape `(dof,)`.

    **Raises:** `ValueError` if $K$ is not a scalar, or $\partial K / \partial v_-$ depends on $v_+$.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> K = lambda t, q_minus, v_minus, q_plus, v_plus: -3.0 * v_plus @ q_minus  # damping of 3 kg/s
    >>> nl.mechanics.NonconservativePotential(K)(0.0, jnp.zeros(1), jnp.array([2.0])).tolist()
    [-6.0]
    ```
    """

    potential: ScalarFunction

    def __check_init__(self):
        if not callable(self.potential):
            raise ValueError(
                f"`potential` is {self.potential!r}; expected a callable (t, q_minus, v_minus, q_plus, v_plus)"
            )

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        t = jnp.asarray(t, q.dtype)
        if depends(lambda v: self._momentum(t, q, v), v):
            raise ValueError(
                "`potential` has a derivative with respect to v_minus that depends on v_plus, so the force would "
                "contain the acceleration; expected this term in the Lagrangian: v_minus @ M @ v_plus is v @ M @ v / 2"
            )
        A = jax.grad(self._at_limit, argnums=1)(t, jnp.zeros_like(q), jnp.zeros_like(v), q, v)
        _, dB_dt = jax.jvp(lambda t, q: self._momentum(t, q, v), (t, q), (jnp.ones_like(t), v))
        return A - dB_dt

    def _momentum(self, t: Array, q: Array, v: Array) -> Array:
        """$B(t, q)$. The argument `v` only serves to check that $B$ does not depend on it."""
        return jax.grad(self._at_limit, argnums=2)(t, jnp.zeros_like(q), jnp.zeros_like(v), q, v)

    def _at_limit(self, *arguments: Array) -> Array:
        K = jnp.asarray(self.potential(*arguments))
        if K.shape != ():
            raise ValueError(f"`potential` returned shape {K.shape}; expected a scalar, ()")
        return K
