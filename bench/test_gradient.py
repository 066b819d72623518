"""The gradient of a trajectory loss: 100 double-pendulum-sized rollouts of 20 Tsit5 steps.

Against the published formula, against its own forward solve, and by the adjoint that forms it.
"""

import diffrax
import jax
import jax.numpy as jnp

import neural_lagrangian as nl

from .contenders import (
    PublishedFormula,
    lagrangian_network,
    network,
    neural_ode,
    parameter_count,
    rollout_loss,
    rollout_targets,
)
from .harness import Contender, compiled

WIDTH, STEPS = 128, 20
COLUMNS = {
    "contender": "trajectory loss",
    "dof": "n",
    "batch": "batch",
    "seconds": "time",
    "ratio": "/ gradient",
    "flops": "operations of one pass of the loops",
    "error": "error",
    "temporary_bytes": "memory",
    "compile_seconds": "compile",
    "trace_seconds": "trace",
}


def _difference(a, b):
    pairs = zip(*map(jax.tree.leaves, (a, b)), strict=True)
    return max(float(jnp.abs(x - y).max() / jnp.abs(y).max()) for x, y in pairs)


def test_against_the_published_formula(compare, report, quick):
    """One run: ours, our forward solve, the published formula's, and a neural ODE's."""
    rows = []
    for dof, batch, rounds in [(2, 100, 3)] if quick else [(2, 100, 9), (8, 32, 5), (2, 1024, 2)]:
        ts, ys = rollout_targets(dof, batch, STEPS)
        ours, params = rollout_loss(lagrangian_network(dof, WIDTH), ts, ys)
        plain, plain_params = rollout_loss(PublishedFormula(network(dof, WIDTH)), ts, ys)
        node, node_params = rollout_loss(neural_ode(dof, WIDTH), ts, ys)
        size = {"dof": dof, "batch": batch}
        measured, outputs = compare(
            [
                Contender("LNN gradient", jax.value_and_grad(ours), (params,), dict(size)),
                Contender("LNN forward", ours, (params,), dict(size)),
                Contender("published formula, gradient", jax.value_and_grad(plain), (plain_params,), dict(size)),
                Contender("published formula, forward", plain, (plain_params,), dict(size)),
                Contender("NODE gradient", jax.value_and_grad(node), (node_params,), dict(size)),
                Contender("NODE forward", node, (node_params,), dict(size)),
            ],
            baseline="LNN gradient",
            rounds=rounds,
        )
        error = _difference(outputs["LNN gradient"][1], outputs["published formula, gradient"][1])
        measured[0]["error"] = error
        rows += measured
        assert error < 1e-4
    report.table("gradient", f"Gradient of a trajectory loss, {WIDTH} x 2, {STEPS} Tsit5 steps", rows, COLUMNS)


def test_kinds_of_steps(compare, report, quick):
    """Gradient over its own forward solve, and the published formula with the same steps, on each path of a rollout."""
    dof, batch, rows = 2, 100, []
    ts, ys = rollout_targets(dof, batch, STEPS)
    limit = nl.integrators.Integration().max_steps
    kinds = {
        "adaptive (default)": {"stepsize_controller": nl.integrators.AdaptiveSteps(1e-6), "dt0": 1 / STEPS},
        "constant steps": {"stepsize_controller": diffrax.ConstantStepSize(), "dt0": 1 / STEPS},
        "one step a sample": {"stepsize_controller": nl.StepsPerSample(1)},
    }
    for kind, steps in dict(list(kinds.items())[:1] if quick else kinds).items():
        ours, params = rollout_loss(lagrangian_network(dof, WIDTH, **steps), ts, ys)
        options = {} if kind == "one step a sample" else {"max_steps": limit}
        controller = None if not options else steps["stepsize_controller"]
        formula = PublishedFormula(network(dof, WIDTH), controller, steps.get("dt0"), **options)
        plain, plain_params = rollout_loss(formula, ts, ys)
        contenders = [
            Contender(f"LNN, {kind}, forward", ours, (params,)),
            Contender(f"LNN, {kind}, gradient", jax.value_and_grad(ours), (params,)),
            Contender(f"published formula, {kind}, gradient", jax.value_and_grad(plain), (plain_params,)),
        ]
        measured, outputs = compare(contenders, baseline=contenders[0].name, rounds=1 if quick else 5)
        measured[1]["error"] = _difference(*(outputs[contender.name][1] for contender in contenders[1:]))
        rows += measured
        assert measured[1]["error"] < 1e-3
    columns = {
        key: COLUMNS[key] for key in ("contender", "seconds", "temporary_bytes", "trace_seconds", "compile_seconds")
    }
    columns |= {"ratio": "/ forward", "error": "error"}
    report.table("steps", f"Kinds of steps, {WIDTH} x 2, n = {dof}, batch {batch}, {STEPS} intervals", rows, columns)


def test_ratio_by_parameters(standard, compare, report):
    """Gradient over forward for networks of 1 000 to 1 000 000 parameters, and what forward differences would cost."""
    rows = []
    ts, ys = rollout_targets(2, 100, STEPS)
    for width in (30, 128, 316, 1000):
        loss, params = rollout_loss(lagrangian_network(2, width), ts, ys)
        parameters = parameter_count(params)
        forward, gradient = compare(
            [Contender("LNN forward", loss, (params,)), Contender("LNN gradient", jax.value_and_grad(loss), (params,))],
            baseline="LNN forward",
            rounds=3 if width < 1000 else 2,
        )[0]
        differences = {"parameters": parameters, "differences": (parameters + 1) / gradient["ratio"]}
        rows.append({**gradient, **differences, "forward_seconds": forward["seconds"]})
    columns = {"parameters": "parameters", "forward_seconds": "forward", "seconds": "gradient", "ratio": "/ forward"}
    columns["differences"] = "forward differences / gradient"
    report.table("ratio", f"Gradient over forward, batch 100, {STEPS} Tsit5 steps, n = 2", rows, columns)


def test_adjoints(standard, compare, report):
    """The same loss and the same steps through each way of reversing them."""
    dof, batch = 2, 100
    ts, ys = rollout_targets(dof, batch, STEPS)
    to_samples = {"stepsize_controller": diffrax.StepTo(ts), "max_steps": STEPS}
    adaptive = {"stepsize_controller": diffrax.PIDController(rtol=1e-6, atol=1e-6), "max_steps": 256}
    checkpointed = {"adjoint": diffrax.RecursiveCheckpointAdjoint()}
    options = {
        "scan, stages kept (StepsPerSample)": {},
        "steps replayed": to_samples,
        "RecursiveCheckpointAdjoint": to_samples | checkpointed,
        "DirectAdjoint": to_samples | {"adjoint": diffrax.DirectAdjoint()},
        "steps replayed, adaptive": adaptive,
        "RecursiveCheckpointAdjoint, adaptive": adaptive | checkpointed,
        "BacksolveAdjoint, adaptive": adaptive | {"adjoint": diffrax.BacksolveAdjoint()},
    }
    models = {name: lagrangian_network(dof, WIDTH, **keywords) for name, keywords in options.items()}
    contenders = []
    for name, model in models.items():
        loss, params = rollout_loss(model, ts, ys)
        contenders.append(Contender(name, jax.value_and_grad(loss), (params,), {"dof": dof, "batch": batch}))
    rows, outputs = compare(contenders, baseline="scan, stages kept (StepsPerSample)", rounds=2)
    for row in rows[1:]:
        row["error"] = _difference(outputs[row["contender"]][1], outputs[rows[0]["contender"]][1])
    report.table("adjoints", "Ways of reversing the same rollout", rows, {**COLUMNS, "ratio": "/ scan"})


def test_batching(standard, compare, report):
    """One fixed-step scan over a `vmap`ped step (lockstep) against `vmap` of diffrax solves, and memory by size."""
    rows = []
    for batch in (10, 1000):
        ts, ys = rollout_targets(2, batch, STEPS)
        lockstep, params = rollout_loss(lagrangian_network(2, WIDTH), ts, ys)
        solves, solve_params = rollout_loss(
            lagrangian_network(2, WIDTH, stepsize_controller=diffrax.StepTo(ts), max_steps=STEPS), ts, ys
        )
        rows += compare(
            [
                Contender("lockstep scan", jax.value_and_grad(lockstep), (params,), {"dof": 2, "batch": batch}),
                Contender("vmap of solves", jax.value_and_grad(solves), (solve_params,), {"dof": 2, "batch": batch}),
            ],
            baseline="lockstep scan",
            rounds=3,
        )[0]
    report.table("batching", "A batch inside one scan, and a batch of solves", rows, {**COLUMNS, "ratio": "/ lockstep"})


def test_memory(report, quick):
    """Temporary memory of the gradient, by compilation alone: with the steps, and with batch times parameters."""
    rows = []
    sizes = [(20, 100, 128), (320, 100, 128), (20, 100, 512)]
    adjoints = {"scan, stages kept": None, "RecursiveCheckpointAdjoint": diffrax.RecursiveCheckpointAdjoint()}
    if quick:
        sizes, adjoints = sizes[:1], {"scan, stages kept": None}
    for steps, batch, width in sizes:
        for name, adjoint in adjoints.items():
            loss, params = rollout_loss(
                lagrangian_network(2, width, adjoint=adjoint), *rollout_targets(2, batch, steps)
            )
            _, record = compiled(jax.value_and_grad(loss), params)
            size = {"contender": name, "steps": steps, "batch": batch, "parameters": parameter_count(params)}
            rows.append(record | size | {"copies_bytes": 4 * batch * parameter_count(params)})
    columns = {"contender": "reversed by", "steps": "steps", "batch": "batch", "parameters": "parameters"}
    columns |= {"temporary_bytes": "memory", "copies_bytes": "a copy of the parameters for each sample"}
    report.table("memory", "Temporary memory of the gradient", rows, columns)
    # No parameter-sized cotangent for each sample.
    ours = [row for row in rows if row["contender"] == "scan, stages kept" and row["steps"] == 20]
    assert all(row["temporary_bytes"] < row["copies_bytes"] for row in ours)
