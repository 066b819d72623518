r"""What a learned Lagrangian should have beside the right motion: a symmetry, little force, a scale, a gauge.

A penalty is a function `penalty(model, ts, ys)` of one window, as a loss is. A Lagrangian and its force are known from
motion only up to a common factor, $\alpha L$ and $\alpha Q$; the penalties of symmetry and force are divided by the
mean square of the mass, $\overline{\mathrm{tr}(M^2) / n}$, or training would lower them by lowering $\alpha$.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from .._types import Scalar
from ..mechanics import Symmetry, mass_matrix, symmetry_residual

Penalty = Callable[[Any, Array, Array], Scalar]
"""A function `penalty(model, ts, ys) -> scalar` of one window."""


def penalized(loss: Callable[..., Scalar], penalty: Penalty, weight: float) -> Callable[..., Scalar]:
    r"""A loss for `fit` with a penalty, `loss + weight * penalty`; itself a loss that can be penalized again.

    **Arguments:**

    - `loss`: `(model, ts, ys) -> scalar`, or with more arguments, `accelerations` and `controls`.
    - `penalty`: `(model, ts, ys) -> scalar`, such as `symmetry_penalty(symmetry)` or `force_penalty`.
    - `weight`: zero or more.

    **Raises:** `ValueError` for a weight that is negative or not finite.
    """
    if not (math.isfinite(weight) and weight >= 0):
        raise ValueError(f"`weight` is {weight}; expected a finite number of at least 0")

    def total(model: Any, ts: Array, ys: Array, *observed: Array | None) -> Scalar:
        return loss(model, ts, ys, *observed) + weight * penalty(model, ts, ys)

    return total


def symmetry_penalty(symmetry: Symmetry) -> Penalty:
    r"""Mean square residual of a symmetry at a window's states, zero if the Lagrangian has it there:

    $$\frac{\sum_i R(t_i, q_i, v_i)^2}{\sum_i \mathrm{tr}\, M(t_i, q_i, v_i)^2 / n}$$

    with $R$ of `symmetry_residual`. It asks for the symmetry with the boundary term that `symmetry` states, no other.

    **Arguments:**

    - `symmetry`: a `Symmetry`.

    **Returns:** a penalty of models with a `lagrangian(t, q, v)`.
    """

    def penalty(model: Any, ts: Array, ys: Array) -> Scalar:
        def residual(t, y):
            return symmetry_residual(model.lagrangian, symmetry, t, *jnp.split(y, 2))

        return jnp.mean(jax.vmap(residual)(ts, ys) ** 2) / _mean_square_mass(model, ts, ys)

    return penalty


def force_penalty(model: Any, ts: Array, ys: Array) -> Scalar:
    r"""Mean square of a model's force at a window's states, zero if it has none there:

    $$\frac{\sum_i |Q(t_i, q_i, v_i)|^2}{\sum_i \mathrm{tr}\, M(t_i, q_i, v_i)^2}.$$

    An unrestricted force can explain any motion whatever the Lagrangian; with this penalty the Lagrangian explains
    what it can. In units of acceleration squared.

    **Arguments:**

    - `model`: a model with a `lagrangian` and a `force`, both of `(t, q, v)`.
    - `ts`: times, shape `(time,)`. `ys`: states, shape `(time, 2 dof)`.

    **Raises:** `ValueError` if the model's force is `None`.
    """
    if model.force is None:
        raise ValueError("`model` has the force None; expected a force to penalize")
    Q = jax.vmap(lambda t, y: model.force(t, *jnp.split(y, 2)))(ts, ys)
    return jnp.mean(Q**2) / _mean_square_mass(model, ts, ys)


def scale_penalty(model: Any, ts: Array, ys: Array) -> Scalar:
    r"""Zero if the mean mass at a window's states is one: motion leaves the scale of a Lagrangian open, and its sign.

    $$\Bigl(\overline{\mathrm{tr}\, M / n} - 1\Bigr)^2$$

    Energies are then those of a unit mass. Not to be used where torques or forces fix the scale.

    **Arguments:** as of `force_penalty`; the model's force does not matter.
    """
    M = jax.vmap(lambda t, y: mass_matrix(model.lagrangian, t, *jnp.split(y, 2)))(ts, ys)
    return (jnp.mean(jnp.trace(M, axis1=1, axis2=2)) / M.shape[1] - 1) ** 2


def gauge_penalty(state: ArrayLike, momentum: ArrayLike = 0.0, value: float = 0.0) -> Penalty:
    r"""Zero if a Lagrangian has a given momentum and value at a state: motion leaves $dF/dt$ and a constant open.

    $$\Bigl|\frac{\partial L}{\partial v}(t_0, q_b, v_b) - p_b\Bigr|^2 + (L(t_0, q_b, v_b) - c_b)^2$$

    with $t_0$ the first time of the window. (Ober-Blöbaum and Offen 2023.)

    **Arguments:**

    - `state`: $[q_b, v_b]$, shape `(2 dof,)`. `momentum`: $p_b$, shape `(dof,)` or a number. `value`: $c_b$.

    **Returns:** a penalty of models with a `lagrangian(t, q, v)`.
    """

    def penalty(model: Any, ts: Array, ys: Array) -> Scalar:
        q, v = jnp.split(jnp.asarray(state, ys.dtype), 2)
        L, p = jax.value_and_grad(model.lagrangian, argnums=2)(ts[0], q, v)
        return jnp.sum((p - jnp.asarray(momentum, p.dtype)) ** 2) + (L - value) ** 2

    return penalty


def _mean_square_mass(model: Any, ts: Array, ys: Array) -> Scalar:
    M = jax.vmap(lambda t, y: mass_matrix(model.lagrangian, t, *jnp.split(y, 2)))(ts, ys)
    return jnp.mean(jnp.sum(M**2, axis=(1, 2))) / M.shape[1]
