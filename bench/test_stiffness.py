"""How stiff learned vector fields are, by the width of the network, and whether cheap steps first pay."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.analysis import rollouts
from neural_lagrangian.integrators import Integration
from neural_lagrangian.systems import DoublePendulum

pytestmark = pytest.mark.filterwarnings("ignore:.* windows diverged")
STIFFNESS = {
    "width": "width, 2 layers",
    "untrained": "adaptive steps, untrained",
    "trained": "trained",
    "rate_untrained": "largest rate (1/s), untrained",
    "rate_trained": "trained",
    "loss": "last loss",
    "failures": "windows that diverged",
}
CURRICULUM = {
    "steps": "steps in training",
    "seconds": "wall time",
    "loss": "last loss",
    "error": "rollout error at 3 s (rad)",
    "failures": "windows that diverged",
}
ADAPTIVE = diffrax.PIDController(rtol=1e-6, atol=1e-6)
FIXED = nl.StepsPerSample(1)


def make(width):
    return nl.NeuralLagrangian(nl.MechanicalLagrangian.from_mlp(2, width, periodic=(0, 1), key=jax.random.key(width)))


def motion(seed, count, seconds):
    system = DoublePendulum()
    ts = jnp.arange(0.0, seconds + 1e-6, 0.04)
    return nl.simulate(system, ts, system.sample_states(jax.random.key(seed), count))


@eqx.filter_jit
def steps_and_rates(model, ts, y0s):
    """Adaptive steps of each rollout, and the largest modulus of an eigenvalue of the Jacobian at each state."""
    adaptive = eqx.tree_at(lambda m: m.integration, model, Integration(stepsize_controller=ADAPTIVE))
    steps = jax.vmap(lambda y0: adaptive.solve(ts, y0).stats["num_accepted_steps"])(y0s)
    jacobians = jax.vmap(lambda y: jax.jacfwd(lambda y: model.vector_field(0.0, y))(y))(y0s)
    return steps, jacobians


def stiffness(model, held_out):
    steps, jacobians = steps_and_rates(model, jnp.asarray(held_out.ts[0]), jnp.asarray(held_out.ys[:, 0]))
    rates = np.abs(np.linalg.eigvals(np.asarray(jacobians))).max(axis=1)
    return float(np.median(steps)), float(np.median(rates))


def trained(model, data, steps, controllers=FIXED):
    settings = {"horizon": (2, 8), "steps": steps, "batch_size": 64, "key": jax.random.key(1)}
    return nl.fit(model, data, rollouts=nl.training.Rollouts(stepsize_controller=controllers), **settings)


def test_stiffness_by_width(report, quick):
    data, held_out = motion(0, 32, 2.0), motion(9, 32, 3.0)
    rows = []
    for width in (10, 64) if quick else (10, 32, 64, 128, 256):
        before = stiffness(make(width), held_out)
        result = trained(make(width), data, 60 if quick else 2000)
        after = stiffness(result.model, held_out)
        rows.append({"width": width, "untrained": before[0], "trained": after[0], "rate_untrained": before[1]})
        rows[-1] |= {"rate_trained": after[1], "loss": float(np.mean(result.history.loss[-20:]))}
        rows[-1]["failures"] = int(result.history.failures.sum())
    system = DoublePendulum()
    truth = stiffness(system, held_out)
    rows.append({"width": "the system itself", "trained": truth[0], "rate_trained": truth[1]})
    title = "Steps of Tsit5 at 1e-6 over 3 s, medians of 32 starts, by width"
    report.table("stiffness", title, rows, STIFFNESS)


def test_cheap_steps_first(report, standard):
    """The conjecture of Unneberg and Kaarbø (2023), section 6."""
    data, held_out = motion(0, 32, 2.0), motion(9, 32, 3.0)
    ts, ys = jnp.asarray(held_out.ts[0]), held_out.ys
    rows = []
    for name, controllers in {
        "one step of Tsit5 a sample": FIXED,
        "adaptive, 1e-6": ADAPTIVE,
        "one a sample, then adaptive": (FIXED, ADAPTIVE),
    }.items():
        result = trained(make(64), data, 2000, controllers)
        error = np.sqrt(np.mean((rollouts(result.model, ts, ys[:, 0]) - ys)[:, -1, :2] ** 2, axis=1))
        rows.append({"steps": name, "seconds": float(result.history.seconds[-1])})
        rows[-1] |= {"loss": float(np.mean(result.history.loss[-20:])), "error": float(np.median(error))}
        rows[-1]["failures"] = int(result.history.failures.sum())
    title = "Training with fixed and adaptive steps: horizons 2 and 8, 1000 gradient steps each, width 64"
    report.table("solver_curriculum", title, rows, CURRICULUM)
