"""Work against precision: error of a rollout at its end against evaluations of the right-hand side.

The true double pendulum in double precision, fixed steps and adaptive ones; the reference is Dopri8 at 1e-13.
"""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from neural_lagrangian import analysis
from neural_lagrangian.integrators import RK4, Integration
from neural_lagrangian.systems import DoublePendulum

FIXED = {"Euler": diffrax.Euler(), "Heun": diffrax.Heun(), "RK4": RK4()}
FIXED |= {"Tsit5": diffrax.Tsit5(), "Dopri8": diffrax.Dopri8()}
ADAPTIVE = {"Tsit5": diffrax.Tsit5(), "Dopri5": diffrax.Dopri5(), "Dopri8": diffrax.Dopri8()}
SPAN = 5.0
COLUMNS = {
    "contender": "solver",
    "work": "steps or tolerance",
    "steps": "steps taken",
    "evaluations": "evaluations",
    "error": "error at 5 s",
    "energy_error": "energy error",
    "order": "order",
}


def test_work_precision(report, quick):
    with jax.enable_x64(True):
        rows = _rows(quick)
    report.table("work_precision", "Work against precision (double pendulum, 5 s, 8 starts)", rows, COLUMNS)
    figure, ax = plt.subplots(layout="constrained")
    names = dict.fromkeys(row["contender"] for row in rows)
    points = {k: [(r["evaluations"], r["error"]) for r in rows if r["contender"] == k] for k in names}
    analysis.plot_work_precision(points, error="median error of the state at 5 s", ax=ax)
    report.figure("work_precision", figure)
    plt.close(figure)


def _rows(quick):
    base = DoublePendulum()
    y0s = base.sample_states(jax.random.key(0), 8)
    ts = jnp.asarray([0.0, SPAN])

    @eqx.filter_jit
    def final(solver, controller, dt0):
        system = DoublePendulum(
            integration=Integration(solver, stepsize_controller=controller, dt0=dt0, max_steps=20_000)
        )
        solution = jax.vmap(lambda y0: system.solve(ts, y0))(y0s)
        return solution.ys[:, -1], solution.stats["num_steps"]

    reference, _ = final(diffrax.Dopri8(), diffrax.PIDController(rtol=1e-13, atol=1e-13), None)
    energy = jax.vmap(lambda y: base.energy(0.0, *jnp.split(y, 2)))

    def row(name, solver, work, controller, dt0):
        ys, steps = final(solver, controller, dt0)
        error = float(jnp.median(jnp.abs(ys - reference).max(axis=1)))
        drift = float(jnp.median(jnp.abs(energy(ys) - energy(reference))) / base.energy_scale)
        stages = 1 if isinstance(solver, diffrax.Euler) else len(solver.tableau.b_sol) - int(solver.tableau.fsal)
        steps = float(jnp.mean(steps))
        return {
            "contender": name,
            "work": work,
            "steps": steps,
            "evaluations": steps * stages,
            "error": error,
            "energy_error": drift,
            "dtype": str(ys.dtype),
        }

    rows = []
    for name in ("RK4", "Tsit5") if quick else FIXED:
        solver = FIXED[name]
        counts = (100, 200) if quick else (50, 100, 200, 400, 800, 1600)
        for count in counts:
            rows.append(row(f"{name}, fixed", solver, count, diffrax.ConstantStepSize(), jnp.asarray(SPAN / count)))
        ours = [r for r in rows if r["contender"] == f"{name}, fixed" and r["error"] > 1e-11]
        if len(ours) > 2:
            ours[-1]["order"] = float(np.log2(ours[-2]["error"] / ours[-1]["error"]))
    for name in ("Tsit5",) if quick else ADAPTIVE:
        solver = ADAPTIVE[name]
        for tolerance in (1e-6,) if quick else (1e-3, 1e-5, 1e-7, 1e-9, 1e-11):
            controller = diffrax.PIDController(rtol=jnp.asarray(tolerance), atol=jnp.asarray(tolerance))
            rows.append(row(f"{name}, adaptive", solver, tolerance, controller, None))
    return rows
