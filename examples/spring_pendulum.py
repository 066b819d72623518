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
# # From a file of noisy samples to a model
#
# A spring pendulum is recorded at irregular times with 1 % noise, in a CSV file. One page of code reads the file,
# learns the Lagrangian, predicts new motions, and draws and animates them.

# %%
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from sizes import OUTPUT, asked

import neural_lagrangian as nl
from neural_lagrangian import analysis, datasets, trajectories

SMOKE = asked("smoke")
COLUMNS = {"positions": ["r", "theta"], "velocities": ["r_dot", "theta_dot"], "trajectory": "run"}
UNITS = {"theta": "deg", "theta_dot": "deg/s", "t": "ms"}

# %% [markdown]
# ## The recording
#
# A simulation takes the place of a laboratory: 40 runs of 3 s at random times, angles in degrees and times in
# milliseconds.

# %%
system = nl.systems.SpringPendulum()
times = np.sort(np.random.default_rng(0).uniform(0.0, 3.0, 90)).astype(np.float32)
times = times[np.diff(times, prepend=-1.0) > 2e-3]
truth = nl.simulate(system, times, system.sample_states(jax.random.key(0), 40))
noisy = datasets.add_noise(truth, relative=0.01, key=jax.random.key(1))
trajectories.write_trajectories(OUTPUT / "spring_pendulum.csv", noisy, units=UNITS, **COLUMNS)

# %% [markdown]
# ## Read, split, learn

# %%
recording = trajectories.read_trajectories(OUTPUT / "spring_pendulum.csv", units=UNITS, **COLUMNS)
train, test = trajectories.split(recording, (0.8, 0.2), key=jax.random.key(2))
print(f"train {train}\ntest  {test}")

# %% [markdown]
# The length varies by 0.15 m about 1.25 m, and a network learns best from numbers of order one. A `Scaling` of
# coordinates and time keeps the equations of motion valid. Standardising each column of the data would not. Without
# scaling the same number of steps leaves more than twice the error.

# %%
scaling = trajectories.Scaling.of(train, centre=True, periodic=[1])
mlp = eqx.nn.MLP(5, "scalar", 128, 2, activation=jax.nn.silu, key=jax.random.key(3))
inner = nl.NeuralLagrangian(nl.PeriodicEmbedding(mlp, dof=2, periodic=[1]))
STAGES = {"horizon": (2, 12), "steps": (3, 3) if SMOKE else (1500, 600), "batch_size": 64}
optimizers = [
    optax.contrib.muon(optax.cosine_decay_schedule(rate, steps), weight_decay=0.03)
    for rate, steps in zip((1e-2, 2e-3), STAGES["steps"], strict=True)
]
result = nl.fit(inner, scaling.scale(train), optimizer=optimizers, key=jax.random.key(4), **STAGES)
model = nl.Scaled(result.model, scaling)
print(f"{result.history.seconds[-1]:.0f} s, loss {result.history.loss[-50:].mean():.1e}")

# %% [markdown]
# ## Test on new runs
#
# Rollouts start from the true initial states of the test runs. They are compared with the motion without noise.

# %%
unseen = nl.simulate(system, np.linspace(0, 3, 91, dtype=np.float32), system.sample_states(jax.random.key(5), 20))
ts, ys = jnp.asarray(unseen.ts[0]), jnp.asarray(unseen.ys)
predicted = analysis.rollouts(model, ts, ys[:, 0])
error = jnp.linalg.norm((predicted - ys)[..., :2], axis=-1)
depth = system.mass * system.gravity * system.length
energy = analysis.energy_error(system.energy, predicted, ts, depth)
print(f"error of (r, theta) after 3 s: {analysis.summarize(error[:, -1])}")
print(f"largest energy error / m g r0: {analysis.summarize(energy.max(axis=1))}")
print(nl.mechanics.mass_matrix_report(model.lagrangian, ts, predicted[0]))

# %%
figure, axes = plt.subplots(2, 2, figsize=(10, 8), layout="constrained")
analysis.plot_trajectories(ts, ys[0], {"LNN": predicted[0]}, coordinate=0, label="length r [m]", ax=axes[0, 0])
analysis.plot_trajectories(ts, ys[0], {"LNN": predicted[0]}, coordinate=1, label="angle [rad]", ax=axes[0, 1])
labels = ("angle [rad]", "angular velocity [rad/s]")
analysis.plot_phase_portrait(ys[0], {"LNN": predicted[0]}, coordinate=1, labels=labels, ax=axes[1, 0])
analysis.plot_error_growth(ts[1:], {"LNN": error[:, 1:]}, label="error of (r, theta) [m, rad]", ax=axes[1, 1])
figure.savefig(OUTPUT / "spring_pendulum.png", dpi=120)

# %%
motions = {"truth": ys[0], "LNN": predicted[0]}
animation = analysis.animate(system, ts, motions, path=OUTPUT / "spring_pendulum.gif", frames_per_second=20)

# %%
if not SMOKE:
    assert analysis.summarize(error[:, -1]).median < 0.03
    assert analysis.summarize(energy.max(axis=1)).median < 0.01
