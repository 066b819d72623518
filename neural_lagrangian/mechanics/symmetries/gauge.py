r"""Gauge freedom: $\alpha L + \frac{d}{dt} F(q, t) + c$ has the same motion as $L$. Functions to choose one of them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from ..._checks import phase_states
from ..._types import Lagrangian, Scalar
from ..arguments import as_coordinates, scalar_valued
from ..euler_lagrange import mass_matrix

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


def gauge_fix(lagrangian: Lagrangian, q_ref: ArrayLike, *, t: ArrayLike = 0.0) -> Lagrangian:
    r"""The equivalent Lagrangian with unit mean mass, and with zero momentum and zero value at rest.

    $$L'(t, q, v) = \frac{L - \nabla F \cdot v - L(t, q^*, 0)}{\mathrm{tr}\, M(t, q^*, 0) / n}, \qquad
      F(q) = \int_0^1 (q - q^*) \cdot A\bigl(q^* + s (q - q^*)\bigr)\, ds, \quad
      A(q) = \frac{\partial L}{\partial v}(t, q, 0),$$

    by Gauss quadrature with 16 points. Use it to compare a learned Lagrangian with the true one: if they differ only by
    scale, constant and total derivative, they agree after gauge fixing. It is exact for Lagrangians without explicit
    time. If $A$ has a curl (a magnetic field), only its gradient part along rays from $q^*$ is removed. The mean mass
    is over all coordinates, so the scale depends on units if these differ.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`.
    - `q_ref`: reference coordinates $q^*$, shape `(dof,)`. `t`: the time at which the gauge is fixed, in seconds.

    **Returns:** a Lagrangian `(t, q, v) -> scalar`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> learned = lambda t, q, v: 3.0 * (v @ v - q @ q) + q @ v + 5.0  # an oscillator at an unusual scale and gauge
    >>> fixed = nl.mechanics.gauge_fix(learned, jnp.zeros(1))  # (v^2 - q^2) / 2
    >>> round(float(fixed(0.0, jnp.array([1.0]), jnp.array([2.0]))), 3)
    1.5
    ```
    """
    t_ref, q_ref, rest = as_coordinates(t, q_ref, jnp.zeros_like(jnp.asarray(q_ref)))
    L = scalar_valued(lagrangian)
    mass = jnp.trace(mass_matrix(L, t_ref, q_ref, rest)) / q_ref.shape[0]
    origin = L(t_ref, q_ref, rest)
    nodes = jnp.asarray((_NODES + 1) / 2, q_ref.dtype)
    weights = jnp.asarray(_WEIGHTS / 2, q_ref.dtype)

    def F(q: Array) -> Scalar:
        def integrand(s):
            return jnp.dot(q - q_ref, jax.grad(L, argnums=2)(t_ref, q_ref + s * (q - q_ref), rest))

        return jnp.dot(weights, jax.vmap(integrand)(nodes))

    def fixed(t: ArrayLike, q: Array, v: Array) -> Scalar:
        _, dF_dt = jax.jvp(F, (q,), (v,))
        return (L(t, q, v) - dF_dt - origin) / mass

    return fixed


def normalize_scale(lagrangian: Lagrangian, states: ArrayLike, *, t: ArrayLike = 0.0) -> Lagrangian:
    r"""Normalise the scale of a Lagrangian by its mean mass over the states:

    $$L' = \frac{L}{\langle \mathrm{tr}\, M(t, q, v) / n \rangle}.$$

    Motion does not determine scale and sign: a network may learn an oscillator with scale -0.03 as well as 1. Normalise
    a learned Lagrangian before you report its energies. The mean mass is over all coordinates, so the scale depends on
    units if these differ.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`.
    - `states`: states `[q, v]` of the mean, shape `(state, 2 dof)`. `t`: their time, in seconds.

    **Returns:** a Lagrangian `(t, q, v) -> scalar`.

    **Raises:** `ValueError` if the states have the wrong shape, or the mean mass is zero or not finite.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> learned = lambda t, q, v: -0.03 * (v @ v - q @ q)
    >>> lagrangian = nl.mechanics.normalize_scale(learned, jnp.array([[1.0, 0.0], [0.0, 1.0]]))
    >>> round(float(nl.energy(lagrangian, 0.0, jnp.array([1.0]), jnp.array([1.0]))), 3)
    1.0
    ```
    """
    states = phase_states(states)
    scale = _mean_mass(lagrangian, states, jnp.asarray(t, states.dtype))
    if not (bool(jnp.isfinite(scale)) and float(scale) != 0):
        raise ValueError(f"`lagrangian` has the mean mass {float(scale)} at `states`; expected a finite, nonzero one")

    def normalized(t: ArrayLike, q: Array, v: Array) -> Scalar:
        return lagrangian(t, q, v) / scale.astype(q.dtype)

    return normalized


@eqx.filter_jit
def _mean_mass(lagrangian: Lagrangian, states: Array, t: Array) -> Scalar:
    masses = jax.vmap(lambda y: jnp.diag(mass_matrix(lagrangian, t, *jnp.split(y, 2))))(states)
    return jnp.mean(masses)
