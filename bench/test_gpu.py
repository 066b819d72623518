"""The same functions on a GPU and on the CPU beside it: from which batch on it pays, and what its precisions do."""

import contextlib
import os
import platform

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import RK4
from neural_lagrangian.mechanics import Cholesky, PseudoInverse
from neural_lagrangian.models import with_precision
from neural_lagrangian.systems import DoublePendulum

from .contenders import (
    lagrangian_network,
    neural_ode,
    parameter_count,
    right_hand_side,
    rollout_loss,
    rollout_targets,
    states,
)
from .harness import Contender, matrix_multiply_rate, seconds_a_step

pytestmark = pytest.mark.gpu

WIDTH, STEPS = 128, 20
COLUMNS = {
    "contender": "what",
    "batch": "batch",
    "seconds": "GPU",
    "cpu_seconds": "CPU",
    "cpu_over_gpu": "CPU / GPU",
    "compile_seconds": "compile, GPU",
}


def devices():
    return {"GPU": jax.devices("gpu")[0], "CPU": jax.devices("cpu")[0]}


def cpu():
    """Name of the processor, and how many of its cores this process may use."""
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as lines:
        names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
        return f"{names[0] if names else platform.machine()}, {len(os.sched_getaffinity(0))} cores"
    return platform.machine()


def on_both(compare, name, make, batch, rounds=5):
    """One row: `make()` gives a function and its arguments; both devices in turns."""
    contenders = []
    for device_name, device in devices().items():
        with jax.default_device(device):
            fn, args = make()
        contenders.append(Contender(device_name, fn, jax.device_put(args, device)))
    (gpu, host), outputs = compare(contenders, baseline="GPU", rounds=rounds, least=0.02)
    a, b = (np.concatenate([np.ravel(x) for x in jax.tree.leaves(outputs[device])]) for device in ("GPU", "CPU"))
    apart = float(np.abs(a - b).max() / np.abs(b).max())
    assert apart < 1e-3, f"{name} at batch {batch}: GPU and CPU differ by {apart}"
    row = {"contender": name, "batch": batch, "cpu_seconds": host["seconds"], "cpu_over_gpu": host["ratio"]}
    return gpu | row | {"apart": apart, "cpu": cpu()}


@pytest.fixture(autouse=True)
def full_products():
    """Products of single precision in all its digits."""
    with jax.default_matmul_precision("highest"):
        yield


def test_gpu_against_cpu(compare, report, quick):
    def field(batch, dof=2, mass_solve=None):
        def make():
            fn, params = right_hand_side(lagrangian_network(dof, WIDTH, mass_solve=mass_solve or PseudoInverse()))
            return fn, (params, states(dof, batch))

        return make

    def gradient(model_of, batch):
        def make():
            loss, params = rollout_loss(model_of(2, WIDTH), *rollout_targets(2, batch, STEPS))
            return jax.grad(loss), (params,)

        return make

    def motion(batch, steps=200):
        """A rollout of a formula, its last state alone."""

        def make():
            settings = {"stepsize_controller": nl.StepsPerSample(steps)}
            model = nl.NeuralLagrangian.from_lagrangian(DoublePendulum().lagrangian, RK4(), dof=2, **settings)
            ts = jnp.array([0.0, 1.0])
            return lambda y0s: jax.vmap(model, (None, 0))(ts, y0s)[:, -1], (states(2, batch),)

        return make

    rows = []
    for batch in (100, 10_000) if quick else (1, 100, 10_000, 1_000_000):
        rows.append(on_both(compare, "right-hand side, n = 2", field(batch), batch))
    if not quick:
        for name, solve in {"pseudoinverse": PseudoInverse(), "Cholesky": Cholesky()}.items():
            rows.append(on_both(compare, f"right-hand side, n = 8, {name}", field(10_000, 8, solve), 10_000))
    for batch in (100,) if quick else (10, 100, 1000, 10_000):
        rows.append(on_both(compare, f"gradient, {STEPS} steps", gradient(lagrangian_network, batch), batch, 3))
    for batch in () if quick else (100, 10_000):
        rows.append(on_both(compare, f"gradient of a NODE, {STEPS} steps", gradient(neural_ode, batch), batch, 3))
    for batch in (100,) if quick else (1, 1000, 100_000):
        rows.append(on_both(compare, "200 RK4 steps of a formula", motion(batch), batch, 3))
    title = f"GPU and CPU ({rows[0]['cpu']}), network {WIDTH} x 2, single precision"
    report.table("gpu", title, rows, COLUMNS)


def test_ensembles_on_gpu(report, quick):
    """Gradient steps of `fit`: one network and many, by device."""
    system = DoublePendulum()
    data = nl.simulate(system, jnp.linspace(0.0, 1.0, 41), system.sample_states(jax.random.key(0), 64))
    steps = 60
    rows = []
    for members, batch in [(1, 64)] if quick else [(1, 64), (1, 2048), (32, 64), (128, 64)]:
        row = {"members": members, "batch": batch}
        for name, device in devices().items():
            if name == "CPU" and members * batch > 64:
                continue
            with jax.default_device(device):
                make = lambda key: nl.NeuralLagrangian(  # noqa: E731
                    nl.MechanicalLagrangian.from_mlp(2, WIDTH, periodic=(0, 1), key=key)
                )
                keys = jax.random.split(jax.random.key(2), members)
                model = eqx.filter_vmap(make)(keys) if members > 1 else make(keys[0])
                running = nl.training.Running(members=members if members > 1 else None)
                settings = {"running": running, "batch_size": batch, "horizon": 8}
                fitted = nl.fit(model, data, key=jax.random.key(1), steps=steps, **settings)
            assert np.isfinite(fitted.history.loss).all()
            row["seconds" if name == "GPU" else "cpu_seconds"] = seconds_a_step(fitted.history)
        if "cpu_seconds" in row:
            row["cpu_over_gpu"] = row["cpu_seconds"] / row["seconds"]
        rows.append(row)
    columns = {"members": "members", "batch": "windows a member"}
    columns |= {"seconds": "one step, GPU", "cpu_seconds": "CPU", "cpu_over_gpu": "CPU / GPU"}
    title = f"Gradient steps, mechanical Lagrangian {WIDTH} x 2, windows of eight intervals (CPU: {cpu()})"
    report.table("gpu_training", title, rows, columns)


def test_precisions_on_gpu(compare, report):
    """What the rounding of products costs in digits and gains in time; and what double precision costs."""
    batch, rows = 100_000, []
    model, ys = lagrangian_network(2, WIDTH), np.asarray(states(2, batch))
    with jax.enable_x64(True), jax.default_device(devices()["CPU"]):
        fn, params = right_hand_side(with_precision(model, jnp.float64))
        exact = np.asarray(jax.jit(fn)(params, ys.astype(np.float64)))
    for name, products, double in [
        ("single, products as JAX sets them", "default", False),
        ("single, all digits", "highest", False),
        ("double", "highest", True),
    ]:
        with jax.enable_x64(double), jax.default_matmul_precision(products):
            dtype = jnp.result_type(float)
            fn, params = right_hand_side(with_precision(model, dtype))
            (row,), outputs = compare([Contender(name, fn, (params, ys.astype(dtype)))], baseline=name)
        error = (np.asarray(outputs[name], np.float64) - exact)[:, 2:]  # of the accelerations
        row["error"] = float(np.sqrt(np.mean(error**2) / np.mean(exact[:, 2:] ** 2)))
        rows.append(row | {"ratio": row["seconds"] / rows[0]["seconds"] if rows else 1.0})
    assert rows[1]["error"] < 1e-5
    assert rows[2]["error"] < 1e-12
    columns = {"contender": "precision", "seconds": "time", "ratio": "/ first", "error": "error of accelerations"}
    report.table("gpu_precision", f"Right-hand side on a GPU at batch {batch}, {WIDTH} x 2", rows, columns)


def test_states_per_second(compare, report):
    """States a second, and the share of the card's own multiply rate at full and reduced precision."""
    batch, rows = 1_000_000, []
    for precision in ("highest", "default"):
        with jax.default_matmul_precision(precision):
            rate = matrix_multiply_rate(2**20, WIDTH, precision=precision)
            for name, model in {"NODE": neural_ode(2, WIDTH), "LNN": lagrangian_network(2, WIDTH)}.items():
                fn, params = right_hand_side(model)
                record = {"batch": batch, "precision": precision, "multiply_rate": rate}
                (row,), _ = compare([Contender(name, fn, (params, states(2, batch)), record)], baseline=name, rounds=7)
                passes = 1 if name == "NODE" else 5
                row["states_per_second"] = batch / row["seconds"]
                row["must_do_rate"] = 2 * parameter_count(model.network) * passes * batch / row["seconds"] / rate
                rows.append(row)
    columns = {"contender": "right-hand side", "precision": "products", "seconds": "time"}
    columns |= {"states_per_second": "states a second", "must_do_rate": "of the multiply rate"}
    report.table("states_per_second", f"Right-hand side at batch {batch}, {WIDTH} x 2", rows, columns)
