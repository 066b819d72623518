"""Time transformation: variational integrators with steps that adapt to the motion."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .._types import Coordinates, Lagrangian, Scalar, State, Times, Trajectory
from .term import EulerLagrangeTerm


class TimeTransformation(eqx.Module):
    r"""Time transformation $dt = g(q)\, d\tau$ of a conservative motion: equal steps in $\tau$ are steps $g(q)$ in t.

    A variational integrator with error-controlled step sizes loses its conservation laws, because its steps no longer
    come from one action. A time transformation keeps them. For a motion of energy E,

    $$\tilde L(q, q') = g(q) \Bigl[ L\bigl(q, \tfrac{q'}{g(q)}\bigr) + E \Bigr], \qquad q' = g v,$$

    is a Lagrangian with the same orbits. (Its Hamiltonian is $g(q) (H(q, p) - E)$, whose flow at the value zero is that
    of H: Poincaré; Hairer 1997, eq. 6.) The steps in $\tau$ are constant, so a symplectic and reversible method stays
    symplectic and reversible. Physical time is an additional coordinate s with $s' = g(q)$: a unit mass driven by the
    force $\nabla g \cdot q'$, without effect on the others.

    E must be constant, so there may be no forces, and the Lagrangian must not depend on time. `term()` gives the
    Lagrangian and the force for a `NeuralLagrangian` with one more coordinate. `inward(y0)` is its initial state, and
    `outward(rows)` converts its rollout to physical times and states.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`, without explicit time dependence.
    - `rate`: g, callable `q -> scalar`, positive. Steps in t are proportional to it.
    - `energy`: E, `mechanics.energy(lagrangian, t, q, v)` of the initial state, in the units of the Lagrangian.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> planet = nl.systems.Kepler()  # semi-major axis 1, energy -1/2, period 2 pi
    >>> transformed = nl.mechanics.TimeTransformation(planet.lagrangian, jnp.linalg.norm, -0.5)
    >>> term, start = transformed.term(), transformed.inward(jnp.array([0.5, 0.0, 0.0, 3**0.5]))
    >>> model = nl.NeuralLagrangian.from_lagrangian(term.lagrangian, nl.GalerkinGaussLobatto(2), force=term.force)
    >>> ts, ys = transformed.outward(model(jnp.linspace(0.0, 2 * jnp.pi, 21), start))
    >>> round(float(ts[-1]), 3), round(float(ys[-1, 0]), 3)
    (6.283, 0.5)
    ```
    """

    lagrangian: Lagrangian
    rate: Callable[[Coordinates], Scalar]
    energy: ArrayLike

    def term(self) -> EulerLagrangeTerm:
        r"""The equations of motion of $[q, s]$ in $\tau$, as a diffrax term."""
        return EulerLagrangeTerm(self._lagrangian, self._force)

    def inward(self, y: State, t: ArrayLike = 0.0) -> Float[Array, " transformed"]:
        """Convert the state $[q, v]$ at time t to the transformed state $[q, s, q', s']$, shape `(2 dof + 2,)`."""
        q, v = jnp.split(y, 2)
        g = self.rate(q)
        return jnp.concatenate([q, jnp.asarray(t, q.dtype)[None], g * v, g[None]])

    def outward(self, rows: Float[Array, "time transformed"]) -> tuple[Times, Trajectory]:
        """Convert transformed states to physical times, shape `(time,)`, and states [q, v], shape `(time, 2 dof)`."""
        q_s, rates = jnp.split(rows, 2, axis=1)
        q = q_s[:, :-1]
        return q_s[:, -1], jnp.concatenate([q, rates[:, :-1] / jax.vmap(self.rate)(q)[:, None]], axis=1)

    def _lagrangian(self, tau: ArrayLike, q_s: Array, rates: Array) -> Scalar:
        q, s_dot = q_s[:-1], rates[-1]
        g = self.rate(q)
        return g * (self.lagrangian(tau, q, rates[:-1] / g) + self.energy) + 0.5 * s_dot**2

    def _force(self, tau: ArrayLike, q_s: Array, rates: Array) -> Coordinates:
        _, g_dot = jax.jvp(self.rate, (q_s[:-1],), (rates[:-1],))
        return jnp.zeros_like(q_s).at[-1].set(g_dot)
