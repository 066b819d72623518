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
# # One network for pendulums of unknown lengths
#
# Twelve pendulums differ in their length, and nobody has measured it. One network should describe all of them. It gets
# one more input, a number for each pendulum, which is estimated together with the weights. The numbers share a prior.
#
# Four other pendulums judge it. Their number is estimated from 1 s of motion, while the network is frozen. Then the
# network predicts the next 2 s. A network that gets the true lengths shows what could be reached, and a network without
# the input shows what the input is worth.

# %%
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from sizes import OUTPUT, asked

import neural_lagrangian as nl
from neural_lagrangian.networks import Frozen
from neural_lagrangian.observation import (
    Normal,
    Observed,
    Population,
    Position,
    Sensor,
    Velocity,
    negative_log_likelihood,
    observation_residual,
)

jax.config.update("jax_enable_x64", True)

SMOKE = asked("smoke")
STEPS, WIDTH = (2, 4) if SMOKE else (3000, 24)
ANGLE_NOISE, RATE_NOISE = 0.01, 0.03  # rad, rad/s
STEP, CALIBRATION, PREDICTION = 0.04, 25, 50  # seconds a sample; samples
TRAINED = np.linspace(0.5, 2.0, 12)
HELD_OUT = np.array([0.6, 0.95, 1.3, 1.8])

# %% [markdown]
# ## The recordings
#
# Each pendulum is recorded twice for 3 s, with noise. `run` says which pendulum it is.

# %%
rng = np.random.default_rng(0)
ts = STEP * np.arange(CALIBRATION + PREDICTION + 1)


def recorded(lengths):
    """Two recordings of each pendulum, and their true states."""
    true, runs = [], []
    for run, length in enumerate(lengths):
        pendulum = nl.systems.Pendulum(length=float(length))
        for _ in range(2):
            y0 = jnp.asarray(rng.uniform([-2.0, -1.5], [2.0, 1.5]))
            true.append(np.asarray(pendulum(ts, y0)))
            runs.append(run)
    true = np.stack(true)
    seen = true + rng.normal(size=true.shape) * [ANGLE_NOISE, RATE_NOISE]
    observations = {"angle": seen[..., 0], "rate": seen[..., 1]}
    parameters = {"run": runs, "length": np.repeat(lengths, 2)}
    return nl.Trajectories(ts, seen, observations=observations, parameters=parameters), true


train, _ = recorded(TRAINED)
test, true_states = recorded(HELD_OUT)


def with_parameters(motion, *names):
    """The recordings with these parameters alone."""
    chosen = {name: motion.parameters[name] for name in names} or None
    return nl.Trajectories(motion.ts, motion.ys, observations=motion.observations, parameters=chosen)


# %% [markdown]
# ## Three networks
#
# They differ in their input alone.

# %%
sensors = {
    "angle": Sensor(Position(), noise=Frozen(ANGLE_NOISE)),
    "rate": Sensor(Velocity(), noise=Frozen(RATE_NOISE)),
}


def pendulums(population=None, parameters=None):
    lagrangian = nl.MechanicalLagrangian.from_mlp(1, WIDTH, periodic=(0,), parameters=parameters, key=jax.random.key(0))
    model = nl.NeuralLagrangian(lagrangian, stepsize_controller=nl.StepsPerSample(1))
    return Observed(model, sensors, population=population)


def trained(rig, motion):
    optimizer = optax.adam(optax.cosine_decay_schedule(5e-3, STEPS))
    settings = {"steps": STEPS, "horizon": 8, "batch_size": 64, "key": jax.random.key(1)}
    watching = nl.training.Watching(progress=False)
    result = nl.fit(rig, motion, loss=negative_log_likelihood, optimizer=optimizer, watching=watching, **settings)
    return result.model


prior = {"length": Normal(mean=Frozen(1.0), spread=Frozen(0.5))}
of_runs = with_parameters(train, "run")
models = {
    "length unknown": trained(pendulums(Population(prior, of_runs), {"length": 1.0}), of_runs),
    "length known": trained(pendulums(parameters={"length": 1.0}), with_parameters(train, "length")),
    "no input": trained(pendulums(), with_parameters(train)),
}

# %% [markdown]
# The numbers that the network was not told follow the lengths. Their scale and their direction are free, since the
# network can undo both. Their order is not.

# %%
numbers = np.asarray(models["length unknown"].population.values["length"])
order = np.corrcoef(np.argsort(np.argsort(numbers)), np.arange(len(TRAINED)))[0, 1]
print(f"rank correlation of the estimated numbers with the true lengths: {order:+.3f}")

# %% [markdown]
# ## Pendulums that were held out
#
# Their numbers are found by least squares from the first second, in few steps, since nothing else is trained.

# %%
begun = nl.Trajectories(
    ts[: CALIBRATION + 1],
    test.ys[:, : CALIBRATION + 1],
    observations={name: values[:, : CALIBRATION + 1] for name, values in test.observations.items()},
    parameters={"run": test.parameters["run"]},
)
unknown = eqx.tree_at(
    lambda m: (m.model.network, m.population),
    models["length unknown"],
    (Frozen(models["length unknown"].model.network), Population(prior, begun)),
)
calibrated = nl.training.gauss_newton(
    unknown, begun, residual=observation_residual, states=begun.ys, horizon=CALIBRATION, windows=99, steps=15
).model

# %%
later = ts[CALIBRATION:]
starts = jnp.asarray(true_states[:, CALIBRATION])
truth = true_states[:, CALIBRATION:]
args = {
    "length unknown": {"run": jnp.asarray(test.parameters["run"])},
    "length known": {"length": jnp.asarray(test.parameters["length"])},
    "no input": None,
}
predicted, errors = {}, {}
for name, rig in (models | {"length unknown": calibrated}).items():
    predicted[name] = np.asarray(jax.vmap(lambda y0, p, rig=rig: rig(later, y0, p))(starts, args[name]))
    errors[name] = np.sqrt(np.mean((predicted[name] - truth)[..., 0] ** 2))
    print(f"error of the angle over {PREDICTION * STEP:g} s, {name} [rad]: {errors[name]:.3g}")

# %%
if not SMOKE:
    assert abs(order) > 0.99
    assert errors["length unknown"] < 0.1 * errors["no input"]
    assert errors["length unknown"] < 3 * errors["length known"]

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3.5))
axes[0].plot(TRAINED, numbers, "o")
axes[0].set(xlabel="true length (m)", ylabel="estimated number", title="pendulums of the training")
axes[1].plot(later, truth[0, :, 0], "k", label="true")
for name in predicted:
    axes[1].plot(later, predicted[name][0, :, 0], "--", label=name)
axes[1].set(xlabel="time (s)", ylabel="angle (rad)", title=f"held out: {HELD_OUT[0]:g} m")
axes[1].legend()
figure.tight_layout()
figure.savefig(OUTPUT / "pendulums_of_unknown_lengths.png")
