"""Training on the double pendulum: gradient steps a second, and the time to a given error."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import neural_lagrangian as nl
from neural_lagrangian.systems import DoublePendulum

from .contenders import network
from .harness import seconds_a_step

TARGET = 1e-5  # mean square error of one window
COLUMNS = {
    "contender": "model, 128 x 2",
    "steps_per_second": "steps a second",
    "ratio": "/ NODE",
    "steps_to_target": f"steps to loss {TARGET:g}",
    "seconds_to_target": "time to it, compiling included",
    "final_loss": "last loss",
    "rollout_error": "rollout error at 1 s (rad)",
}


def test_training(report, quick):
    system = DoublePendulum()
    data = nl.simulate(system, jnp.linspace(0.0, 3.6, 101), system.sample_states(jax.random.key(0), 32))
    held_out = nl.simulate(system, jnp.linspace(0.0, 1.0, 21), system.sample_states(jax.random.key(9), 32))
    steps = 100 if quick else 2000
    rows = []
    for name, model in {
        "NODE": nl.NeuralODE(network(2, 128, 2)),
        "LNN": nl.NeuralLagrangian(network(2, 128)),
    }.items():
        optimizer = optax.contrib.muon(optax.cosine_decay_schedule(1e-2, steps))
        windows = {"horizon": 1, "batch_size": 64, "key": jax.random.key(1)}
        fitted = nl.fit(model, data, optimizer=optimizer, steps=steps, **windows)
        history = fitted.history
        smooth = np.convolve(history.loss, np.ones(50) / 50, "valid")
        reached = int(np.argmax(smooth < TARGET)) + 50 if (smooth < TARGET).any() else None
        rate = 1 / seconds_a_step(history)
        predicted = eqx.filter_vmap(fitted.model, in_axes=(None, 0))(
            jnp.asarray(held_out.ts[0]), jnp.asarray(held_out.ys[:, 0])
        )
        error = np.sqrt(np.mean(np.asarray(predicted - held_out.ys)[:, -1, :2] ** 2, axis=1))
        rows.append(
            {"contender": name, "steps_per_second": rate, "final_loss": float(smooth[-1]), "steps_to_target": reached}
            | {"seconds_to_target": None if reached is None else float(history.seconds[reached - 1])}
            | {"rollout_error": float(np.median(error))}
        )
        assert np.isfinite(smooth[-1])
    for row in rows:
        row["ratio"] = row["steps_per_second"] / rows[0]["steps_per_second"]
    report.table("training", f"Training, {steps} steps on one-interval windows, batch 64", rows, COLUMNS)
