"""An ensemble trained side by side, against one member."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import neural_lagrangian as nl

from .harness import seconds_a_step

COLUMNS = {
    "members": "members",
    "milliseconds": "one step (ms)",
    "ratio": "/ one member",
    "compile_seconds": "first call (s)",
}


def make(key):
    return nl.NeuralLagrangian(nl.MechanicalLagrangian.from_mlp(2, 64, periodic=(0, 1), key=key))


def test_ensemble(report, quick):
    system = nl.systems.DoublePendulum()
    data = nl.simulate(system, jnp.linspace(0.0, 1.0, 41), system.sample_states(jax.random.key(0), 16))
    settings = {"horizon": 2, "batch_size": 32, "key": jax.random.key(1), "progress": False}
    settings["steps"] = 60 if quick else 400
    rows = []
    for members in (None, 2, 8, 32):
        keys = jax.random.split(jax.random.key(2), members or 1)
        model = make(keys[0]) if members is None else eqx.filter_vmap(make)(keys)
        history = nl.fit(model, data, members=members, **settings).history
        assert np.isfinite(history.loss).all()
        rows.append({"members": members or 1, "milliseconds": 1e3 * seconds_a_step(history)})
        rows[-1]["compile_seconds"] = history.seconds[0]
    for row in rows:
        row["ratio"] = row["milliseconds"] / rows[0]["milliseconds"]
    report.table(
        "ensemble", "Gradient steps of ensembles, mechanical Lagrangian 64 x 2, batch 32 a member", rows, COLUMNS
    )
