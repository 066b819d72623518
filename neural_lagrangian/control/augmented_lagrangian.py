"""State constraints of trajectory optimisation: the augmented Lagrangian method."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from .iterative_lqr import Iterate, Problem, solve

PENALTIES = (10.0, 100.0, 1e3, 1e4, 1e5)
"""Penalties $\\rho$, one for each round of the method."""


def constrained(
    problem: Problem,
    constraint: Callable[..., Array],
    ts: Array,
    y0: Array,
    us: Array,
    *,
    iterations: int,
    tolerance: float,
) -> tuple[Iterate, Array]:
    r"""Minimise the cost of a problem where `constraint(t, y) <= 0`, shape `(p,)`, at each state $y_k$.

    Each round minimises the cost plus $\sum_k \big(|\max(\lambda_k + \rho\, c_k, 0)|^2 - |\lambda_k|^2\big) / 2 \rho$,
    and then updates the multipliers, $\lambda_k \leftarrow \max(\lambda_k + \rho\, c_k, 0)$. (Nocedal and Wright 2006,
    section 17.3; for iLQR: Howell, Jackson and Manchester 2019.)

    **Returns:** the last iterate, and the largest violation.
    """
    violations = jax.vmap(constraint)

    def one_round(carry, penalty):
        us, multipliers = carry

        def term(k, y):
            c, multiplier = constraint(ts[k], y), multipliers[k]
            return (jnp.sum(jnp.maximum(multiplier + penalty * c, 0) ** 2) - jnp.sum(multiplier**2)) / (2 * penalty)

        def running(k, y, u):
            return problem.running(k, y, u) + term(k, y)

        def final(y):
            return problem.final(y) + term(us.shape[0], y)

        penalised = Problem(problem.step, running, final, problem.lower, problem.upper)
        best = solve(penalised, y0, us, iterations=iterations, tolerance=tolerance)
        c = violations(ts, best.ys)
        return (best.us, jnp.maximum(multipliers + penalty * c, 0)), (best, jnp.maximum(jnp.max(c), 0))

    none = jnp.zeros((len(ts), *jax.eval_shape(constraint, ts[0], y0).shape), y0.dtype)
    _, rounds = jax.lax.scan(one_round, (us, none), jnp.asarray(PENALTIES, y0.dtype))
    return jax.tree.map(lambda x: x[-1], rounds)
