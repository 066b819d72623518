"""The classical fourth-order Runge-Kutta method, which diffrax does not have."""

from collections.abc import Callable
from typing import ClassVar

import diffrax
import numpy as np


class RK4(diffrax.AbstractERK):
    r"""The classical Runge-Kutta method of order 4 (Kutta 1901), with four evaluations per step.

    The error estimate is the difference to the midpoint rule (first two stages), which is of order 2. It is too large,
    so prefer `diffrax.Tsit5` for adaptive steps. Dense output uses cubic Hermite interpolation.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> spring = lambda t, q, v: 0.5 * v @ v - 0.5 * q @ q  # of period 2 pi
    >>> model = nl.NeuralLagrangian.from_lagrangian(
    ...     spring, nl.integrators.RK4(), stepsize_controller=nl.StepsPerSample()
    ... )
    >>> ys = model(jnp.linspace(0.0, jnp.pi, 51), jnp.array([1.0, 0.0]))
    >>> round(float(ys[-1, 0]), 3)  # after half a period
    -1.0
    ```
    """

    tableau: ClassVar[diffrax.ButcherTableau | diffrax.MultiButcherTableau] = diffrax.ButcherTableau(
        c=np.array([0.5, 0.5, 1.0]),
        a_lower=(np.array([0.5]), np.array([0.0, 0.5]), np.array([0.0, 0.0, 1.0])),
        b_sol=np.array([1 / 6, 1 / 3, 1 / 3, 1 / 6]),
        b_error=np.array([1 / 6, 1 / 3 - 1, 1 / 3, 1 / 6]),
    )
    interpolation_cls: ClassVar[Callable[..., diffrax.AbstractLocalInterpolation]] = (
        diffrax.ThirdOrderHermitePolynomialInterpolation.from_k
    )

    def order(self, terms):
        return 4
