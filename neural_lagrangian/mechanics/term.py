"""A Lagrangian and its forces as a diffrax term."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PyTree

from .._checks import no_args, same_precision
from .._types import Coordinates, Force, Lagrangian, State
from .arguments import regular_coordinates, scalar_valued, vector_valued
from .constraints import HolonomicConstraint
from .euler_lagrange import acceleration
from .mass_solves import AbstractMassSolve


class TangentPoint(eqx.Module):
    """A position and a velocity, at which `EulerLagrangeTerm.vf` returns momentum and force.

    - `q`, `v`: shape `(dof,)`.

    For a state array `vf` returns the rate of change instead.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> term = nl.EulerLagrangeTerm(lambda t, q, v: v @ v - 5.0 * q @ q)  # 2 kg on a spring of 10 N/m
    >>> p, f = term.vf(0.0, nl.mechanics.TangentPoint(jnp.array([1.0]), jnp.array([3.0])), None)
    >>> p.tolist(), f.tolist()
    ([6.0], [-10.0])
    ```
    """

    q: Coordinates
    v: Coordinates


class EulerLagrangeTerm(diffrax.AbstractTerm):
    r"""The equations of motion of a Lagrangian with forces, as a diffrax term for `diffrax.diffeqsolve`.

    For ordinary solvers the vector field on states $y = [q, v]$ is $\dot y = [v, a]$, with $a$ from `acceleration`.
    Variational solvers pass a `TangentPoint` in place of $y$ and receive momentum and force,

    $$p = \frac{\partial L}{\partial v}, \qquad f = \frac{\partial L}{\partial q} + Q.$$

    They never invert the mass matrix.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`.
    - `force`: optional callable `(t, q, v) -> (dof,)`, the generalised force $Q$.
    - `constraint`, `mass_solve`: as for `acceleration`. Variational solvers take no constraint.
    - `solved`: optional callable `(t, q, v) -> (dof,)`, the acceleration in closed form. It replaces the solution of
      the Euler-Lagrange equations.

    **Example:**

    ```python
    >>> import diffrax, jax.numpy as jnp, neural_lagrangian as nl
    >>> term = nl.EulerLagrangeTerm(lambda t, q, v: 0.5 * v @ v - 0.5 * q @ q)  # an oscillator of period 2 pi
    >>> solver, y0 = nl.GalerkinGaussLobatto(2), jnp.array([1.0, 0.0])
    >>> solution = diffrax.diffeqsolve(term, solver, t0=0.0, t1=2 * jnp.pi, dt0=jnp.pi / 10, y0=y0)
    >>> round(float(solution.ys[-1, 0]), 3)
    1.0
    ```
    """

    lagrangian: Lagrangian
    force: Force | None = None
    constraint: HolonomicConstraint | None = eqx.field(default=None, kw_only=True)
    mass_solve: AbstractMassSolve | None = eqx.field(default=None, kw_only=True)
    solved: Force | None = eqx.field(default=None, kw_only=True)

    def __check_init__(self):
        for name, value, called in (("lagrangian", self.lagrangian, True), ("force", self.force, False)):
            if not callable(value) and (called or value is not None):
                raise ValueError(f"`{name}` is {value!r}; expected a callable (t, q, v)")

    def vf(self, t: ArrayLike, y: Any, args: PyTree) -> Any:
        """The rate of change of a state, or the momentum and force at a `TangentPoint`.

        Ordinary solvers use the first, variational solvers the second.

        **Arguments:**

        - `t`: time, a scalar, in seconds. `args`: must be None.
        - `y`: a state $[q, v]$, an array of shape `(2 dof,)`; or a `TangentPoint` with $q$ and $v$ of shape `(dof,)`.

        **Returns:** for a state: its rate of change $[v, a]$, shape `(2 dof,)`. For a `TangentPoint`: the tuple
        $(p, f)$ of momentum and force, each of shape `(dof,)`.

        **Raises:** `ValueError` if `args` is not None, or, for a `TangentPoint`, if there is a `constraint`.
        """
        no_args(args)
        if isinstance(y, TangentPoint):
            return self._covectors(t, y.q, y.v)
        q, v = jnp.split(y, 2)
        if self.solved is not None:
            a = self.solved(t, q, v)
        else:
            parts = {"force": self.force, "constraint": self.constraint, "mass_solve": self.mass_solve}
            a = acceleration(self.lagrangian, t, q, v, **parts)
        return jnp.concatenate([v, same_precision(a, v)])

    def contr(self, t0: ArrayLike, t1: ArrayLike, **kwargs: Any) -> ArrayLike:
        return t1 - t0  # pyright: ignore[reportOperatorIssue]

    def prod(self, vf: State, control: ArrayLike) -> State:
        return vf * jnp.asarray(control, vf.dtype)

    def _covectors(self, t: ArrayLike, q: Array, v: Array) -> tuple[Coordinates, Coordinates]:
        if self.constraint is not None:
            raise ValueError(
                "`constraint` is given, but variational solvers take no constraint; expected `constraint=None`, or "
                "another solver such as diffrax.Tsit5()"
            )
        t, q, v = regular_coordinates(t, q, v, self.lagrangian, self.force)
        f, p = jax.grad(scalar_valued(self.lagrangian), argnums=(1, 2))(t, q, v)
        f = f if self.force is None else f + vector_valued(self.force)(t, q, v)
        return same_precision(p, v), same_precision(f, v)
