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
from pathlib import Path

import diffrax
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
# weights together finish in double precision.

# %%
network = nl.MechanicalLagrangian.from_mlp(2, 32, periodic=(0, 1), dtype=jnp.float32, key=jax.random.key(0))
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
    key=jax.random.key(1),
)
coarse = nl.models.with_precision(result.model, jnp.float64)
polished = nl.training.gauss_newton(
    coarse, train, residual=nl.training.torque_residual, horizon=0, windows=2600, steps=2 if SMOKE else 100
)
learned = polished.model
print(f"mean square torque error: {result.history.loss[-50:].mean():.1e}, then {polished.loss[-1]:.1e}")

# %% [markdown]
# ## Torques beside the published figures
#
# Errors are normalised as published: the mean over the test rows of the squared errors, over the variance and the
# number of rows; forward errors are those of accelerations, over their variance. The published figures are means of
# ten seeds: structured and black-box Lagrangian, structured and black-box Hamiltonian, feed-forward network.


# %%
@jax.jit
@jax.vmap
def computed(q, v, a, torque):
    parts = nl.mechanics.torque_parts(learned.lagrangian, 0.0, q, v, a)
    free = nl.models.with_control(learned, jnp.array([0.0, 1.0]), jnp.stack([torque, torque]))
    return sum(parts), parts.inertial, parts.coriolis, parts.gravity, free.acceleration(0.0, q, v)


chosen = np.concatenate([np.arange(len(data["t"]))[rows[letter]] for letter in TEST])
test = {key: data[key][chosen] for key in ("q", "v", "a", "torque", "inertial", "coriolis", "gravity")}
found = computed(*(jnp.asarray(test[key]) for key in ("q", "v", "a", "torque")))
PUBLISHED = {
    "torque": (7.7e-8, 9.9e-8, 1.8e-8, 5.5e-8, 2.2e-6),
    "inertial": (2.0e-7, 9.4e-8, 1.5e-8, 5.0e-5, 4.2e-6),
    "Coriolis": (1.1e-6, 1.7e-6, 5.5e-7, 7.2e-4, 5.5e-5),
    "gravity": (2.0e-7, 1.3e-7, 2.5e-8, 8.4e-8, 9.2e-7),
    "forward": (3.5e-5, 4.3e-5, 1.5e-5, 6.1e-5, 6.5e-4),
}
print(f"{'test error':12s}{'ours':>10s}   published")
for (name, published), key, ours in zip(
    PUBLISHED.items(), ("torque", "inertial", "coriolis", "gravity", "a"), found, strict=True
):
    count = 1 if name == "forward" else len(chosen)
    error = np.mean(np.sum((ours - test[key]) ** 2 / (count * np.var(test[key], axis=0)), axis=1))
    print(f"{name:12s}{error:10.1e}   " + "  ".join(f"{value:.1e}" for value in published))

# %% [markdown]
# ## Write the test letters
#
# Computed torque with feedback, sampled at 200 Hz, moves the true arm along splines through the recorded angles. The
# recorded torques determine the true arm to round-off: five constants, by linear least squares.


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
print(f"largest ratio to the true model's error: {max(ratios):.3f}")

# %% [markdown]
# ## What this shows

# %%
if not SMOKE:
    assert max(ratios) < 1.05
