"""Would an acceleration that does not form the mass matrix pay? Counted: products with the hidden weight matrix.

A step of six stages forms M once, at its first stage: n + 3 products. Each later stage solves M a = b by conjugate
gradients, with the first M as preconditioner and the first acceleration as start. A product M p is one residual at a
trial acceleration, two products; b needs two more. Today every stage forms M: 6 (n + 3) products.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

STAGES = 6
ERROR = 1e-6
"""Relative error of a direct solve in single precision."""
COLUMNS = {
    "lagrangian": "Lagrangian",
    "dof": "n",
    "median": "residuals of a stage, median",
    "worst": "the worst of 50 states",
    "products": "products / today's, median",
    "products_of_batch": "the same of a batch, which waits for its worst",
}


def chain(n):
    """Pendulums of 1 m and 1 kg, one hanging from the other, in absolute angles."""

    def lagrangian(q, v):
        x, y = jnp.cumsum(jnp.cos(q) * v), jnp.cumsum(jnp.sin(q) * v)
        return 0.5 * (x @ x + y @ y) + 9.81 * jnp.sum(jnp.cumsum(jnp.cos(q)))

    return lagrangian


def network(n):
    """A free-form network before its training: nearly the kinetic prior."""
    mlp = eqx.nn.MLP(2 * n, "scalar", 128, 2, jax.nn.softplus, key=jax.random.key(0))
    return lambda q, v: mlp(jnp.concatenate([q, v])) + 0.5 * v @ v


def residuals(make, n, h, count):
    """Number of residuals in the last stage of a step of length `h`, for `count` states."""
    L = make(n)

    @jax.jit
    def equations(q, v):
        drift = jax.jvp(lambda q: jax.grad(L, 1)(q, v), (q,), (v,))[1]
        return jax.hessian(L, 1)(q, v), jax.grad(L, 0)(q, v) - drift

    rng, found = np.random.default_rng(0), []
    for _ in range(count):
        q, v = rng.uniform(-0.8, 0.8, n), 0.5 * rng.normal(size=n)
        before, b = map(np.asarray, equations(q, v))
        a = np.linalg.solve(before, b)
        M, b = map(np.asarray, equations(q + h * v + h * h / 2 * a, v + h * a))
        exact, number = np.linalg.solve(M, b), 1
        r = b - M @ a
        p = z = np.linalg.solve(before, r)
        while np.abs(a - exact).max() > ERROR * np.abs(exact).max():
            Mp, number = M @ p, number + 1
            step = (r @ z) / (p @ Mp)
            a, after = a + step * p, r - step * Mp
            z_after = np.linalg.solve(before, after)
            p, r, z = z_after + (after @ z_after) / (r @ z) * p, after, z_after
        found.append(number)
    return found


def test_without_mass_matrix(report, quick):
    rows = []
    with jax.enable_x64(True):
        for n in (8,) if quick else (8, 32, 128):
            for name, make, h in [
                ("chain of pendulums, steps of 0.02 s", chain, 0.02),
                ("chain of pendulums, steps of 0.05 s", chain, 0.05),
                ("untrained network, steps of 0.05 s", network, 0.05),
            ]:
                numbers = residuals(make, n, h, 5 if quick else 50)
                row = {"lagrangian": name, "dof": n, "median": float(np.median(numbers)), "worst": max(numbers)}
                for column, k in (("products", row["median"]), ("products_of_batch", row["worst"])):
                    row[column] = (n + 3 + (STAGES - 1) * (2 + 2 * k)) / (STAGES * (n + 3))
                rows.append(row)
        title = "Accelerations without the mass matrix, by conjugate gradients"
        report.table("without_mass_matrix", title, rows, COLUMNS, how="counted")
