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
# # Pendulums from accelerations: phase, energy, chaos
#
# Batard-Rinaudo, Daniel and Pateau (2025) trained networks on states and their accelerations. A plain network learned
# the simple pendulum from random states. A Lagrangian network (two layers of 128, softplus) and a plain one learned
# the double pendulum from a single chaotic trajectory. They report:
#
# - simple pendulum from $(\pi/4, 0.3)$: a good trajectory, but the plain network does not conserve energy;
# - double pendulum from the smooth start $(\pi/4, \pi/2, 0, 0)$: mean phase shifts of $\theta_1, \theta_2$ of 10.55
#   and 8.15 degrees for the plain network, -0.64 and 0.77 for the Lagrangian one;
# - double pendulum from the chaotic start $(3\pi/7, 3\pi/4, 0, 0)$: both inaccurate, no figure;
# - 2000 steps of 0.002 s take the Lagrangian network about 3 s.
#
# They do not give the start, length and sampling of the training trajectory, or masses, lengths and optimiser. In
# this notebook $m = l = 1$ and $g = 9.81$. The trajectory lasts 200 s at 100 Hz, from a third start. All networks
# have the same hidden layers and optimiser.

# %%
import time

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

jax.config.update("jax_enable_x64", True)  # truth and rollouts in double, training in single precision

# %% [markdown]
# ## Parameters

# %%
SIZE = size_of_run("smoke", "quick")
WIDTH, DEPTH = (8, 1) if SIZE == "smoke" else (64, 3)
SEEDS = range(3) if SIZE == "standard" else range(1)
STEPS = {"LNN, mechanical": 12_000, "LNN, free-form": 4_000, "NODE": 20_000}
if SIZE == "quick":
    STEPS.pop("LNN, free-form")
SECONDS = 20 if SIZE == "smoke" else 200  # of the training trajectory
SAMPLES = 101 if SIZE == "smoke" else 2001
DRAWN = 1001 if SIZE == "standard" else 101  # samples of the animation
FIRST = slice(None if SIZE == "standard" else 1)  # of models where all take the same way
FOUR = 0.002 * jnp.arange(SAMPLES)  # the source's 2000 steps
TWENTY = 0.01 * jnp.arange(SAMPLES)
ADAPTIVE = nl.integrators.Integration(diffrax.Dopri8(), max_steps=100_000)
STEPWISE = nl.integrators.Integration(nl.integrators.RK4(), stepsize_controller=nl.StepsPerSample(1))

# %% [markdown]
# ## Models and training
#
# All networks receive $(\cos\theta_i, \sin\theta_i, \omega_i)$, in units of 0.2 s. The loss is the mean square error
# of the accelerations. For a Lagrangian network they follow from the Euler-Lagrange equations. "Mechanical" is
# $\tfrac12 v^\top M(q)\, v - V(q)$ with two networks. "Free-form" is any $L(q, v)$, like the source's. "NODE" is a
# network for the acceleration.


# %%
def network(dof, outputs, key):
    mlp = eqx.nn.MLP(3 * dof, outputs, WIDTH, DEPTH, activation=jax.nn.silu, dtype=jnp.float32, key=key)
    return nl.PeriodicEmbedding(mlp, dof=dof)


def mechanical(dof, key):
    settings = {"periodic": range(dof), "dtype": jnp.float32, "key": key}
    return nl.NeuralLagrangian(nl.MechanicalLagrangian.from_mlp(dof, WIDTH, DEPTH, **settings))


MODELS = {
    "LNN, mechanical": mechanical,
    "LNN, free-form": lambda dof, key: nl.NeuralLagrangian(network(dof, "scalar", key)),
    "NODE": lambda dof, key: nl.NeuralODE(network(dof, dof, key)),
}


def learn(name, data, steps, seed):
    key, steps = jax.random.key(seed), {"smoke": 5, "quick": steps // 20}.get(SIZE, steps)
    units = nl.trajectories.Scaling(np.zeros(data.dof), np.ones(data.dof), 0.2)
    optimizer = optax.contrib.muon(optax.cosine_decay_schedule(3e-2, steps))
    settings = {"loss": nl.training.acceleration_mse, "horizon": 0, "batch_size": 256, "key": key}
    result = nl.fit(nl.Scaled(MODELS[name](data.dof, key), units), data, optimizer=optimizer, steps=steps, **settings)
    seconds, loss = result.history.seconds[-1], result.history.loss[-100:].mean()
    print(f"{name:16s} seed {seed}: {steps:6d} steps, {seconds:4.0f} s, loss {loss:.1e}", flush=True)
    return integrated(nl.models.with_precision(result.model, jnp.float64), ADAPTIVE)


def integrated(model, integration):
    return eqx.tree_at(lambda m: m.model.integration, model, integration)


# %% [markdown]
# ## The simple pendulum
#
# As in the source, the data are random states with their accelerations: 5000, with $|\theta| < 3\pi/4$ and
# $|\dot\theta| < \sqrt{g / l}$.

# %%
pendulum = nl.systems.Pendulum()
states = pendulum.sample_states(jax.random.key(0), 5000)
accelerations = jax.vmap(lambda y: pendulum.acceleration(0.0, y[:1], y[1:]))(states)
rows = lambda x: np.asarray(x)[:, None]  # noqa: E731 - trajectories of one sample
at_random = nl.Trajectories(np.zeros((len(states), 1)), rows(states), accelerations=rows(accelerations))

start = jnp.array([[jnp.pi / 4, 0.3]])
swing = analysis.rollouts(pendulum, TWENTY, start)
swings, swing_energy = {}, {}
for name in ("LNN, free-form", "NODE")[FIRST]:
    swings[name] = analysis.rollouts(learn(name, at_random, 3000, 0), TWENTY, start)
    swing_energy[name] = analysis.energy_error(pendulum.energy, swings[name], TWENTY, pendulum.gravity)
for name, ys in swings.items():
    error, energy = jnp.abs(ys - swing)[0, :, 0].max(), swing_energy[name].max()
    print(f"{name:16s} to 20 s: angle error {error:.1e} rad, energy error / m g l {energy:.1e}")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
shown = {name: ys[0] for name, ys in swings.items()}
analysis.plot_trajectories(TWENTY, swing[0], shown, label=r"$\theta$ [rad]", ax=left)
errors = {name: error[:, 1:] for name, error in swing_energy.items()}
analysis.plot_error_growth(TWENTY[1:], errors, label="energy error / m g l", ax=right)
figure.savefig(OUTPUT / "pendulum_phase_shift_simple.png", dpi=110)

# %% [markdown]
# ## The double pendulum, from one trajectory
#
# The pendulum is released at $(1.5, 2, 0, 0)$. This has a little more energy than the chaotic start, and far more
# than the smooth one. All samples have the same energy $E$. On this energy surface the Hamiltonians $H$ and $H + (H -
# E)^2 \varphi(q, p)$ have the same motion for any $\varphi$. So one trajectory, even with accelerations, does not
# determine a free-form Lagrangian at other energies. A kinetic energy quadratic in the velocities does not have this
# freedom.

# %%
system = nl.systems.DoublePendulum()
smooth, chaotic = jnp.array([[jnp.pi / 4, jnp.pi / 2, 0, 0], [3 * jnp.pi / 7, 3 * jnp.pi / 4, 0, 0]])
released = jnp.array([[1.5, 2.0, 0.0, 0.0]])
data = nl.simulate(system, jnp.linspace(0, SECONDS, 100 * SECONDS + 1), released, accelerations=True)
for name, y0 in {"training": released[0], "smooth": smooth, "chaotic": chaotic}.items():
    print(f"{name:10s} energy {system.energy(0.0, y0[:2], y0[2:]) / system.energy_scale:+.3f} of the potential's depth")
trained = {name: [learn(name, data, steps, seed) for seed in SEEDS] for name, steps in STEPS.items()}

# %% [markdown]
# ## From the smooth start
#
# The phase is that of `analysis.phase_shift`, at the dominant frequency, in 4 s. (Each angle has only two maxima in
# that time, one of them shallow. An average over maxima would depend on how they are paired.) The table gives the
# median of the magnitudes over the seeds, and the largest.


# %%
def predicted(ts, y0):
    """The truth, once for each seed, and by model the rollouts of each seed: (seed, time, 4)."""
    truth = jnp.tile(jnp.asarray(nl.simulate(system, ts, y0[None]).ys), (len(SEEDS), 1, 1))
    of_seeds = {name: [analysis.rollouts(model, ts, y0[None])[0] for model in trained[name]] for name in trained}
    return truth, {name: jnp.stack(ys) for name, ys in of_seeds.items()}


smooth_truth, smooth_rollouts = predicted(FOUR, smooth)
figures, largest = {}, {}
print(f"{'phase shift [deg]':20s}{'theta1':>18s}{'theta2':>18s}")
for name, ys in smooth_rollouts.items():
    shift = np.abs(np.nan_to_num(analysis.phase_shift(ys, smooth_truth), nan=180.0))  # a failed rollout has no phase
    median, largest[name] = np.median(shift, axis=0), shift.max(axis=0)
    cells = [f"{low:.3f} ({high:.3f})" for low, high in zip(median, largest[name], strict=True)]
    print(f"{name:20s}" + "".join(f"{cell:>18s}" for cell in cells))
    figures |= {f"phase shift of theta{i + 1}, {name} [deg]": float(median[i]) for i in range(2)}
print(f"{'source: LNN':20s}{-0.64:18.2f}{0.77:18.2f}\n{'source: baseline':20s}{10.55:18.2f}{8.15:18.2f}")

# %% [markdown]
# ## From the chaotic start
#
# - Valid time: until the angle error (root mean square over both) exceeds 0.1 rad, of 20 s.
# - Floor: the truth itself, restarted 1e-4 away in 20 directions.
# - Energy: of the true system along the predicted path, over the potential's depth.

# %%
truth, rollouts = predicted(TWENTY, chaotic)
perturbed = analysis.perturbation_floor(system, TWENTY, jnp.tile(chaotic, (20, 1)), jax.random.key(1))
floor_time = float(jnp.median(analysis.valid_time(perturbed, jnp.tile(truth[:1], (20, 1, 1)), TWENTY)))
figures["valid time, truth restarted 1e-4 away [s]"] = floor_time
energy_errors = {}
for name, ys in rollouts.items():
    energy_errors[name] = analysis.energy_error(system.energy, ys, TWENTY, system.energy_scale)
    figures[f"valid time, {name} [s]"] = float(jnp.median(analysis.valid_time(ys, truth, TWENTY)))
    figures[f"energy error to 20 s, {name}"] = float(jnp.median(energy_errors[name].max(axis=1)))


# %%
def angle_error(ys, truth):
    return jnp.linalg.norm(analysis.wrap_angle(ys - truth)[:, 1:, :2], axis=-1) / 2**0.5


figure, axes = plt.subplots(2, 2, figsize=(12, 7), layout="constrained")
shown = {name: ys[0] for name, ys in smooth_rollouts.items()}
analysis.plot_trajectories(FOUR, smooth_truth[0], shown, coordinate=1, label=r"$\theta_2$ [rad]", ax=axes[0, 0])
errors = {name: angle_error(ys, smooth_truth) for name, ys in smooth_rollouts.items()}
analysis.plot_error_growth(FOUR[1:], errors, label="angle error, smooth start [rad]", ax=axes[0, 1])
errors, floor = {name: angle_error(ys, truth) for name, ys in rollouts.items()}, angle_error(perturbed, truth[:1])
analysis.plot_error_growth(TWENTY[1:], errors, floor, label="angle error, chaotic start [rad]", ax=axes[1, 0])
errors = {name: error[:, 1:] for name, error in energy_errors.items()}
analysis.plot_error_growth(TWENTY[1:], errors, label="energy error, chaotic start", ax=axes[1, 1])
figure.savefig(OUTPUT / "pendulum_phase_shift.png", dpi=110)

# %%
motions = {"truth": truth[0, :DRAWN], **{name: ys[0, :DRAWN] for name, ys in rollouts.items()}}
path = OUTPUT / "pendulum_phase_shift.gif"
animation = analysis.animate(system, TWENTY[:DRAWN], motions, path=path, frames_per_second=20, size=2.4)

# %% [markdown]
# ## Time of a rollout
#
# The table compares the source's 2000 steps, by RK4 in this notebook, with adaptive steps to the same 2001 samples.
# Programs are compiled; times are medians of 20.


# %%
def milliseconds(model):
    times = []
    for _ in range(21):
        began = time.perf_counter()
        analysis.rollouts(model, FOUR, smooth[None]).block_until_ready()
        times.append(time.perf_counter() - began)
    return 1e3 * float(np.median(times[1:]))  # the first compiles


for name, (model, *_) in list(trained.items())[FIRST]:
    figures[f"2000 steps, {name} [ms]"] = milliseconds(integrated(model, STEPWISE))
    figures[f"2001 samples by adaptive steps, {name} [ms]"] = milliseconds(model)

# %% [markdown]
# ## Claims

# %%
for name, value in figures.items():
    print(f"{name}: {value:.4g}")
if SIZE == "standard":
    assert largest["LNN, mechanical"].max() < 0.1  # of three seeds
    assert (largest["LNN, mechanical"] < largest["NODE"]).all()
