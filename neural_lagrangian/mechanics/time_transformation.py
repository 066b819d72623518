"""Steps that adapt to the motion and stay variational: the motion in another time."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .._types import Coordinates, Lagrangian, Scalar, State, Times, Trajectory
from .term import EulerLagrangeTerm


class TimeTransformation(eqx.Module):
    r"""A conservative motion in a time $\tau$ with $dt = g(q)\, d\tau$: equal steps in $\tau$ are steps $g(q)$ in t.

    Step sizes chosen from the last step's error make a variational integrator lose what it conserves, for then the step
    is no longer the map of one action. This keeps it: along a motion of energy E,

    $$\tilde L(q, q') = g(q) \Bigl[ L\bigl(q, \tfrac{q'}{g(q)}\bigr) + E \Bigr], \qquad q' = g v,$$

    is a Lagrangian with the same orbits, since its Hamiltonian is $g(q) (H(q, p) - E)$, whose flow at the value zero
    is that of H (Poincaré; Hairer 1997, eq. 6). Constant steps of a symplectic, reversible method stay just that.
    Physical time is one more coordinate s, with $s' = g(q)$: a mass of one that the force $\nabla g \cdot q'$ drives,
    and that acts on nothing.

    Not for forces, nor for a Lagrangian that depends on time: E has to be a constant. `term()` gives the Lagrangian and
    the force for a `NeuralLagrangian` of one coordinate more; `inward(y0)` is the state that it starts from, and
    `outward(rows)` turns its rollout into physical times and states.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`, without explicit time.
    - `rate`: g, callable `q -> scalar`, positive: how fast time may pass there.
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
        r"""The motion of $[q, s]$ in $\tau$, for any diffrax solver."""
        return EulerLagrangeTerm(self._lagrangian, self._force)

    def inward(self, y: State, t: ArrayLike = 0.0) -> Float[Array, " transformed"]:
        """The state $[q, s, q', s']$, shape `(2 dof + 2,)`, of the state $[q, v]$ at time t."""
        q, v = jnp.split(y, 2)
        g = self.rate(q)
        return jnp.concatenate([q, jnp.asarray(t, q.dtype)[None], g * v, g[None]])

    def outward(self, rows: Float[Array, "time transformed"]) -> tuple[Times, Trajectory]:
        r"""Physical times, shape `(time,)`, and states $[q, v]$ then, shape `(time, 2 dof)`, of rows in $\tau$."""
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
