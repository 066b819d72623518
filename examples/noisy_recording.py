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
# # One noisy recording of twenty seconds
#
# A double pendulum is recorded once, for twenty seconds, with 5 % noise in angles and velocities. The simplest loss
# is the mean square error of a rollout over the whole recording. An untrained network learns nothing from it: the
# loss stays that of the mean. Two steps work:
#
# 1. *Growing horizons*, from windows of 0.1 s to windows of 1.6 s, so that each stage starts near a good fit.
# 2. Then, over windows of 5 s, training of the weights *and the initial states of the windows* together
#    (`training.polish(..., states=)`). A rollout from a noisy state is wrong even if the model is right.

# %%
import time

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from sizes import OUTPUT, asked

import neural_lagrangian as nl
from neural_lagrangian import analysis
from neural_lagrangian.training import polish, weighted

jax.config.update("jax_enable_x64", True)

SMOKE = asked("smoke")
STEPS, FULL, POLISH = (6, 2, 2) if SMOKE else (2400, 600, 200)
STEP, EVERY, LONG = 0.01, 5, 500  # seconds a sample; samples a row of a short window; samples of a long one
KEY = jax.random.key(0)

# %% [markdown]
# ## The recording and the test
#
# The test is ten rollouts of 3 s, from states of the same motion after the end of the recording. The error is the
# root mean square error of the angles, median and largest of the ten.

# %%
system = nl.systems.DoublePendulum()
start = jnp.array([1.0, -0.5, 0.0, 0.0])
clean = nl.simulate(system, STEP * jnp.arange(2001), start[None])
noisy = nl.datasets.add_noise(clean, relative=0.05, key=jax.random.key(7))
later = nl.simulate(system, STEP * EVERY * jnp.arange(1201), start[None])
starts = later.ys[0, np.linspace(420, 1100, 10).astype(int)]
ts = STEP * EVERY * jnp.arange(61)
truth = analysis.rollouts(system, ts, starts)


def errors(model):
    found = analysis.rollouts(model, ts, starts)
    return np.sqrt(np.mean((found - truth)[..., :2] ** 2, axis=(1, 2)))


def make():
    return nl.NeuralLagrangian(nl.MechanicalLagrangian.from_mlp(2, 32, periodic=(0, 1), key=KEY))


# Angles and velocities count by what they vary: the noise is in proportion.
scale = noisy.ys.std(axis=(0, 1))
loss = weighted(nl.trajectory_mse, position=1 / scale[:2], velocity=1 / scale[2:])
settings = {"key": KEY, "loss": loss, "rollouts": nl.training.Rollouts(stride=EVERY), "batch_size": 64}
curriculum = {"horizon": (2, 8, 32), "steps": STEPS}
models, seconds = {}, {}

# %% [markdown]
# ## The best possible result: growing horizons without noise

# %%
began = time.perf_counter()
models["without noise"] = nl.fit(make(), clean, **settings, **curriculum).model
seconds["without noise"] = time.perf_counter() - began

# %% [markdown]
# ## The whole trajectory at once
#
# Each step is one rollout of 20 s, every fifth sample, from the same untrained network. At the usual rate, ten times
# larger, most rollouts diverge.

# %%
began = time.perf_counter()
one = {"batch_size": 1, "horizon": 2000 // EVERY, "optimizer": optax.contrib.muon(1e-3)}
whole = nl.fit(make(), noisy, **settings | one, steps=FULL)
models["whole trajectory"] = whole.model
seconds["whole trajectory"] = time.perf_counter() - began
print(f"loss of the whole trajectory {np.mean(whole.history.loss[-20:]):.2f}; of its mean alone it is 1")

# %% [markdown]
# ## Growing horizons, then states

# %%
began = time.perf_counter()
models["curriculum"] = nl.fit(make(), noisy, **settings, **curriculum).model
seconds["curriculum"] = time.perf_counter() - began

pieces = [noisy.ys[0, i : i + LONG + 1] for i in range(0, 2000, LONG)]
cut = nl.Trajectories(noisy.ts[0, : LONG + 1], np.stack(pieces))
polished = polish(models["curriculum"], cut, loss=loss, horizon=LONG, steps=POLISH, states=cut.ys)
models["curriculum, then states"] = polished.model
seconds["curriculum, then states"] = time.perf_counter() - began
true_states = clean.ys[0, :2000:LONG]
before, after = (np.abs((ys[:, 0] - true_states) / scale).mean() for ys in (cut.ys, polished.states))
print(f"states in which the windows begin: wrong by {100 * before:.1f} %, after by {100 * after:.1f} %")
print(f"loss {polished.loss[-1]:.5f}; of the noise alone it is {np.mean(((noisy.ys - clean.ys) / scale) ** 2):.5f}")

# %% [markdown]
# ## Test errors

# %%
found = {name: errors(model) for name, model in models.items()}
median = {name: float(np.median(error)) for name, error in found.items()}
print(f"{'angle error over 3 s [rad]':32s}{'median':>10s}{'largest':>10s}{'/ no noise':>12s}{'wall time':>12s}")
for name, error in found.items():
    ratio = median[name] / median["without noise"]
    print(f"{name:32s}{median[name]:10.4f}{error.max():10.4f}{ratio:12.1f}{seconds[name]:10.0f} s")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), width_ratios=(2, 1))
shown = STEP * EVERY * jnp.arange(401)
left.plot(noisy.ts[0], noisy.ys[0, :, 1], ".", ms=1.5, color="0.7", label="recorded")
for name, color in (("whole trajectory", "C1"), ("curriculum, then states", "C0")):
    left.plot(shown, np.asarray(models[name](shown, start))[:, 1], color=color, label=name)
left.set(xlabel="time [s]", ylabel=r"$\theta_2$ [rad]", title="from the true start, over the recording")
left.set_ylim(-3, 3)
left.legend(loc="upper right", fontsize=8)
right.bar(range(len(median)), list(median.values()), color=["0.6", "C1", "C2", "C0"])
right.axhline(3 * median["without noise"], color="k", lw=0.8, ls="--", label="3 times that without noise")
right.set_xticks(range(len(median)), [name.replace(", ", ",\n").replace(" ", "\n", 1) for name in median], fontsize=7)
right.set(yscale="log", ylabel="angle error over 3 s [rad]", title="after the recording")
right.legend(fontsize=8)
figure.tight_layout()
figure.savefig(OUTPUT / "noisy_recording.png", dpi=120)
plt.show()

# %% [markdown]
# ## Claims

# %%
if not SMOKE:
    assert np.mean(whole.history.loss[-20:]) > 0.8  # the mean, and little else
    assert median["whole trajectory"] > 0.3
    assert median["curriculum, then states"] <= 3 * median["without noise"]
    assert after < 0.5 * before
