"""Single against double precision: what it costs and what it is worth."""

import jax
import jax.numpy as jnp
import numpy as np

from neural_lagrangian.integrators import Integration
from neural_lagrangian.models import with_precision
from neural_lagrangian.systems import DoublePendulum

from .contenders import lagrangian_network, right_hand_side, rollout_loss, states
from .harness import Contender

COLUMNS = {
    "contender": "what",
    "dtype": "precision",
    "seconds": "time",
    "double_over_single": "double / single",
    "error": "error against double",
}


def test_precision(standard, compare, report):
    rows, references = [], {}
    system = DoublePendulum(integration=Integration(max_steps=20_000))
    single = lagrangian_network(2, 128), states(2, 1024), system, system.sample_states(jax.random.key(0), 8)
    for double in (True, False):
        with jax.enable_x64(double):
            contenders = _contenders(*single)
            measured, outputs = compare(contenders, baseline=contenders[0].name, rounds=7, least=0.02)
        for row in measured:
            out = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(outputs[row["contender"]])])
            reference = references.setdefault(row["contender"], (out, row["seconds"]))
            if not double:
                row["error"] = float(np.abs(out - reference[0]).max() / np.abs(reference[0]).max())
                row["double_over_single"] = reference[1] / row["seconds"]
        rows += measured
    rows.sort(key=lambda row: row["contender"])
    report.table("precision", "Single and double precision", rows, COLUMNS)


def _contenders(network, ys, system, starts):
    """The same numbers in the precision of the moment."""
    dtype = jnp.result_type(float)
    model = with_precision(network, dtype)
    ys, starts = ys.astype(dtype), starts.astype(dtype)
    field, params = right_hand_side(model)
    ts = jnp.linspace(0.0, 1.0, 21, dtype=dtype)
    targets = jnp.broadcast_to(ys[:100, None], (100, 21, 4))
    loss, _ = rollout_loss(model, ts, targets)
    times = jnp.linspace(0.0, 10.0, 11, dtype=dtype)
    return [
        Contender("right-hand side, batch 1024", field, (params, ys)),
        Contender("gradient, batch 100, 20 steps", jax.grad(loss), (params,)),
        Contender("true double pendulum, 10 s, default tolerance", jax.vmap(system, (None, 0)), (times, starts)),
    ]
