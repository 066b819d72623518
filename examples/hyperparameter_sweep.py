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
# # A hyperparameter sweep in one compiled step
#
# Which learning rate and weight decay are best? Sixteen networks that differ in nothing else train side by side, as
# the members of an ensemble. In a loss or an optimiser `jax.lax.axis_index(training.MEMBER)` is the number of the
# member. A validation set selects the best, and a test set measures it.

# %%
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from sizes import OUTPUT, asked

import neural_lagrangian as nl
from neural_lagrangian.training import MEMBER

SMOKE = asked("smoke")
RATES = (1e-3, 3e-3, 1e-2, 3e-2)
DECAYS = (0.0, 1e-3, 1e-2, 1e-1)
STEPS, NOISE, KEY = 20 if SMOKE else 1500, 0.05, jax.random.key(0)

# %% [markdown]
# ## Few and noisy motions of a double pendulum
#
# - Training set: four motions of 2 s with 5 % noise.
# - Validation set: four more of the same kind.
# - Test set: 32 motions of 3 s without noise.

# %%
system = nl.systems.DoublePendulum()
learn, choose, judge = jax.random.split(KEY, 3)
ts = jnp.linspace(0.0, 2.0, 81)


def recorded(key):
    motion = nl.simulate(system, ts, system.sample_states(key, 4))
    return nl.datasets.add_noise(motion, relative=NOISE, key=key)


train, held_out = recorded(learn), recorded(choose)
later = jnp.linspace(0.0, 3.0, 61)
test = nl.simulate(system, later, system.sample_states(judge, 32))

# %% [markdown]
# ## The members
#
# The optimiser is AdamW. Its rate falls to zero along a cosine. The number of the member selects rate and weight
# decay from tables.

# %%
rates, decays = (jnp.asarray(table.ravel()) for table in np.meshgrid(RATES, DECAYS, indexing="ij"))


def decayed(updates, params):
    decay = decays[jax.lax.axis_index(MEMBER)]
    return jax.tree.map(lambda update, weight: update + decay * weight, updates, params)


def at_rate(updates, params):
    rate = rates[jax.lax.axis_index(MEMBER)]
    return jax.tree.map(lambda update: -rate * update, updates)


def make(key):
    return nl.NeuralLagrangian(nl.MechanicalLagrangian.from_mlp(2, 32, periodic=(0, 1), key=key))


optimizer = optax.chain(
    optax.scale_by_adam(),
    optax.stateless(decayed),
    optax.stateless(at_rate),
    optax.scale_by_schedule(optax.cosine_decay_schedule(1.0, STEPS)),
)
settings = {"key": KEY, "steps": STEPS, "horizon": 8, "batch_size": 32, "held_out": held_out}
watching, running = nl.training.Watching(look_every=STEPS // 10), nl.training.Running(members=rates.size)
began = time.perf_counter()
models = eqx.filter_vmap(make)(jnp.stack([KEY] * rates.size))
result = nl.fit(models, train, optimizer=optimizer, watching=watching, running=running, **settings)
seconds = time.perf_counter() - began

# %% [markdown]
# ## The cost of one member alone

# %%
alone = optax.adamw(optax.cosine_decay_schedule(1e-2, STEPS), weight_decay=1e-3)
began = time.perf_counter()
nl.fit(make(KEY), train, optimizer=alone, **settings)
seconds_alone = time.perf_counter() - began
print(f"{rates.size} members: {seconds:.0f} s, one alone: {seconds_alone:.0f} s; compiling included")

# %% [markdown]
# ## Validation and test errors


# %%
@eqx.filter_jit
def rollouts(models, y0s):
    return eqx.filter_vmap(lambda model: jax.vmap(model, (None, 0))(later, y0s))(models)


chosen_by = np.nanmin(result.history.held_out, axis=0)
found = np.asarray(rollouts(result.model, jnp.asarray(test.ys[:, 0])))
angle_error = np.sqrt(np.mean((found - test.ys)[..., :2] ** 2, axis=(2, 3)))
error = np.median(np.where(np.isfinite(angle_error), angle_error, np.pi), axis=1)
best = int(np.argmin(chosen_by))
print("held-out loss (angle error over 3 s, rad), by rate (down) and decay (across)")
print(f"{'':8s}" + "".join(f"{decay:20.0e}" for decay in DECAYS))
for i, rate in enumerate(RATES):
    row = slice(i * len(DECAYS), (i + 1) * len(DECAYS))
    cells = zip(chosen_by[row], error[row], strict=True)
    print(f"{rate:8.0e}" + "".join(f"{f'{loss:.4f} ({e:.3f})':>20s}" for loss, e in cells))
print(f"chosen: rate {rates[best]:.0e}, decay {decays[best]:.0e}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for ax, values, title in ((axes[0], chosen_by, "held-out loss"), (axes[1], error, "angle error over 3 s [rad]")):
    image = ax.imshow(np.log10(values.reshape(len(RATES), len(DECAYS))), cmap="viridis", aspect="auto")
    ax.set_xticks(range(len(DECAYS)), [f"{decay:.0e}" for decay in DECAYS])
    ax.set_yticks(range(len(RATES)), [f"{rate:.0e}" for rate in RATES])
    ax.plot(best % len(DECAYS), best // len(DECAYS), "r*", ms=14)
    ax.set(xlabel="weight decay", ylabel="learning rate", title=f"log10 of the {title}")
    figure.colorbar(image, ax=ax)
figure.savefig(OUTPUT / "hyperparameter_sweep.png", dpi=110)

# %% [markdown]
# ## Claims

# %%
figures = {
    "angle error of the chosen member / of the best [1]": error[best] / error.min(),
    "angle error of the median member / of the chosen [1]": np.median(error) / error[best],
    "cost of 16 members / of one [1]": seconds / seconds_alone,
}
for name, value in figures.items():
    print(f"{name}: {value:.3g}")
if not SMOKE:
    assert error[best] < 1.5 * error.min()
    assert np.median(error) > error[best]
    assert seconds < rates.size * seconds_alone
