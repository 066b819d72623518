"""Linearised dynamics of a driven model."""

from dataclasses import KW_ONLY
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .arguments import as_control, as_state, positive
from .driven import driven

BALANCING_SWEEPS = 10
"""Number of times that each coordinate gets a unit, given those of the others."""


class Linearization(eqx.Module):
    r"""The dynamics close to a state $\bar y$ and a control $\bar u$, to first order.

    $$\delta \dot y = A\, \delta y + B\, \delta u + d, \qquad
      A = \frac{\partial f}{\partial y}, \quad B = \frac{\partial f}{\partial u}, \quad d = f(\bar y, \bar u).$$

    With a sampling interval `dt` it is the map from one sample to the next, with the control held between them,
    $\delta y_{k+1} = A\, \delta y_k + B\, \delta u_k + d$.

    - `A`: shape `(2 dof, 2 dof)`. `B`: shape `(2 dof, m)`. `drift`: $d$, shape `(2 dof,)`; zero at an equilibrium.
    - `dt`: sampling interval in seconds, or `None` for continuous time.
    """

    A: Float[Array, "state state"]
    B: Float[Array, "state control"]
    drift: Float[Array, " state"]
    _: KW_ONLY
    dt: float | None = eqx.field(static=True, default=None)

    def zero_order_hold(self, dt: float) -> "Linearization":
        r"""The exact discretisation with the control held for `dt` seconds, from one matrix exponential.

        **Raises:** `ValueError` if `dt` is not positive, or the dynamics are in discrete time already.

        **Example:**

        ```python
        >>> import jax.numpy as jnp, neural_lagrangian as nl
        >>> cart = nl.NeuralLagrangian.from_lagrangian(
        ...     lambda t, q, v: 0.5 * v @ v, force=nl.mechanics.ControlForce()
        ... )  # 1 kg
        >>> nl.control.linearize(cart, jnp.zeros(2), jnp.zeros(1)).zero_order_hold(2.0).B.tolist()
        [[2.0], [2.0]]
        ```
        """
        if self.dt is not None:
            raise ValueError(f"the dynamics are in discrete time, dt = {self.dt}; expected those in continuous time")
        positive("dt", dt, "a positive time in seconds")
        n, m = self.B.shape
        s = _natural_state(self.A, dt)
        ratio = s[:, None] / s[None]
        inputs = jnp.concatenate([self.B, self.drift[:, None]], axis=1) * dt / s[:, None]
        size = jnp.max(jnp.abs(inputs), axis=0)
        size = jnp.where(size > 0, size, 1)
        rows = jnp.concatenate([self.A * dt / ratio, inputs / size[None]], axis=1)
        exponential = jax.scipy.linalg.expm(jnp.zeros((n + m + 1, n + m + 1), rows.dtype).at[:n].set(rows))[:n]
        inputs = exponential[:, n:] * s[:, None] * size[None]
        return Linearization(exponential[:, :n] * ratio, inputs[:, :-1], inputs[:, -1], dt=float(dt))


def _natural_state(A: Array, dt: float) -> Array:
    """Units of the state in which coordinates have an effect of similar size on each other during `dt`. In others, the
    squarings of a matrix exponential lose all digits.

    Each coordinate in turn gets the unit in which its largest effect on another one is the largest on itself (Osborne
    1960). An effect in one direction becomes one.
    """
    n = len(A) // 2
    effect = jnp.abs(A[n:, :n]) * dt**2 + jnp.abs(A[n:, n:]) * dt
    effect = effect * (1 - jnp.eye(n, dtype=A.dtype))

    def balanced(k: Array, d: Array) -> Array:
        i = k % n
        by, on = jnp.max(effect[i] * d), jnp.max(effect[:, i] / d)  # of the others on i, and the reverse
        both = jnp.sqrt(jnp.where(by > 0, by, 1)) / jnp.sqrt(jnp.where(on > 0, on, 1))
        alone = jnp.where(by > 0, by, jnp.where(on > 0, 1 / jnp.where(on > 0, on, 1), d[i]))
        return d.at[i].set(jnp.where((by > 0) & (on > 0), both, alone))

    d = jax.lax.fori_loop(0, BALANCING_SWEEPS * n, balanced, jnp.ones(n, A.dtype))
    return jnp.concatenate([d, d / dt])


def linearize(model: Any, y: ArrayLike, u: ArrayLike, t: ArrayLike = 0.0) -> Linearization:
    r"""Linearise a driven model at a state and a control: $A = \partial f / \partial y,\ B = \partial f / \partial u$.

    The derivatives are exact (automatic differentiation through the Euler-Lagrange equations).

    **Arguments:**

    - `model`: a model with one `ControlForce`, such as a `NeuralLagrangian` or a `Scaled` model. A control signal of
      the model is not used.
    - `y`: state $[q, v]$, shape `(2 dof,)`. `u`: control, shape `(m,)`. `t`: time in seconds, a scalar.

    **Returns:** a `Linearization`.

    **Raises:** `ControlError` if the model has no `ControlForce`, or several, or forces with memory. `ValueError`
    for other shapes, and for numbers that are not finite.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> pendulum, motor = nl.systems.Pendulum(gravity=10.0), nl.mechanics.ControlForce()
    >>> model = nl.NeuralLagrangian.from_lagrangian(pendulum.lagrangian, force=motor)
    >>> upright = nl.control.linearize(model, jnp.array([jnp.pi, 0.0]), jnp.zeros(1))
    >>> upright.A.round(3).tolist(), upright.B.tolist()
    ([[0.0, 1.0], [10.0, 0.0]], [[0.0], [1.0]])
    ```
    """
    y = as_state("y", y)
    system = driven(model, y)
    u = as_control("u", u, system.controls, y.dtype)
    t = jnp.asarray(t, y.dtype)
    A, B = jax.jacfwd(lambda y, u: system.rate(t, y, u), argnums=(0, 1))(y, u)
    return Linearization(A, B, system.rate(t, y, u))
