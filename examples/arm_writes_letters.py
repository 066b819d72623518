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
# # An arm that writes letters
#
# An arm with two joints writes 20 letters. Seventeen teach its inverse dynamics: the torques that a motion needs, split
# into inertial, Coriolis and gravity torque. Three letters test it (Lutter and Peters 2021, arXiv:2110.01894). Then
# the learned arm computes the torques of a controller that writes the test letters.

# %%
import os
from functools import partial
from pathlib import Path

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from sizes import OUTPUT, asked

import neural_lagrangian as nl
from neural_lagrangian import control

SMOKE = asked("smoke")
FILE = Path(os.environ.get("NEURAL_LAGRANGIAN_DATA", "data")) / "lutter_letters" / "letters.npz"
if not FILE.exists():
    print(f"skipped: there is no {FILE}; NEURAL_LAGRANGIAN_DATA names the folder of the recordings")
    raise SystemExit(0)

jax.config.update("jax_enable_x64", True)

# %% [markdown]
# ## The letters

# %%
data = dict(np.load(FILE))
ends = np.cumsum(data["lengths"])
rows = {letter: slice(end - n, end) for letter, n, end in zip(data["letters"], data["lengths"], ends, strict=True)}
TEST = ("e", "q", "v")


def recording(letters):
    parts = [rows[letter] for letter in letters]
    ys = [np.concatenate([data["q"][part], data["v"][part]], axis=1) for part in parts]
    recorded = {name: [data[key][part] for part in parts] for name, key in COLUMNS.items()}
    return nl.Trajectories([data["t"][part] for part in parts], ys, **recorded)


COLUMNS = {"accelerations": "a", "controls": "torque"}
train = recording([letter for letter in rows if letter not in TEST])
print(train)

# %% [markdown]
# ## Learn
#
# Every row of the recording is a training window. Adam starts in single precision; Levenberg-Marquardt steps of all
# weights together finish in double precision. Three networks begin with different weights.


# %%
def learn(seed):
    """The arm, from random initial weights."""
    network = nl.MechanicalLagrangian.from_mlp(2, 32, periodic=(0, 1), dtype=jnp.float32, key=jax.random.key(seed))
    model = nl.NeuralLagrangian(network, force=nl.mechanics.ControlForce())
    steps = 20 if SMOKE else 4000
    result = nl.fit(
        model,
        train,
        loss=nl.training.torque_mse,
        horizon=0,
        batch_size=256,
        steps=steps,
        optimizer=optax.adam(optax.cosine_decay_schedule(3e-3, steps)),
        key=jax.random.key(100 + seed),
    )
    coarse = nl.models.with_precision(result.model, jnp.float64)
    polished = nl.training.gauss_newton(
        coarse, train, residual=nl.training.torque_residual, horizon=0, windows=2600, steps=2 if SMOKE else 100
    )
    print(f"mean square torque error: {result.history.loss[-50:].mean():.1e}, then {polished.loss[-1]:.1e}")
    return polished.model


arms = [learn(seed) for seed in range(1 if SMOKE else 3)]
learned = arms[0]

# %% [markdown]
# ## Torques beside the published figures
#
# Errors are normalised as published: the mean over the test rows of the squared errors, over the variance and the
# number of rows; forward errors are those of accelerations, over their variance. The valid time is that of rollouts
# with the recorded torque, held over each sample: the time until the squared errors of the angles, over their
# variances, reach 0.01 in sum, in the mean of the letters e and v. The published figures are means of ten seeds:
# structured and black-box Lagrangian, structured and black-box Hamiltonian, feed-forward network. Ours are means too.


# %%
def computed(model, q, v, a, torque):
    """The torque, its three parts, and the acceleration, at one state."""
    parts = nl.mechanics.torque_parts(model.lagrangian, 0.0, q, v, a)
    free = nl.models.with_control(model, jnp.array([0.0, 1.0]), jnp.stack([torque, torque]))
    return sum(parts), parts.inertial, parts.coriolis, parts.gravity, free.acceleration(0.0, q, v)


chosen = np.concatenate([np.arange(len(data["t"]))[rows[letter]] for letter in TEST])
test = {key: data[key][chosen] for key in ("q", "v", "a", "torque", "inertial", "coriolis", "gravity")}


def test_errors(model):
    """The normalised errors of what is `computed`."""
    found = jax.jit(jax.vmap(partial(computed, model)))(*(jnp.asarray(test[key]) for key in ("q", "v", "a", "torque")))
    errors = []
    for key, ours in zip(("torque", "inertial", "coriolis", "gravity", "a"), found, strict=True):
        count = 1 if key == "a" else len(chosen)
        errors.append(np.mean(np.sum((ours - test[key]) ** 2 / (count * np.var(test[key], axis=0)), axis=1)))
    return errors


def valid_time(model):
    """The mean valid time of two letters, in seconds."""
    times = []
    for letter in ("e", "v"):
        t, q, v, torque = (jnp.asarray(data[key][rows[letter]]) for key in ("t", "q", "v", "torque"))
        driven = nl.NeuralLagrangian.from_lagrangian(
            model.lagrangian,
            dof=2,
            solver=nl.integrators.RK4(),
            stepsize_controller=nl.StepsPerSample(20),
            force=nl.mechanics.ControlForce(),
            mass_solve=nl.mechanics.Cholesky(),
        )
        held = nl.models.with_control(driven, t, torque, kind="hold")
        ys = eqx.filter_jit(held)(t, jnp.concatenate([q[0], v[0]]))
        wrong = np.sum((ys[:, :2] - q) ** 2 / np.var(test["q"], axis=0), axis=1) >= 0.01
        times.append(t[np.argmax(wrong)] if wrong.any() else t[-1])
    return float(np.mean(times))


PUBLISHED = {
    "torque": (7.7e-8, 9.9e-8, 1.8e-8, 5.5e-8, 2.2e-6),
    "inertial torque": (2.0e-7, 9.4e-8, 1.5e-8, 5.0e-5, 4.2e-6),
    "Coriolis torque": (1.1e-6, 1.7e-6, 5.5e-7, 7.2e-4, 5.5e-5),
    "gravity torque": (2.0e-7, 1.3e-7, 2.5e-8, 8.4e-8, 9.2e-7),
    "acceleration": (3.5e-5, 4.3e-5, 1.5e-5, 6.1e-5, 6.5e-4),
}

# %% [markdown]
# The recorded torques determine the true arm to round-off: five constants, by linear least squares. Even the true arm
# follows the recording for some seconds only, since the recorded torque changes between two samples.


# %%
def true_torques(q, v, a):
    """The torques of each of the five constants, shape (2, 5)."""
    c, s = jnp.cos(q[1]), jnp.sin(q[1])
    first = jnp.stack(
        [a[0], 2 * c * a[0] + c * a[1] - s * (2 * v[0] * v[1] + v[1] ** 2), a[1], jnp.cos(q[0]), jnp.cos(q[0] + q[1])]
    )
    second = jnp.stack([0 * c, c * a[0] + s * v[0] ** 2, a[0] + a[1], 0 * c, jnp.cos(q[0] + q[1])])
    return jnp.stack([first, second])


design = np.asarray(jax.vmap(true_torques)(*(jnp.asarray(data[key]) for key in "qva"))).reshape(-1, 5)
constants, *_ = np.linalg.lstsq(design, data["torque"].reshape(-1))
misfit = np.abs(design @ constants - data["torque"].reshape(-1)).max()
print(f"true constants {constants.round(4)}, largest torque error {misfit:.0e} N m")


def true_lagrangian(t, q, v):
    p, c = constants, jnp.cos(q[1])
    kinetic = 0.5 * (p[0] + 2 * p[1] * c) * v[0] ** 2 + (p[2] + p[1] * c) * v[0] * v[1] + 0.5 * p[2] * v[1] ** 2
    return kinetic - p[3] * jnp.sin(q[0]) - p[4] * jnp.sin(q[0] + q[1])


steps_of_a_sample = {"stepsize_controller": nl.StepsPerSample(2), "mass_solve": nl.mechanics.Cholesky()}
arm = nl.NeuralLagrangian.from_lagrangian(
    true_lagrangian, dof=2, force=nl.mechanics.ControlForce(), **steps_of_a_sample
)


errors = np.mean([test_errors(model) for model in arms], axis=0)
print(f"{'test error':20s}{'ours':>10s}   published")
for (name, published), ours in zip(PUBLISHED.items(), errors, strict=True):
    print(f"{name:20s}{ours:10.1e}   " + "  ".join(f"{value:.1e}" for value in published))
for name, ours in zip(PUBLISHED, errors, strict=True):
    print(f"letters, test error, {name}: {ours:.3g}")
valid = np.mean([valid_time(model) for model in arms])
print(f"letters, valid time [s]: {valid:.3g}")
print(f"letters, valid time of the true arm [s]: {valid_time(arm):.3g}")

# %% [markdown]
# ## Write the test letters
#
# Computed torque with feedback, sampled at 200 Hz, moves the true arm along splines through the recorded angles.


# %%
def write(model, letter):
    """The error of the angles in radians, root mean square, and the path."""
    ts, qs = data["t"][rows[letter]], data["q"][rows[letter]]
    path = diffrax.CubicInterpolation(
        jnp.asarray(ts), diffrax.backward_hermite_coefficients(jnp.asarray(ts), jnp.asarray(qs))
    )
    tracking = control.ComputedTorque(model, path.evaluate, 100.0)
    times = jnp.arange(ts[0], ts[0] + (0.5 if SMOKE else ts[-1] - ts[0]), 0.005)
    start = jnp.concatenate([jnp.asarray(qs[0]), jnp.zeros(2)])
    run = jax.jit(lambda y0: control.closed_loop(arm, tracking, times, y0))(start)
    desired = jax.vmap(path.evaluate)(times)
    return float(jnp.sqrt(jnp.mean((run.ys[:, :2] - desired) ** 2))), run, desired


figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
ratios = []
print(f"{'tracking error [rad]':24s}{'learned':>12s}{'true':>12s}")
for letter, ax in zip(TEST, axes, strict=True):
    (ours, run, desired), (exact, _, _) = write(learned, letter), write(arm, letter)
    ratios.append(ours / exact)
    print(f"letter {letter:17s}{ours:12.2e}{exact:12.2e}")
    tip = lambda q: (np.cos(q[:, 0]) + np.cos(q[:, 0] + q[:, 1]), np.sin(q[:, 0]) + np.sin(q[:, 0] + q[:, 1]))  # noqa: E731
    ax.plot(*tip(np.asarray(run.ys)), label="written")
    ax.plot(*tip(np.asarray(desired)), "k--", lw=1, label="asked")
    ax.set(title=letter, aspect="equal")
axes[0].legend()
figure.savefig(OUTPUT / "arm_writes_letters.png", dpi=110)
print(f"letters, tracking error over the true model's: {max(ratios):.4g}")

# %% [markdown]
# ## What this shows

# %%
if not SMOKE:
    assert (errors < [1e-9, 1e-9, 1e-8, 2e-9, 4e-7]).all()
    assert valid > 3.4
    assert max(ratios) < 1.05
