"""What a user waits for before the first step: tracing and compiling, beside the published formula's."""

import statistics

import jax
import jax.numpy as jnp

from neural_lagrangian.mechanics import Cholesky

from .contenders import PublishedFormula, lagrangian_network, network, neural_ode, rollout_loss, states
from .harness import compiled

COLUMNS = {
    "contender": "trajectory loss, 128 x 2, 20 steps",
    "dof": "n",
    "trace_seconds": "trace",
    "compile_seconds": "compile",
    "total_seconds": "both",
    "ratio": "/ published formula",
}


def test_compile_time(report, quick):
    rows = []
    for dof in (2,) if quick else (2, 8):
        ts = jnp.linspace(0.0, 1.0, 21)
        ys = jnp.broadcast_to(states(dof, 100)[:, None], (100, 21, 2 * dof))
        makers = {
            "published formula": lambda dof: PublishedFormula(network(dof, 128)),
            "LNN, pseudoinverse": lambda dof: lagrangian_network(dof, 128),
            "LNN, Cholesky": lambda dof: lagrangian_network(dof, 128, mass_solve=Cholesky()),
            "NODE": lambda dof: neural_ode(dof, 128),
        }
        if quick:
            makers = dict(list(makers.items())[:2])
        taken = {(name, kind): [] for name in makers for kind in ("forward", "gradient")}
        for _ in range(1 if quick else 2):
            for name, make in makers.items():
                loss, params = rollout_loss(make(dof), ts, ys)
                for kind, fn in {"forward": loss, "gradient": jax.value_and_grad(loss)}.items():
                    jax.clear_caches()
                    _, record = compiled(fn, params)
                    taken[name, kind].append((record["trace_seconds"], record["compile_seconds"]))
        for (name, kind), times in taken.items():
            trace, compile_ = (statistics.median(column) for column in zip(*times, strict=True))
            rows.append(
                {"contender": f"{name}, {kind}", "dof": dof, "trace_seconds": trace, "compile_seconds": compile_}
                | {"total_seconds": trace + compile_}
            )
        for kind in ("forward", "gradient"):
            base = next(r for r in rows if r["dof"] == dof and r["contender"] == f"published formula, {kind}")
            for row in rows:
                if row["dof"] == dof and row["contender"].endswith(kind):
                    row["ratio"] = row["total_seconds"] / base["total_seconds"]
    report.table("compile", "Compile time", rows, COLUMNS)
