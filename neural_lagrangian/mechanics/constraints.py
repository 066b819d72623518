r"""Holonomic constraints $g(t, q) = 0$, and the saddle-point equations for the constrained acceleration:

$$M a = b + G^\top \lambda, \qquad G a = -(\gamma + 2 \alpha \dot g + \beta^2 g), \qquad
  G = \frac{\partial g}{\partial q}, \quad \ddot g = G a + \gamma.$$

The second equation is $\ddot g + 2 \alpha \dot g + \beta^2 g = 0$ (Baumgarte 1972): $g$ and $\dot g$ stay zero along a
motion, and constraint errors caused by the integration decay.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree

from .._types import Coordinates
from ..numerics import natural_inverse, symmetric_scales
from .mass_solves import AbstractMassSolve

Multipliers = Float[Array, " m"]
"""Lagrange multipliers, or values of the constraints: one for each constraint."""
Jacobian = Float[Array, "m dof"]


class HolonomicConstraint(eqx.Module):
    r"""Holonomic constraints: $m$ equations $g(t, q) = 0$ between the coordinates, such as rods of fixed length.

    Pass it as `constraint=` to `acceleration` or to `NeuralLagrangian`. The constraint force is $G^\top \lambda$ with
    $G = \partial g / \partial q$. By d'Alembert's principle it does no work on displacements that the constraints
    allow. Initial states must satisfy $g = 0$ and $\dot g = 0$; use `project` to correct them.

    Constraint errors caused by the integration decay at the rates `damping` and `stiffness` (Baumgarte stabilisation),
    in 1/s. The default of 10 /s suits motion with rates of about 1 /s, such as a pendulum of one metre. For other
    motion choose about ten times its fastest rate, but less than one over the step size. If the rates are too small,
    the constraints drift; if they are too large, the equations are stiff.

    (Baumgarte 1972, eq. 11, for the stabilisation; Finzi, Wang and Wilson 2020, section 4, for constraints in learned
    dynamics.)

    **Arguments:**

    - `g`: callable `(t, q) -> (m,)`, twice differentiable. If it is an Equinox module, its arrays (such as rod lengths)
      are trained with the model. Constraints may be redundant: the motion is unique, and $\lambda$ is the solution of
      minimum norm in the natural units of the constraints.
    - `damping`: $\alpha \ge 0$, `stiffness`: $\beta \ge 0$, in one over the unit of time (1/s). Equal values damp
      critically: errors decay as $e^{-\alpha t}$. Zeros switch the stabilisation off.

    **Raises:** `ValueError` if `g` is not callable or a rate is negative.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> weight = lambda t, q, v: 0.5 * v @ v - 10.0 * q[1]
    >>> rod = nl.mechanics.HolonomicConstraint(lambda t, q: jnp.array([q @ q - 1.0]))  # length 1 m, from the origin
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
                raise ValueError(f"`{name}` is {rate!r}; expected a finite number >= 0, in 1/s")

    def __call__(self, t: ArrayLike, q: Array) -> Multipliers:
        """The constraint values $g(t, q)$, shape `(m,)`; zero if the constraints are satisfied."""
        g = jnp.asarray(self.g(t, q))
        if g.ndim != 1 or g.dtype != q.dtype:
            raise ValueError(f"`g` returned shape {g.shape}, dtype {g.dtype}; expected (m,), of dtype {q.dtype}")
        return g

    def jacobian(self, t: ArrayLike, q: Array) -> Jacobian:
        r"""The Jacobian $G = \partial g / \partial q$, shape `(m, dof)`."""
        return jax.jacrev(self, argnums=1)(t, q)

    def velocity(self, t: ArrayLike, q: Array, v: Array) -> Multipliers:
        r"""The rate of change $\dot g = G v + \partial g / \partial t$, shape `(m,)`."""
        t = jnp.asarray(t, q.dtype)
        return jax.jvp(self, (t, q), (jnp.ones_like(t), v))[1]

    def force(self, t: ArrayLike, q: Array, multipliers: Array) -> Coordinates:
        r"""The constraint force $G^\top \lambda$, a generalised force, shape `(dof,)`."""
        return jax.vjp(lambda q: self(t, q), q)[1](multipliers)[0]

    def residual(self, t: ArrayLike, q: Array, v: Array, a: Array) -> Multipliers:
        r"""Residual of the constraint equations at the acceleration $a$, shape `(m,)`; zero along a motion:

        $$\ddot g + 2 \alpha \dot g + \beta^2 g.$$
        """
        t = jnp.asarray(t, q.dtype)

        def first_order(t, q, v):
            g, g_dot = jax.jvp(self, (t, q), (jnp.ones_like(t), v))
            return g_dot, g

        g_dot, g_ddot, g = jax.jvp(first_order, (t, q, v), (jnp.ones_like(t), v, a), has_aux=True)
        return g_ddot + 2 * self.damping * g_dot + self.stiffness**2 * g


class SaddlePoint(eqx.Module):
    r"""The equations $M a = b + G^\top \lambda$, $G a = -s$, solved by the Schur complement $S = G M^{-1} G^\top$.

    $M^{-1}$ is the mass solve. It must be invertible along the constraint forces.
    """

    G: Jacobian
    response: Float[Array, "m dof"]
    r"""$G M^{-1}$: the accelerations caused by unit multipliers."""
    schur: Float[Array, "m m"]
    r"""$S^{-1}$. For redundant constraints: the pseudoinverse in natural units."""

    @classmethod
    def of(cls, mass_solve: AbstractMassSolve, factor: PyTree, G: Jacobian) -> "SaddlePoint":
        response = jax.vmap(mass_solve.apply, (None, 0))(factor, G)
        S = response @ G.T
        r = jax.lax.stop_gradient(symmetric_scales(S))
        r = jnp.where(r > 0, r, 1)
        units = r[:, None] * r[None]
        return cls(G, response, natural_inverse(S / units) / units)

    def constrain(self, free: Coordinates, s: Multipliers) -> tuple[Coordinates, Multipliers]:
        r"""The acceleration $a$ and the multipliers $\lambda$, from the unconstrained acceleration $M^{-1} b$."""
        multipliers = -(self.schur @ (s + self.G @ free))
        return free + multipliers @ self.response, multipliers
