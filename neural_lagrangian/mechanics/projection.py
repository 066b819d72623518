r"""Projection of measured, perturbed or guessed states onto constraints."""

import jax
import jax.numpy as jnp
import lineax as lx
import optimistix as optx
from jaxtyping import Array, ArrayLike

from .._checks import floating
from .._types import Coordinates, MassMatrix
from ..numerics import natural_inverse
from .arguments import as_coordinates
from .constraints import HolonomicConstraint

ONTO_STEPS = 4
"""Number of first steps, which only move the coordinates onto the constraints."""
NEAREST_STEPS = 24
"""Number of further steps towards the nearest point. Newton's method alone may end on the far side of a rod."""
MAX_NEWTON_STEPS = 64
"""Number of Newton steps after which the projection fails and gives NaN."""


def project(
    constraint: HolonomicConstraint, t: ArrayLike, q: ArrayLike, v: ArrayLike, *, metric: ArrayLike | None = None
) -> tuple[Coordinates, Coordinates]:
    r"""Project a state onto the constraints: the nearest coordinates first, then the nearest velocities,

    $$q' = \arg\min_{g(t, q') = 0} (q' - q)^\top W (q' - q), \qquad
      v' = \arg\min_{G(q') v' + \partial_t g = 0} (v' - v)^\top W (v' - v).$$

    The result is differentiable with respect to `q`, `v` and the arrays of the constraint.

    **Arguments:**

    - `constraint`: a `HolonomicConstraint`; it may be redundant.
    - `t`: time, in seconds. `q`, `v`: coordinates and velocities, shape `(dof,)`.
    - `metric`: $W$, symmetric positive definite, shape `(dof, dof)`. `None` means the identity: the result then depends
      on the units of the coordinates. With the mass matrix it does not, and the velocity changes as by an impulsive
      constraint force (an inelastic impact).

    **Returns:** $q'$ and $v'$, shape `(dof,)` each; NaN if no state on the constraints was found.

    **Raises:** `ValueError` if `constraint` is not a `HolonomicConstraint`, or for a wrong shape.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> rod = nl.mechanics.HolonomicConstraint(lambda t, q: jnp.array([q @ q - 1.0]))
    >>> q, v = nl.mechanics.project(rod, 0.0, jnp.array([0.0, -1.2]), jnp.array([2.0, 0.1]))
    >>> print(jnp.round(q, 3), jnp.round(v, 3))
    [ 0. -1.] [2. 0.]
    ```
    """
    if not isinstance(constraint, HolonomicConstraint):
        raise ValueError(f"`constraint` is {constraint!r}; expected a HolonomicConstraint(g)")
    t, q, v = as_coordinates(t, q, v)
    n = q.shape[0]
    W = jnp.eye(n, dtype=q.dtype) if metric is None else floating("metric", metric, (n, n)).astype(q.dtype)
    q_new = _nearest_coordinates(constraint, t, q, W)
    drift = constraint.velocity(t, q_new, v)
    return q_new, v - _least(constraint.jacobian(t, q_new), drift, W)[0]


def _nearest_coordinates(constraint: HolonomicConstraint, t: Array, q: Coordinates, W: MassMatrix) -> Coordinates:
    # Solves the stationarity equations W (x - q) = G(x)^T mu, g(x) = 0.

    def approach(x, towards):
        # A Gauss-Newton step onto the linearised constraints; with `towards` = 1 also along them towards q.
        G = constraint.jacobian(t, x)
        back = towards * (q - x)
        return x + back - _least(G, constraint(t, x) + G @ back, W)[0], None

    x, _ = jax.lax.scan(approach, q, jnp.asarray([0] * ONTO_STEPS + [1] * NEAREST_STEPS, q.dtype))
    G = constraint.jacobian(t, x)
    mu = _least(G, G @ (x - q), W)[1]
    x_size, mu_size, energy = _natural_sizes(G, q, x, W)

    def stationary(unknowns, args):
        t, q, W = args
        x, mu = unknowns[0] * x_size, unknowns[1] * mu_size
        pull = (W @ (x - q) - constraint.force(t, x, mu)) * x_size
        return pull / energy, constraint(t, x) * mu_size / energy

    tolerance = 100 * float(jnp.finfo(q.dtype).eps)
    solution = optx.root_find(
        stationary,
        optx.Newton(tolerance, tolerance, linear_solver=lx.AutoLinearSolver(well_posed=False)),
        (x / x_size, mu / mu_size),
        args=(t, q, W),
        adjoint=optx.ImplicitAdjoint(lx.AutoLinearSolver(well_posed=False)),
        max_steps=MAX_NEWTON_STEPS,
        throw=False,
    )
    x = solution.value[0] * x_size
    # Newton's method reports divergence if it starts at the solution, so test the size of one more step instead.
    left = jnp.max(jnp.abs(approach(x, jnp.ones((), q.dtype))[0] - x) / x_size)
    return jnp.where(left <= 10 * tolerance, x, jnp.nan)


def _natural_sizes(G: Array, q: Coordinates, x: Coordinates, W: MassMatrix) -> tuple[Coordinates, Array, Array]:
    """Scales of the coordinates, the multipliers and the squared distance, so that all unknowns are of order one."""
    G, q, x, W = jax.lax.stop_gradient((G, q, x, W))
    per_unit = jnp.sqrt(jnp.diagonal(W))
    length = jnp.max(per_unit * jnp.maximum(jnp.abs(q), jnp.abs(x)))
    length = jnp.where((length > 0) & jnp.isfinite(length), length, 1)
    x_size = length / per_unit
    row = jnp.max(jnp.abs(G) * x_size[None], axis=1)
    return x_size, length**2 / jnp.where(row > 0, row, 1), length**2


def _least(G: Array, g: Array, W: MassMatrix) -> tuple[Coordinates, Array]:
    r"""The step $d = W^{-1} G^\top \mu$ of minimum norm with $G d = g$, and $\mu$."""
    response = jnp.linalg.solve(W, G.T)
    mu = natural_inverse(G @ response) @ g
    return response @ mu, mu
