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
# # A measured double pendulum
#
# The recording is one free swing of a real double pendulum (Kaheman et al. 2022), 80 s at 1 kHz, in thirty
# consecutive pieces. The model is a mechanical Lagrangian with friction at the joints. There are two tests:
#
# 1. train on the even pieces, test on the odd ones;
# 2. train on all but the first 8 s, test on the first 8 s, which have more energy than any training data.
#
# The comparison is the rigid-body equations that the authors of the recording calibrated on all pieces.

# %%
from dataclasses import replace

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

# %% [markdown]
# ## Recording
#
# Angles are absolute, $\pi$ is hanging down, and they are accurate to about 5e-5 rad. The recorded velocities lag by
# about one sample and are noisy. A local polynomial through the angles gives better velocities, and accelerations
# too. Rollouts start from states of both kinds, for every model: from the polynomial, and as recorded, each angle
# with the velocity of the next sample.

# %%
try:
    recorded = nl.datasets.kaheman_pendulum("double")
except nl.trajectories.DataFileError as error:
    print(f"skipped: the recording is not here ({error})")
    raise SystemExit(0) from None

STEP = 1e-3
BEGINS = STEP * (np.cumsum(recorded.lengths) - recorded.lengths)  # of each piece, in seconds of the swing
smoothed = nl.trajectories.differentiate(*nl.trajectories.without_velocities(recorded), window=61, accelerations=True)
for lag in range(3):
    differences = [
        (polynomial[50 : -50 - lag, 2:] - raw[50 + lag : -50, 2:])
        for (_, polynomial), (_, raw) in zip(smoothed, recorded, strict=True)
    ]
    rms = np.sqrt(np.mean(np.concatenate(differences) ** 2, axis=0))
    print(f"recorded velocity {lag} ms later, minus the polynomial's: {rms[0]:.3f} and {rms[1]:.3f} rad/s (rms)")


def without_lag(trajectories):
    pairs = [(ts[:-1], np.concatenate([ys[:-1, :2], ys[1:, 2:]], axis=1)) for ts, ys in trajectories]
    return nl.Trajectories([ts for ts, _ in pairs], [ys for _, ys in pairs])


STATES = {"states from the polynomial": smoothed, "states as recorded": without_lag(recorded)}

# %% [markdown]
# ## Models
#
# The Lagrangian is $L = \tfrac12 \dot q^\top M(q) \dot q - V(q)$, with $M$ positive definite and networks of the
# cosines and sines of the angles. It contains no arms, lengths or gravity. The second joint turns at $\dot q_2 - \dot
# q_1$. The friction at each joint is linear damping and a smoothed Coulomb friction. It can only remove energy,
# whatever its coefficients.
#
# The comparison is a formula of two rigid arms with unknown constants: $L = \tfrac12 (A \dot q_1^2 + C \dot q_2^2) +
# B \dot q_1 \dot q_2 \cos(q_1 - q_2) - V$. $V$ is linear in the cosines and sines of the angles. The sines are needed
# if an encoder does not read $\pi$ when the arm hangs.

# %%
JOINTS = [[1, 0], [-1, 1]]
damping = nl.mechanics.LinearDamping(jnp.full(2, 0.1, jnp.float32))
friction = nl.mechanics.SmoothFriction(jnp.full(2, 0.01, jnp.float32), 0.1)
lagrangian = nl.MechanicalLagrangian.from_mlp(2, 64, periodic=(0, 1), dtype=jnp.float32, key=KEY)
FORCE = nl.mechanics.AtJoints(damping + friction, JOINTS)


class Arms(eqx.Module):
    inertia: jax.Array  # logarithms of A and C
    coupling: jax.Array  # B / sqrt(A C) is its tanh
    weight: jax.Array

    def __call__(self, t, q, v):
        root = jnp.exp(0.5 * self.inertia) * v
        kinetic = 0.5 * jnp.dot(root, root) + jnp.tanh(self.coupling) * root[0] * root[1] * jnp.cos(q[0] - q[1])
        return kinetic - jnp.dot(self.weight, jnp.concatenate([jnp.cos(q), jnp.sin(q)]))


arms = Arms(jnp.zeros(2, jnp.float32), jnp.zeros((), jnp.float32), jnp.zeros(4, jnp.float32))
MODELS = {
    "networks": nl.NeuralLagrangian.from_lagrangian(lagrangian, force=FORCE),
    "arms": nl.NeuralLagrangian.from_lagrangian(arms, dof=2, force=FORCE, mass_solve=nl.mechanics.Cholesky()),
}


def rigid_arms(t, q, v):
    """The authors' calibrated arms; angles from upright."""
    m1, m2, a1, a2, length = 0.0938439748, 0.137595970, 0.108565215, 0.116779018, 0.172719204
    inertia1, inertia2, g = 4.37529430e-4, 1.26882939e-3, 9.80858023
    kinetic = (m1 * a1**2 + inertia1 + m2 * length**2) * v[0] ** 2 / 2 + (m2 * a2**2 + inertia2) * v[1] ** 2 / 2
    kinetic += m2 * length * a2 * v[0] * v[1] * jnp.cos(q[0] - q[1])
    return kinetic - (m1 * a1 + m2 * length) * g * jnp.cos(q[0]) - m2 * a2 * g * jnp.cos(q[1])


VISCOUS = nl.mechanics.AtJoints(nl.mechanics.LinearDamping(np.sqrt([2.37142783e-4, 1.00000019e-5])), JOINTS)
EXPERT = nl.NeuralLagrangian.from_lagrangian(rigid_arms, dof=2, force=VISCOUS, mass_solve=nl.mechanics.Cholesky())

# %% [markdown]
# ## Training
#
# Training begins with the accelerations of the polynomial, which is cheap. Then it uses rollouts: windows of 0.1 s,
# 0.5 s and 1 s in steps of 20 ms. The loss takes angles in rad and velocities in units of 10 rad/s.


# %%
def loss(model, window):
    scale = jnp.asarray([[1, 1, 10, 10]], window.ys.dtype)
    scaled = replace(window, ys=window.ys / scale)
    return nl.trajectory_mse(lambda ts, y0: model(ts, y0 * scale[0]) / scale, scaled)


HORIZONS, STEPS = (5, 25, 50), (800, 300, 200)
MATCHING = 3000
if SIZE == "quick":
    HORIZONS, STEPS, MATCHING = (5, 25), (200, 40), 500
    MODELS.pop("arms")
    STATES.pop("states as recorded")
if SIZE == "smoke":
    HORIZONS, STEPS, MATCHING = (2,), (3,), 3


def learn(name, model, pieces):
    train = smoothed.select(pieces)
    matched = nl.fit(
        model,
        train,
        loss=nl.training.acceleration_mse,
        horizon=0,
        steps=MATCHING,
        batch_size=256,
        key=KEY,
        watching=nl.training.Watching(progress=False),
    )
    optimizers = [optax.contrib.muon(optax.cosine_decay_schedule(3e-3, count)) for count in STEPS]
    result = nl.fit(
        matched.model,
        train,
        loss=loss,
        optimizer=optimizers,
        rollouts=nl.training.Rollouts(stride=20),
        horizon=HORIZONS,
        steps=STEPS,
        batch_size=64,
        key=KEY,
        watching=nl.training.Watching(progress=False),
    )
    seconds = matched.history.seconds[-1] + result.history.seconds[-1]
    print(f"{name:12s} {len(train)} pieces, {seconds:4.0f} s, loss {result.history.loss[-20:].mean():.1e}")
    return nl.models.with_precision(result.model, jnp.float64)


# %% [markdown]
# ## Errors on the odd pieces
#
# Rollouts start every 0.1 s in each test piece and never cross its end. The error is the root mean square error of
# the angles from the start to the horizon, median over the starts.

# %%
TEN_MS = nl.StepsPerSample(1)  # one step of Tsit5 from row to row: right to 1e-7 rad here


def errors_of(model, states, pieces, horizon):
    """Start times in seconds of the swing, and the error of each rollout."""
    model = eqx.tree_at(lambda m: m.integration.stepsize_controller, model, TEN_MS, is_leaf=lambda x: x is None)
    windows = nl.trajectories.Windows(states.select(pieces), int(horizon * 100), stride=10, dtype=jnp.float64)
    pieces_of, rows = windows.rows(jnp.arange(len(windows)))
    every = np.flatnonzero(rows[:, 0] % 100 == 0)
    starts = windows.gather(jnp.asarray(every))
    ts, ys = starts.ts, starts.ys
    piece, sample = np.asarray(pieces_of[every, 0]), np.asarray(rows[every, 0])
    predicted = analysis.rollouts(model, ts[0] - ts[0, 0], ys[:, 0])
    rmse = analysis.angle_rmse(predicted, ys, ts[0] - ts[0, 0], [horizon], window=horizon)[0]
    return BEGINS[np.asarray(pieces)[piece]] + STEP * sample, np.asarray(rmse)


def judge(models, states, pieces, bins):
    print(f"{'median angle RMSE [rad]':24s}{'horizon':>8s}" + "".join(f"{f'{a}-{b} s':>10s}" for a, b in bins))
    medians = {}
    for horizon in {"smoke": (0.5,), "quick": (0.5, 1.0)}.get(SIZE, (0.5, 1.0, 2.6)):
        for name, model in models.items():
            starts, rmse = errors_of(model, states, pieces, horizon)
            rows = [np.median(rmse[(a <= starts) & (starts < b)]) for a, b in bins]
            medians[name, horizon] = np.array(rows)
            print(f"{name:24s}{horizon:6g} s" + "".join(f"{row:10.4f}" for row in rows))
    return medians


BINS = [(0, 80), (0, 10), (10, 20), (60, 70)]
EVEN, ODD = np.arange(0, 30, 2), np.arange(1, 30, 2)
models = {name: learn(name, model, EVEN) for name, model in MODELS.items()} | {"authors' equations": EXPERT}
medians = {}
for kind, states in STATES.items():
    print(f"\nodd pieces, {kind}")
    medians[kind] = judge(models, states, ODD, BINS)

# %% [markdown]
# The second test has more energy than the training data: trained on t > 8 s, tested on the first 8 s.

# %%
FIRST = np.arange(3)
LATER = np.arange(3, 30)
if SIZE == "standard":
    beyond = {name: learn(name, model, LATER) for name, model in MODELS.items()} | {"authors' equations": EXPERT}
    for kind, states in STATES.items():
        print(f"\nthe first 8 s, {kind}")
        medians[f"beyond, {kind}"] = judge(beyond, states, FIRST, [(0, 8), (0, 4), (4, 8)])

# %% [markdown]
# ## Figures

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
piece = 1
ts, ys = list(smoothed)[piece]
ts, ys = ts[::10], ys[::10]
predicted = {name: analysis.rollouts(model, ts, ys[None, 0])[0] for name, model in models.items()}
analysis.plot_trajectories(ts, ys, predicted, coordinate=1, label="angle of the lower arm [rad]", ax=axes[0])
axes[0].set_title("the first odd piece, from its start")
for name, model in models.items():
    starts, rmse = errors_of(model, smoothed, ODD, 0.5 if SIZE == "smoke" else 1.0)
    axes[1].semilogy(starts, rmse, ".", ms=4, label=name)
axes[1].set(xlabel="start [s]", ylabel="angle RMSE over 1 s [rad]", title="odd pieces, by start")
axes[1].legend()
figure.savefig(OUTPUT / "measured_double_pendulum.png", dpi=110)

# %% [markdown]
# ## What this shows

# %%
figures = {
    f"angle RMSE over {horizon} s, {name} [rad]": error[0]
    for (name, horizon), error in medians["states from the polynomial"].items()
}
for name, value in figures.items():
    print(f"{name}: {value:.3g}")
if SIZE == "standard":
    for horizon in (0.5, 1.0):
        at = medians["states from the polynomial"]
        assert np.all(at["networks", horizon] < at["authors' equations", horizon])
        at = medians["states as recorded"]
        assert at["networks", horizon][0] < at["authors' equations", horizon][0]
