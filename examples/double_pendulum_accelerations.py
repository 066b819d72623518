# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The double pendulum at any energy, from accelerations
#
# Cranmer et al. (2020) trained on states from the whole phase space, with any angles and angular velocities up to 10
# rad/s, and their analytic accelerations. Then they released 40 pendulums nearly from rest, at any angle, for 100 s
# of mostly chaotic motion, and measured the energy. On average the energy error was 0.43 % of the potential's depth
# for the Lagrangian network, and 8 % for the plain network.
#
# This notebook has a free-form network, smaller than theirs, and a mechanical Lagrangian, $\tfrac12 v^\top M(q) v -
# V(q)$ with a positive mass matrix.

# %%
import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from sizes import OUTPUT, size_of_run

import neural_lagrangian as nl
from neural_lagrangian import analysis

jax.config.update("jax_enable_x64", True)

SIZE = size_of_run("smoke", "quick")
KEY = jax.random.key(0)
STATES, DURATION = {"smoke": (1000, 1.0), "quick": (50_000, 100.0), "standard": (2_000_000, 100.0)}[SIZE]
WIDTHS = {"smoke": (8, 8), "quick": (64, 64), "standard": (256, 128)}[SIZE]

# %% [markdown]
# ## Data
#
# $m = l = 1$, $g = 9.8$. The data are two million states. Training uses each of them three to eight times.

# %%
system = nl.systems.DoublePendulum(gravity=9.8)
lowest = jnp.array([0.0, 0.0, -10.0, -10.0])
highest = jnp.array([2 * jnp.pi, 2 * jnp.pi, 10.0, 10.0])


def accelerations_at_random(count, key, dtype):
    ys = jax.random.uniform(key, (count, 4), minval=lowest, maxval=highest)
    a = jax.jit(jax.vmap(lambda y: system.acceleration(0.0, y[:2], y[2:])))(ys)
    rows = lambda x: np.asarray(x, dtype)[:, None]  # noqa: E731 - trajectories of one sample
    return nl.Trajectories(np.zeros((count, 1), dtype), rows(ys), accelerations=rows(a))


train = accelerations_at_random(STATES, jax.random.key(1), np.float32)
test = accelerations_at_random(20_000, jax.random.key(2), np.float64)

# %% [markdown]
# ## Models and training
#
# Both networks receive $\cos\theta_i, \sin\theta_i$. The free-form network works in units of 0.2 s, so its angular
# velocities are of order one. Without these units the same training ends with three times the error. The loss is the
# mean absolute error of the accelerations. The optimiser is Muon with a cosine schedule.


# %%
def free_form(width):
    mlp = eqx.nn.MLP(6, "scalar", width, 2, activation=jax.nn.silu, dtype=jnp.float32, key=KEY)
    inner = nl.NeuralLagrangian(nl.PeriodicEmbedding(mlp, dof=2))
    return nl.Scaled(inner, nl.trajectories.Scaling(np.zeros(2), np.ones(2), 0.2))


def mechanical(width):
    return nl.NeuralLagrangian(nl.MechanicalLagrangian.from_mlp(2, width, periodic=(0, 1), dtype=jnp.float32, key=KEY))


RUNS = {
    "free-form network": (free_form(WIDTHS[0]), 20_000, 256),
    "mechanical": (mechanical(WIDTHS[1]), 60_000, 256),
}
trained, histories = {}, {}
for name, (model, steps, batch_size) in RUNS.items():
    steps = {"smoke": 5, "quick": steps // 50}.get(SIZE, steps)
    optimizer = optax.contrib.muon(optax.cosine_decay_schedule(1e-2, steps))
    result = nl.fit(
        model,
        train,
        loss=nl.training.acceleration_mae,
        optimizer=optimizer,
        steps=steps,
        horizon=0,
        batch_size=batch_size,
        key=KEY,
    )
    trained[name], histories[name] = nl.models.with_precision(result.model, jnp.float64), result.history
    seconds, loss = result.history.seconds[-1], result.history.loss[-200:].mean()
    print(f"{name:20s} {steps} steps of {batch_size}, {seconds:.0f} s, loss {loss:.1e} rad/s^2", flush=True)

# %% [markdown]
# ## Energy after 100 s
#
# There are 40 releases from any angles, with angular velocities below 0.1 rad/s. The error is the change of the true
# energy along the predicted path, over $(m_1 + m_2) g l_1 + m_2 g l_2 = 29.4$ J. "Largest" is the largest change
# before the end.

# %%
released = jax.random.uniform(jax.random.key(3), (40, 4)) * jnp.array([2 * jnp.pi, 2 * jnp.pi, 0.1, 0.1])
ts = jnp.linspace(0.0, DURATION, 401)
TIGHT = nl.integrators.Integration(
    diffrax.Dopri8(), stepsize_controller=diffrax.PIDController(rtol=1e-9, atol=1e-9), max_steps=40_000
)
print(f"\n{'':20s}{'summed L1':>12s}{'mean energy error':>20s}{'median':>10s}{'largest':>10s}{'failed':>8s}")
energy_error, mean_error, summed = {}, {}, {}
for name, model in trained.items():
    ys = jnp.asarray(test.ys[:, 0])
    a = jax.jit(jax.vmap(lambda y, model=model: model.vector_field(0.0, y)[2:]))(ys)
    summed[name] = np.abs(a - test.accelerations[:, 0]).sum(axis=1).mean()
    precise = eqx.tree_at(lambda m: m.model.integration if isinstance(m, nl.Scaled) else m.integration, model, TIGHT)
    predicted = analysis.rollouts(precise, ts, released)
    E = jax.vmap(jax.vmap(lambda y: system.energy(0.0, y[:2], y[2:])))(predicted)
    energy_error[name] = jnp.abs(E - E[:, :1]) / system.energy_scale
    last = energy_error[name][:, -1]
    mean_error[name] = float(jnp.mean(last))
    failed = int(jnp.sum(~jnp.isfinite(last)))
    row = f"{mean_error[name]:20.1e}{jnp.median(last):10.1e}{jnp.max(energy_error[name]):10.1e}{failed:8d}"
    print(f"{name:20s}{summed[name]:12.4f}{row}")
print(f"{'Cranmer et al.: LNN':20s}{0.0689:12.4f}{0.00426:20.1e}")
print(f"{'their baseline':20s}{0.0739:12.4f}{0.0801:20.1e}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
analysis.plot_error_growth(
    ts[1:], {name: e[:, 1:] for name, e in energy_error.items()}, label="energy error / 29.4 J", ax=axes[0]
)
axes[0].axhline(0.00426, color="0.5", linestyle=":", label="published, mean at 100 s")
axes[0].set_ylim(top=0.02)
axes[0].legend(fontsize=8)
analysis.plot_history(histories, ax=axes[1])
figure.savefig(OUTPUT / "double_pendulum_accelerations.png", dpi=110)

# %%
figures = {f"mean energy error after 100 s, {name} [1]": error for name, error in mean_error.items()}
figures |= {f"summed L1 of accelerations, {name} [rad/s^2]": error for name, error in summed.items()}
for name, value in figures.items():
    print(f"{name}: {value:.3g}")
if SIZE == "standard":
    assert mean_error["free-form network"] < 1e-3
    assert mean_error["mechanical"] < 5e-5
