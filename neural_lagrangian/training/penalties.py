r"""What a learned Lagrangian should have beside the right motion: a symmetry, little force, a scale, a gauge.

A penalty is a function `penalty(model, window)`, as a loss is. A Lagrangian and its force are known from
motion only up to a common factor, $\alpha L$ and $\alpha Q$; the penalties of symmetry and force are divided by the
mean square of the mass, $\overline{\mathrm{tr}(M^2) / n}$, or training would lower them by lowering $\alpha$.
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
    r"""A loss for `fit` with a penalty, `loss + weight * penalty`; itself a loss that can be penalized again.

    **Arguments:**

    - `loss`: `(model, window) -> scalar`, such as `trajectory_mse`.
    - `penalty`: `(model, window) -> scalar`, such as `symmetry_penalty(symmetry)` or `force_penalty`.
    - `weight`: zero or more.

    **Raises:** `ValueError` for a weight that is negative or not finite.

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
    r"""Mean square residual of a symmetry at a window's states, zero if the Lagrangian has it there:

    $$\frac{\sum_i R(t_i, q_i, v_i)^2}{\sum_i \mathrm{tr}\, M(t_i, q_i, v_i)^2 / n}$$

    with $R$ of `symmetry_residual`. It asks for the symmetry with the boundary term that `symmetry` states, no other.

    **Arguments:**

    - `symmetry`: a `Symmetry`.

    **Returns:** a penalty of models with a `lagrangian(t, q, v)`.

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
    r"""Mean square of a model's force at a window's states, zero if it has none there:

    $$\frac{\sum_i |Q(t_i, q_i, v_i)|^2}{\sum_i \mathrm{tr}\, M(t_i, q_i, v_i)^2}.$$

    An unrestricted force can explain any motion whatever the Lagrangian; with this penalty the Lagrangian explains
    what it can. In units of acceleration squared. Recorded controls are no part of $Q$: they are known.

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
    r"""Zero if the mean mass at a window's states is one: motion leaves the scale of a Lagrangian open, and its sign.

    $$\Bigl(\overline{\mathrm{tr}\, M / n} - 1\Bigr)^2$$

    Energies are then those of a unit mass. Not to be used where torques or forces fix the scale.

    **Arguments:** as of `force_penalty`; the model's force does not matter.

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
    r"""Zero if a Lagrangian has a given momentum and value at a state: motion leaves $dF/dt$ and a constant open.

    $$\Bigl|\frac{\partial L}{\partial v}(t_0, q_b, v_b) - p_b\Bigr|^2 + (L(t_0, q_b, v_b) - c_b)^2$$

    with $t_0$ the first time of the window. (Ober-Blöbaum and Offen 2023.)

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
