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
# # The double pendulum: Lagrangian networks and neural ODEs
#
# Unneberg and Kaarbø (2023) trained a Lagrangian neural network on the double pendulum in Julia. They could not
# differentiate the solution of its equations of motion. So they used finite differences, and a first phase of
# training on values of the true Lagrangian. This notebook repeats the experiment from trajectories alone, with exact
# gradients through the ODE solver. The data are 140 samples of one second of motion from each of ten initial states.
# The test is a rollout to t = 30 s.
#
# Neural ODEs with the same hidden layers, inputs and optimiser are the comparison. Each has at least the wall time of
# the free-form Lagrangian network. There is the source's first-order one, and stronger second-order ones.

# %%
from pathlib import Path

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

jax.config.update("jax_enable_x64", True)  # truth and long rollouts in double, training in single precision

# %% [markdown]
# ## Data
#
# $m = l = 1$, $g = 9.81$. All four components of the initial state are uniform in $[-0.2 \pi, 0.2 \pi]$.

# %%
system = nl.systems.DoublePendulum()
sample_times = jnp.linspace(0.0, 1.0, 140)
rollout_times = jnp.linspace(0.0, 30.0, 3001)


def initial_states(seed):
    return system.sample_states(jax.random.fold_in(jax.random.key(seed), 0), 10)


# %% [markdown]
# ## Parameters
#
# `--smoke` checks that everything runs; `--quick` trains a thirtieth as long; `--demo` leaves out the second-order
# neural ODE; `--full` repeats the training over five seeds and adds the reversible models.

# %%
SIZE = size_of_run("smoke", "quick", "full", "demo")
SEEDS = range(5) if SIZE == "full" else range(1)
WIDTH = {"smoke": 8, "quick": 64}.get(SIZE, 128)
ROLLOUTS = nl.training.Rollouts(stride=5)  # one step of 36 ms, five samples long
TIMES = [1.0, 5.0, 10.0, 20.0, 30.0]  # where the rollouts are judged

# %% [markdown]
# ## Models
#
# Each network receives $(\cos\theta_i, \sin\theta_i, \omega_i)$ and has two hidden layers of 128. The Lagrangian
# network has one output, $L$. The neural ODEs have two outputs, the accelerations, or four, the whole vector field.
# The "mechanical" Lagrangian is kinetic minus potential energy, with a network for the mass matrix and one for the
# potential. The reversed motion of a frictionless pendulum is a possible motion. The "reversible" models have this
# property: their networks are exactly even in the velocities.


# %%
def network(outputs, key):
    mlp = eqx.nn.MLP(6, outputs, WIDTH, 2, activation=jax.nn.silu, key=key, dtype=jnp.float32)
    return nl.PeriodicEmbedding(mlp, dof=2)


def mechanical(key):
    return nl.MechanicalLagrangian.from_mlp(2, WIDTH, periodic=(0, 1), dtype=jnp.float32, key=key)


MODELS = {
    "LNN": lambda key: nl.NeuralLagrangian(network("scalar", key), diffrax.Tsit5()),
    "LNN, mechanical": lambda key: nl.NeuralLagrangian(mechanical(key), diffrax.Tsit5()),
    "LNN, reversible": lambda key: nl.NeuralLagrangian(
        nl.networks.TimeReversible(network("scalar", key)), diffrax.Tsit5()
    ),
    "NODE, 2nd order": lambda key: nl.NeuralODE(network(2, key), diffrax.Tsit5()),
    "NODE, 2nd order, reversible": lambda key: nl.NeuralODE(
        nl.networks.TimeReversible(network(2, key)), diffrax.Tsit5()
    ),
    "NODE, 1st order": lambda key: nl.NeuralODE(network(4, key), diffrax.Tsit5()),
}
STEPS = {  # gradient steps; a neural ODE's are cheaper, and it gets more of them
    "LNN": 6000,
    "LNN, mechanical": 6000,
    "LNN, reversible": 5000,
    "NODE, 2nd order": 25000,
    "NODE, 2nd order, reversible": 28000,
    "NODE, 1st order": 27000,
}
if SIZE != "full":
    MODELS = {name: make for name, make in MODELS.items() if "reversible" not in name}
if SIZE == "demo":
    MODELS.pop("NODE, 2nd order")
STEPS = {name: {"smoke": 20, "quick": steps // 30}.get(SIZE, steps) for name, steps in STEPS.items()}

# %% [markdown]
# ## Training
#
# The loss is the mean square error of rollouts over windows of the trajectories. All models have the same optimiser:
# Muon with a cosine schedule and a little weight decay.

# %%
trained, histories, predictions, truths = {}, {}, {}, {}
for seed in SEEDS:
    y0s = initial_states(seed)
    data = nl.simulate(system, sample_times, y0s)
    truths[seed] = jnp.asarray(nl.simulate(system, rollout_times, y0s).ys)
    for name, make in MODELS.items():
        key = jax.random.fold_in(jax.random.key(seed), 1)
        steps = STEPS[name]
        optimizer = optax.contrib.muon(optax.cosine_decay_schedule(1e-2, steps), weight_decay=0.03)
        result = nl.fit(
            make(key), data, optimizer=optimizer, steps=steps, key=key, horizon=1, batch_size=64, rollouts=ROLLOUTS
        )
        seconds, loss = result.history.seconds[-1], np.nanmean(result.history.loss[-50:])
        print(f"seed {seed}: {name:28s} {steps:6d} steps, {seconds:5.1f} s, loss {loss:.1e}", flush=True)
        model = nl.models.with_precision(result.model, jnp.float64)
        trained[name, seed], histories[name, seed] = model, result.history
        predictions[name, seed] = analysis.rollouts(model, rollout_times, y0s)
    floor = analysis.perturbation_floor(system, rollout_times, y0s, jax.random.key(99))
    predictions["truth perturbed by 1e-4", seed] = floor

# %% [markdown]
# ## Comparison
#
# - Angle error at t: root mean square over both angles and over the second before t, median over the ten initial
#   states, then the median over seeds. A failed rollout counts as $\pi$.
# - Energy error: largest deviation up to t of the *true* energy along the predicted path, over $(m_1 + m_2) g l_1 +
#   m_2 g l_2$.
# - Valid time: until the angle error exceeds 0.1 rad.
# - Phase: of the second angle, relative to the truth, over the 30 s.


# %%
def score(name, seed):
    predicted, truth = predictions[name, seed], truths[seed]
    median = lambda x: np.median(np.asarray(x), axis=-1)  # noqa: E731
    return {
        "angle": median(analysis.angle_rmse(predicted, truth, rollout_times, TIMES)),
        "energy": median(analysis.energy_error(system.energy, predicted, rollout_times, system.energy_scale, TIMES)),
        "valid": median(analysis.valid_time(predicted, truth, rollout_times)),
        "phase": median(jnp.abs(analysis.phase_shift(predicted, truth)[:, 1])),
        "failed": int(jnp.sum(~jnp.all(jnp.isfinite(predicted), axis=(1, 2)))),
    }


names = [*MODELS, "truth perturbed by 1e-4"]
scores = {name: [score(name, seed) for seed in SEEDS] for name in names}
over_seeds = {
    name: {field: np.median([s[field] for s in of_seeds], axis=0) for field in of_seeds[0]}
    for name, of_seeds in scores.items()
}


def table(title, field, form):
    print(f"\n{title:44s}" + "".join(f"{f't = {t:g} s':>11s}" for t in TIMES))
    for name in names:
        print(f"{name:44s}" + "".join(f"{form.format(value):>11s}" for value in over_seeds[name][field]))


print(f"\nmedian over 10 initial conditions and {len(SEEDS)} seed(s)")
table("angle error [rad]", "angle", "{:.4f}")
table("energy error [% of the potential's depth]", "energy", "{:.3%}")
print(f"\n{'':44s}{'valid time':>11s}{'|phase|':>11s}{'failed':>11s}{'wall time':>11s}")
for name in names:
    row = over_seeds[name]
    seconds = np.median([histories[name, s].seconds[-1] for s in SEEDS]) if name in MODELS else 0.0
    phase = f"{row['phase']:.2f} deg"
    print(f"{name:44s}{row['valid']:9.1f} s{phase:>11s}{row['failed']:11.0f}{seconds:9.1f} s")
if len(SEEDS) > 1:
    print("\nangle error at t = 30 s, by seed")
    for name in names:
        print(f"{name:44s}" + "".join(f"{s['angle'][-1]:11.4f}" for s in scores[name]))

# %% [markdown]
# ## Figures and files

# %%
seed = SEEDS[0]
at_the_end = analysis.angle_rmse(predictions["LNN", seed], truths[seed], rollout_times, [30.0])[0]
start = int(np.argsort(at_the_end)[5])
figure, axes = plt.subplots(2, 2, figsize=(12, 7), layout="constrained")
shown = {name: predictions[name, seed][start] for name in MODELS}
late = rollout_times >= 20
analysis.plot_trajectories(
    rollout_times[late],
    truths[seed][start][late],
    {name: ys[late] for name, ys in shown.items()},
    coordinate=1,
    label=r"$\theta_2$ [rad]",
    ax=axes[0, 0],
)
axes[0, 0].set_title("trained on [0, 1] s, rolled out to 30 s (a median start)")
after = rollout_times[1:]  # at the start there is no error to show on a logarithmic scale
angle_errors = {
    name: jnp.linalg.norm(analysis.wrap_angle(predictions[name, seed] - truths[seed])[:, 1:, :2], axis=-1) / 2**0.5
    for name in names
}
analysis.plot_error_growth(after, angle_errors, label="angle error [rad]", ax=axes[0, 1])
axes[0, 1].set_title("median and quartiles over the ten starts")
energy_errors = {
    name: analysis.energy_error(system.energy, predictions[name, seed], rollout_times, system.energy_scale)[:, 1:]
    for name in MODELS
}
analysis.plot_error_growth(after, energy_errors, label="relative energy error", ax=axes[1, 0])
axes[1, 0].set_title("true energy along the predicted path")
analysis.plot_history({name: histories[name, seed] for name in MODELS}, ax=axes[1, 1])
axes[1, 1].set_title("training")
figure.savefig(OUTPUT / "double_pendulum.png", dpi=110)

for name in MODELS:
    file = OUTPUT / f"double_pendulum_{name.replace(', ', '_').replace(' ', '_').lower()}.model"
    nl.save(file, trained[name, seed])
print(f"\nfigures and models are in {OUTPUT.relative_to(Path.cwd()) if OUTPUT.is_relative_to(Path.cwd()) else OUTPUT}")
print(nl.mechanics.mass_matrix_report(trained["LNN", seed].lagrangian, rollout_times, truths[seed][start]))

# %% [markdown]
# ## What this shows

# %%
figures = {
    f"{what} at 30 s, {name} [{unit}]": over_seeds[name][field][-1]
    for name in MODELS
    for what, field, unit in (("angle error", "angle", "rad"), ("energy error", "energy", "1"))
}
for name, value in figures.items():
    print(f"{name}: {value:.3g}")
if SIZE not in ("smoke", "quick"):
    angle, energy = ({name: over_seeds[name][field][-1] for name in MODELS} for field in ("angle", "energy"))
    others = [name for name in MODELS if name.startswith("NODE") and "reversible" not in name]
    assert angle["LNN"] < min(angle[name] for name in others)
    assert energy["LNN"] < min(0.005, *(energy[name] for name in others))
    assert angle["LNN, mechanical"] < 0.02
    assert energy["LNN, mechanical"] < 0.0005
