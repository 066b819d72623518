"""Variational integrators: Galerkin-Gauss-Lobatto, Störmer-Verlet, and the midpoint rule."""

import functools

import equinox as eqx
import numpy as np

from ..numerics import differentiation_matrix, gauss_lobatto
from .galerkin import Scheme
from .variational import AbstractVariationalSolver


class GalerkinGaussLobatto(AbstractVariationalSolver):
    r"""Galerkin-Gauss-Lobatto variational integrator of order $2 r + 2$ (Tsang, Galley, Stein and Turner 2015).

    In each step the motion is a polynomial through the $r + 2$ Gauss-Lobatto nodes that makes the action, computed by
    Gauss-Lobatto quadrature, stationary. Without forces the method is symplectic and time-reversible. It conserves the
    momenta of all symmetries that act linearly on the coordinates, and the energy error stays bounded over long times.
    Forces use the same quadrature. (The order at the ends of steps is $2 r + 2$, proven by Ober-Blöbaum and Saake 2015
    and measured here; Tsang et al. state $r + 2$.)

    Use it as `NeuralLagrangian(network, solver=GalerkinGaussLobatto(2))`, or in `diffrax.diffeqsolve` with an
    `EulerLagrangeTerm`, constant steps and y0 of shape `(2 dof,)`. If the equations of a step have no solution, the
    solve fails with `RESULTS.nonlinear_divergence`. It also fails for singular mass matrices, because the momentum does
    not determine the velocity.

    **Arguments:**

    - `r`: number of inner nodes, from 0 (the Störmer-Verlet method) to 60 and more.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> spring = lambda t, q, v: 0.5 * v @ v - 0.5 * q @ q  # of period 2 pi
    >>> model = nl.NeuralLagrangian.from_lagrangian(spring, nl.GalerkinGaussLobatto(2))
    >>> ys = model(jnp.linspace(0.0, jnp.pi, 11), jnp.array([1.0, 0.0]))  # one step a sample
    >>> round(float(ys[-1, 0]), 3)  # after half a period
    -1.0
    ```
    """

    r: int = eqx.field(static=True)

    def __check_init__(self):
        if not isinstance(self.r, int) or isinstance(self.r, bool) or self.r < 0:
            raise ValueError(f"`r` is {self.r!r}; expected an integer >= 0, the number of inner nodes")

    def scheme(self) -> Scheme:
        return _lobatto_scheme(self.r)

    def order(self, terms):
        return 2 * self.r + 2


class StormerVerlet(AbstractVariationalSolver):
    r"""The Störmer-Verlet method for any Lagrangian: `GalerkinGaussLobatto(0)`, of order 2.

    The motion between positions is linear, and the action uses the trapezoidal rule:
    $L_d = \frac{h}{2} [L(t_0, q_0, \frac{q_1 - q_0}{h}) + L(t_1, q_1, \frac{q_1 - q_0}{h})]$
    (Marsden and West 2001, example 2.3.1).

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> fall = lambda t, q, v: 0.5 * v @ v - 10.0 * q[0]
    >>> model = nl.NeuralLagrangian.from_lagrangian(fall, nl.integrators.StormerVerlet())
    >>> print(jnp.round(model(jnp.array([0.0, 1.0]), jnp.zeros(2))[-1], 3))  # exact for a constant force
    [ -5. -10.]
    ```
    """

    def scheme(self) -> Scheme:
        return _lobatto_scheme(0)

    def order(self, terms):
        return 2


class VariationalMidpoint(AbstractVariationalSolver):
    r"""The variational midpoint rule, a variational integrator of order 2.

    $L_d = h L(t_0 + \frac h2, \frac{q_0 + q_1}{2}, \frac{q_1 - q_0}{h})$ (Marsden and West 2001, example 2.3.2).

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> fall = lambda t, q, v: 0.5 * v @ v - 10.0 * q[0]
    >>> model = nl.NeuralLagrangian.from_lagrangian(fall, nl.integrators.VariationalMidpoint())
    >>> print(jnp.round(model(jnp.array([0.0, 1.0]), jnp.zeros(2))[-1], 3))  # exact for a constant force
    [ -5. -10.]
    ```
    """

    def scheme(self) -> Scheme:
        return _MIDPOINT

    def order(self, terms):
        return 2


@functools.cache
def _lobatto_scheme(r: int) -> Scheme:
    c, b = gauss_lobatto(r + 2)
    return Scheme(c, c, b, np.eye(r + 2), differentiation_matrix(c))


_MIDPOINT = Scheme(
    np.array([0.0, 1.0]), np.array([0.5]), np.array([1.0]), np.array([[0.5, 0.5]]), np.array([[-1.0, 1.0]])
)
