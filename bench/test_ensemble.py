"""An ensemble trained side by side, against one member."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import neural_lagrangian as nl
from neural_lagrangian.systems import DoublePendulum

from .harness import seconds_a_step

COLUMNS = {
    "members": "members",
    "width": "width, 2 layers",
    "batch": "batch a member",
    "seconds": "one step",
    "ratio": "/ one member",
    "compile_seconds": "first call",
}
SIZES = [(16, 8), (32, 16), (64, 32)]


def maker(width):
    def make(key):
        return nl.NeuralLagrangian(nl.MechanicalLagrangian.from_mlp(2, width, periodic=(0, 1), key=key))

    return make


def test_ensemble(report, quick):
    system = DoublePendulum()
    data = nl.simulate(system, jnp.linspace(0.0, 1.0, 41), system.sample_states(jax.random.key(0), 16))
    settings = {"horizon": 2, "key": jax.random.key(1), "steps": 60 if quick else 400}
    rows = []
    for width, batch in SIZES[:1] if quick else SIZES:
        make, alone = maker(width), 0.0
        for members in (None, 8) if quick else (None, 2, 8, 32):
            keys = jax.random.split(jax.random.key(2), members or 1)
            model = make(keys[0]) if members is None else eqx.filter_vmap(make)(keys)
            history = nl.fit(
                model, data, running=nl.training.Running(members=members), batch_size=batch, **settings
            ).history
            assert np.isfinite(history.loss).all()
            seconds = seconds_a_step(history)
            alone = alone or seconds
            rows.append({"members": members or 1, "width": width, "batch": batch, "seconds": seconds})
            rows[-1] |= {"ratio": seconds / alone, "compile_seconds": history.seconds[0]}
    title = "Gradient steps of ensembles, mechanical Lagrangian, windows of two intervals"
    report.table("ensemble", title, rows, COLUMNS)
