r"""Holonomic constraints $g(t, q) = 0$, and the saddle-point equations they make of $M a = b$:

$$M a = b + G^\top \lambda, \qquad G a = -(\gamma + 2 \alpha \dot g + \beta^2 g), \qquad
  G = \frac{\partial g}{\partial q}, \quad \ddot g = G a + \gamma.$$

The second equation is $\ddot g + 2 \alpha \dot g + \beta^2 g = 0$ (Baumgarte 1972): on a motion $g$ and $\dot g$ stay
zero, and what integration errors make of them decays.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree

from .._types import Coordinates
from ..numerics import natural_inverse
from .mass_solves import AbstractMassSolve

Multipliers = Float[Array, " m"]
"""Lagrange multipliers, one a constraint, or values of the constraints."""
Jacobian = Float[Array, "m dof"]


class HolonomicConstraint(eqx.Module):
    r"""$m$ equations $g(t, q) = 0$ between the coordinates, such as rods of given length.

    Integration errors decay at the rates `damping` and `stiffness`, which have a unit, one over that of time: the
    default of 10 suits motion whose rates are about 1, such as that of a pendulum of a metre in seconds. For other
    motion choose about ten times its fastest rate, and less than one over the step: motion of milliseconds drifts at 10
    per second as if there were no stabilisation, and for motion of days in seconds it is stiff.

    The force that keeps them is $G^\top \lambda$, $G = \partial g / \partial q$: by d'Alembert's principle it does no
    work on displacements that the constraints allow. Pass it as `constraint=` to `acceleration` or to
    `NeuralLagrangian`. (Baumgarte 1972, eq. 11, for the stabilisation; Finzi, Wang and Wilson 2020, section 4, for
    constraints in learned dynamics.)

    States must begin on the constraints, $g = 0$ and $\dot g = 0$; `project` puts them there.

    **Arguments:**

    - `g`: callable `(t, q) -> (m,)`, twice differentiable. Arrays it holds as an Equinox module, such as rod lengths,
      train with the model. Constraints may be redundant: the motion is unique even if $\lambda$ is not, and that of
      least norm in the natural units of the constraints is taken.
    - `damping`: $\alpha \ge 0$, `stiffness`: $\beta \ge 0$, in one over the unit of time (1/s). Equal values damp
      critically: errors then decay as $e^{-\alpha t}$. 0 and 0 switch stabilisation off.

    **Raises:** `ValueError` if `g` is not callable or a rate is negative.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> weight = lambda t, q, v: 0.5 * v @ v - 10.0 * q[1]
    >>> rod = nl.mechanics.HolonomicConstraint(lambda t, q: jnp.array([q @ q - 1.0]))  # of 1 m, from the origin
    >>> nl.acceleration(weight, 0.0, jnp.array([0.0, -1.0]), jnp.array([2.0, 0.0]), constraint=rod).tolist()
    [0.0, 4.0]
    ```
    """

    g: Callable[..., Array]
    damping: float = eqx.field(static=True, default=10.0)
    stiffness: float = eqx.field(static=True, default=10.0)

    def __check_init__(self):
        if not callable(self.g):
            raise ValueError(f"`g` is {self.g!r}; expected a callable (t, q) -> (m,)")
        for name in ("damping", "stiffness"):
            rate = getattr(self, name)
            if not (isinstance(rate, float | int) and 0 <= rate < float("inf")):
                raise ValueError(f"`{name}` is {rate!r}; expected a number of at least 0, in 1/s")

    def __call__(self, t: ArrayLike, q: Array) -> Multipliers:
        """$g(t, q)$, shape `(m,)`; zero where the constraints hold."""
        g = jnp.asarray(self.g(t, q))
        if g.ndim != 1 or g.dtype != q.dtype:
            raise ValueError(f"`g` returned shape {g.shape}, dtype {g.dtype}; expected (m,), of dtype {q.dtype}")
        return g

    def jacobian(self, t: ArrayLike, q: Array) -> Jacobian:
        r"""$G = \partial g / \partial q$, shape `(m, dof)`."""
        return jax.jacrev(self, argnums=1)(t, q)

    def velocity(self, t: ArrayLike, q: Array, v: Array) -> Multipliers:
        r"""$\dot g = G v + \partial g / \partial t$, shape `(m,)`."""
        t = jnp.asarray(t, q.dtype)
        return jax.jvp(self, (t, q), (jnp.ones_like(t), v))[1]

    def force(self, t: ArrayLike, q: Array, multipliers: Array) -> Coordinates:
        r"""$G^\top \lambda$, shape `(dof,)`, a generalised force."""
        return jax.vjp(lambda q: self(t, q), q)[1](multipliers)[0]

    def residual(self, t: ArrayLike, q: Array, v: Array, a: Array) -> Multipliers:
        r"""$\ddot g + 2 \alpha \dot g + \beta^2 g$ at the acceleration $a$, shape `(m,)`: zero on a motion."""
        t = jnp.asarray(t, q.dtype)

        def first_order(t, q, v):
            g, g_dot = jax.jvp(self, (t, q), (jnp.ones_like(t), v))
            return g_dot, g

        g_dot, g_ddot, g = jax.jvp(first_order, (t, q, v), (jnp.ones_like(t), v, a), has_aux=True)
        return g_ddot + 2 * self.damping * g_dot + self.stiffness**2 * g


class SaddlePoint(eqx.Module):
    r"""The equations $M a = b + G^\top \lambda$, $G a = -s$, solved by the Schur complement $S = G M^{-1} G^\top$.

    $M^{-1}$ stands for whatever the mass solve makes of $M$. It must be invertible along the constraint forces: mass
    that only the constraints supply is not found.
    """

    G: Jacobian
    response: Float[Array, "m dof"]
    r"""$G M^{-1}$: the accelerations that unit multipliers cause."""
    schur: Float[Array, "m m"]
    r"""$S^{-1}$; of redundant constraints the pseudoinverse in their natural units."""

    @classmethod
    def of(cls, mass_solve: AbstractMassSolve, factor: PyTree, G: Jacobian) -> "SaddlePoint":
        response = jax.vmap(mass_solve.apply, (None, 0))(factor, G)
        return cls(G, response, natural_inverse(response @ G.T))

    def constrain(self, free: Coordinates, s: Multipliers) -> tuple[Coordinates, Multipliers]:
        r"""$a$ and $\lambda$, given the acceleration $M^{-1} b$ without constraints."""
        multipliers = -(self.schur @ (s + self.G @ free))
        return free + multipliers @ self.response, multipliers
