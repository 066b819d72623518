r"""Penalties for training: on a broken symmetry, on force, on the scale and on the gauge of a Lagrangian.

A penalty is a function `penalty(model, window) -> scalar`, like a loss. Motion determines a Lagrangian and its force
only up to a common factor $\alpha$. The penalties of symmetry and force are therefore divided by the mean square of the
mass, $\overline{\mathrm{tr}(M^2) / n}$; otherwise training could lower them by making $\alpha$ small.
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from .._types import MassMatrix, Scalar
from ..mechanics import Symmetry, mass_matrix, symmetry_residual
from ..models import without_control
from ..trajectories import Window
from .loss import Loss, called, filled, mean_counted

Penalty: TypeAlias = Loss
"""A function `penalty(model, window) -> scalar`."""


def penalized(loss: Loss, penalty: Penalty, weight: float) -> Loss:
    r"""Add a penalty to a loss: `loss + weight * penalty`. The result is a loss, to which another can be added.

    **Arguments:**

    - `loss`: `(model, window) -> scalar`, such as `trajectory_mse`.
    - `penalty`: `(model, window) -> scalar`, such as `symmetry_penalty(symmetry)` or `force_penalty`.
    - `weight`: a finite number of at least zero.

    **Raises:** `ValueError` if the weight is negative or not finite.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> heavy = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 1.5 * v @ v)  # free, of 3 kg
    >>> loss = nl.training.penalized(nl.training.acceleration_mse, nl.training.scale_penalty, weight=0.5)
    >>> float(loss(heavy, nl.trajectories.Window(jnp.zeros(1), jnp.ones((1, 2)), accelerations=jnp.ones((1, 1)))))
    3.0
    ```
    """
    if not (math.isfinite(weight) and weight >= 0):
        raise ValueError(f"`weight` is {weight}; expected a finite number of at least 0")

    def total(model: Any, window: Window) -> Scalar:
        return called("loss", loss, model, window) + weight * called("penalty", penalty, model, window)

    return total


def symmetry_penalty(symmetry: Symmetry) -> Penalty:
    r"""Penalty on a broken symmetry: the mean square of its residual at the states of a window.

    $$\frac{\sum_i R(t_i, q_i, v_i)^2}{\sum_i \mathrm{tr}\, M(t_i, q_i, v_i)^2 / n}$$

    where $R$ is `symmetry_residual`. It is zero if the Lagrangian has the symmetry at these states, with the boundary
    term that `symmetry` states.

    **Arguments:**

    - `symmetry`: a `Symmetry`.

    **Returns:** a penalty for models with a `lagrangian(t, q, v)`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> weight = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v - 3.0 * q[0])
    >>> window = nl.trajectories.Window(jnp.zeros(1), jnp.ones((1, 2)))
    >>> float(nl.training.symmetry_penalty(nl.mechanics.Symmetry.translation(0))(weight, window))  # 3 N, squared
    9.0
    ```
    """

    def penalty(model: Any, window: Window) -> Scalar:
        def square(t, y):
            return symmetry_residual(model.lagrangian, symmetry, t, *jnp.split(y, 2)) ** 2

        return _mean_at_rows(square, window) / _mean_square_mass(model, window)

    return penalty


def force_penalty(model: Any, window: Window) -> Scalar:
    r"""Penalty on the force of a model: its mean square at the states of a window.

    $$\frac{\sum_i |Q(t_i, q_i, v_i)|^2}{\sum_i \mathrm{tr}\, M(t_i, q_i, v_i)^2}.$$

    With an unrestricted force, any Lagrangian can explain any motion. With this penalty, the Lagrangian explains as
    much of the motion as it can. The unit is acceleration squared. Recorded controls are known and not part of $Q$.

    **Arguments:**

    - `model`: a model with a `lagrangian` and a `force`, both of `(t, q, v)`.
    - `window`: with `ts` and `ys`.

    **Raises:** `ValueError` if the model's force is `None`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> free, drag = (lambda t, q, v: 0.5 * v @ v), (lambda t, q, v: -3.0 * v)
    >>> model = nl.NeuralLagrangian.from_lagrangian(free, force=drag)
    >>> float(nl.training.force_penalty(model, nl.trajectories.Window(jnp.zeros(1), jnp.ones((1, 2)))))  # 3 N, squared
    9.0
    ```
    """
    if model.force is None:
        raise ValueError("`model` has the force None; expected a force to penalize")
    free = model if window.controls is None else without_control(model)

    def square(t, y):
        return free.force(t, *jnp.split(y, 2)) ** 2

    return _mean_at_rows(square, window) / _mean_square_mass(model, window)


def scale_penalty(model: Any, window: Window) -> Scalar:
    r"""Penalty that fixes the scale and the sign of a Lagrangian: zero if the mean mass at a window's states is one.

    $$\Bigl(\frac{1}{T} \sum_{i=1}^{T} \frac{\mathrm{tr}\, M(t_i, q_i, v_i)}{n} - 1\Bigr)^2$$

    with the mass matrix M of n degrees of freedom. Motion alone does not determine scale and sign. With this penalty,
    energies are those of a unit mass. Do not use it if recorded torques or forces fix the scale.

    **Arguments:**

    - `model`: a model with a `lagrangian` of `(t, q, v)`.
    - `window`: with `ts` and `ys`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> heavy = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 1.5 * v @ v)  # of 3 kg
    >>> float(nl.training.scale_penalty(heavy, nl.trajectories.Window(jnp.zeros(1), jnp.ones((1, 2)))))  # (3 - 1)^2
    4.0
    ```
    """
    dof = window.ys.shape[1] // 2
    return (_mean_at_rows(lambda t, y: jnp.trace(_mass(model, t, y)), window) / dof - 1) ** 2


def gauge_penalty(state: ArrayLike, momentum: ArrayLike = 0.0, value: float = 0.0) -> Penalty:
    r"""Penalty that fixes the gauge: zero if the Lagrangian has a given momentum and value at one state.

    $$\Bigl|\frac{\partial L}{\partial v}(t_0, q_b, v_b) - p_b\Bigr|^2 + (L(t_0, q_b, v_b) - c_b)^2$$

    where $t_0$ is the first time of the window. Motion does not determine a total time derivative $dF/dt$ or a constant
    in the Lagrangian; this penalty fixes both at the state (Ober-Blöbaum and Offen 2023).

    **Arguments:**

    - `state`: $[q_b, v_b]$, shape `(2 dof,)`. `momentum`: $p_b$, shape `(dof,)` or a number. `value`: $c_b$.

    **Returns:** a penalty of models with a `lagrangian(t, q, v)`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> model = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v + 3.0)
    >>> penalty = nl.training.gauge_penalty(jnp.zeros(2))  # asks for the value 0 at rest
    >>> float(penalty(model, nl.trajectories.Window(jnp.zeros(1), jnp.ones((1, 2)))))
    9.0
    ```
    """

    def penalty(model: Any, window: Window) -> Scalar:
        q, v = jnp.split(jnp.asarray(state, window.ys.dtype), 2)
        L, p = jax.value_and_grad(model.lagrangian, argnums=2)(window.ts[0], q, v)
        return jnp.sum((p - jnp.asarray(momentum, p.dtype)) ** 2) + (L - value) ** 2

    return penalty


def _mean_square_mass(model: Any, window: Window) -> Scalar:
    return _mean_at_rows(lambda t, y: jnp.sum(_mass(model, t, y) ** 2), window) / (window.ys.shape[1] // 2)


def _mass(model: Any, t: Array, y: Array) -> MassMatrix:
    return mass_matrix(model.lagrangian, t, *jnp.split(y, 2))


def _mean_at_rows(function: Callable[[Array, Array], Array], window: Window) -> Scalar:
    """The mean of `function(t, y)` over the rows of a window that count."""
    values = jax.vmap(function)(jnp.asarray(window.ts), jnp.asarray(filled(window).ys))
    return mean_counted(values, window.mask)
