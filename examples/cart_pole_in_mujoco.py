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
# # A cart-pole, from three minutes of its motion to swing-up and balance
#
# MuJoCo takes the place of a machine: encoders with noise and finite steps, dry friction, and a motor that acts 10 ms
# late. A Lagrangian network learns it from twelve recordings of 15 s. The learned model then swings the pole up and
# balances it, from random starts, beside the same controller with the model of MuJoCo itself.

# %%
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from sizes import OUTPUT, asked

import neural_lagrangian as nl
from neural_lagrangian import control

try:
    import mujoco  # noqa: F401
except ImportError:
    print("skipped: this example needs MuJoCo, pip install 'neural_lagrangian[mujoco]'")
    raise SystemExit(0) from None
from machines import MACHINES

jax.config.update("jax_enable_x64", True)
warnings.filterwarnings(
    "ignore", message="`trajectories` are far"
)  # the pole turns over; networks see its sine and cosine

SMOKE = asked("smoke")
STARTS = 2 if SMOKE else 100
MACHINE = MACHINES["cart_pole"]
UPRIGHT = jnp.array([0.0, jnp.pi, 0.0, 0.0])

# %% [markdown]
# ## Excite within limits, and record
#
# Sines, and pushes that follow the pole to the left and right, let the pole swing and turn over. A spring and a damper
# hold the cart near the middle of its track.


# %%
def excitation(seed):
    draw = np.random.default_rng(seed)
    frequency, phase, amplitude = draw.uniform(0.3, 2.0, 4), draw.uniform(0, 2 * np.pi, 4), draw.uniform(0.5, 2.5, 4)
    before, rate = None, np.zeros(2)

    def command(t, q):
        nonlocal before, rate
        rate = rate if before is None else 0.7 * (q - before) / MACHINE.sample + 0.3 * rate
        before = q
        pump = 4.0 * np.sign(rate[1] * np.cos(q[1])) * (1 if t % 10 < 5 else -1)
        return np.sum(amplitude * np.sin(2 * np.pi * frequency * t + phase)) + pump - 8.0 * q[0] - 3.0 * rate[0]

    return command


ROW = 0.01  # seconds from row to row
SECONDS = 2.0 if SMOKE else 15.0
recorded = [MACHINE.run(excitation(seed), [0, 0.5, 0, 0], SECONDS, seed) for seed in range(12)]


def applied(ts, us):
    """The mean force of each row: a command acts `delay` later, and is held for `sample`."""
    fine = np.arange(round(len(ts) * ROW / 0.001)) * 0.001
    k = np.searchsorted(ts, fine - MACHINE.delay + 1e-6, side="right") - 1
    force = np.where(k >= 0, us[np.maximum(k, 0), 0], 0.0)
    return force.reshape(len(ts), -1).mean(axis=1)[:, None]


smooth = nl.trajectories.differentiate([run[0] for run in recorded], [run[1] for run in recorded], window=9)
recording = nl.Trajectories(smooth.ts, smooth.ys, controls=np.stack([applied(run[0], run[2]) for run in recorded]))
print(recording)

# %% [markdown]
# ## Identify
#
# The networks of potential and mass see the angle of the pole only, since the track is the same everywhere. Each joint
# has viscous and dry friction. The known force of the motor fixes the scale: mass in kg, energy in J.


# %%
class OfPole(eqx.Module):
    """A network of the pole's angle."""

    mlp: eqx.nn.MLP

    def __init__(self, out, key):
        self.mlp = eqx.nn.MLP(2, out, 16, 1, activation=jnp.tanh, key=key)

    def __call__(self, q):
        return self.mlp(jnp.stack([jnp.cos(q[1]), jnp.sin(q[1])]))


held = nl.mechanics.SampledControl(jnp.array([0.0, 1.0]), jnp.zeros((2, 1)), "hold")
motor = nl.mechanics.ControlForce([[1.0], [0.0]], held)
viscous = nl.mechanics.LinearDamping(jnp.array([0.5, 0.1]))
dry = nl.mechanics.SmoothFriction(jnp.array([0.1, 0.005]), jnp.array([0.05, 0.1]))
key_potential, key_mass, key_fit = jax.random.split(jax.random.key(0), 3)
network = nl.MechanicalLagrangian(OfPole("scalar", key_potential), OfPole(3, key_mass), dof=2, floor=1e-6)
steps = {"solver": nl.integrators.RK4(), "stepsize_controller": nl.StepsPerSample(1)}
model = nl.NeuralLagrangian(network, force=viscous + dry + motor, **steps)

STAGES = [  # horizon, learning rate, weights of the errors
    (10, 1e-2, {"position": jnp.array([10.0, 3.0]), "velocity": jnp.array([1.0, 0.3])}),
    (25, 3e-3, {"position": jnp.array([100.0, 30.0]), "velocity": jnp.array([0.3, 0.1])}),
]
learned, count = model, 10 if SMOKE else 2000
for horizon, rate, weights in STAGES:
    learned = nl.fit(
        learned,
        recording,
        loss=nl.training.weighted(nl.trajectory_mse, **weights),
        horizon=horizon,
        batch_size=256,
        steps=count,
        optimizer=optax.adam(optax.cosine_decay_schedule(rate, count)),
        key=key_fit,
    ).model

# %% [markdown]
# ## The model of MuJoCo itself

# %%
M, _ = MACHINE.inertia([0.0, 0.0])
_, weight = MACHINE.inertia([0.0, np.pi / 2])


def of_mujoco(t, q, v):
    c = jnp.cos(q[1])
    return 0.5 * M[0, 0] * v[0] ** 2 + M[0, 1] * c * v[0] * v[1] + 0.5 * M[1, 1] * v[1] ** 2 + weight[1] * c


viscous = nl.mechanics.LinearDamping(jnp.sqrt(jnp.array([0.4, 0.003])))
dry = nl.mechanics.SmoothFriction(jnp.array([0.15, 0.002]), jnp.array([0.02, 0.05]))
true = nl.NeuralLagrangian.from_lagrangian(
    of_mujoco, dof=2, force=viscous + dry + motor, mass_solve=nl.mechanics.Cholesky(), **steps
)

# %% [markdown]
# ## Control
#
# Energy shaping swings the pole up, and a linear-quadratic regulator catches it. Both use the model without its dry
# friction, which has no linearisation at rest. An observer estimates the state from the encoders: the model, with dry
# friction, predicts the state, also over the delay of the motor.

# %%
limits = control.ControlLimits(-MACHINE.limit, MACHINE.limit)


def controller_of(model):
    viscous, _, motor = model.force.terms
    smooth = eqx.tree_at(lambda m: m.force, model, viscous + motor)
    hold = control.lqr(
        smooth,
        UPRIGHT,
        state_cost=jnp.array([2.0, 10.0, 0.5, 0.5]),
        control_cost=jnp.array([0.05]),
        dt=MACHINE.sample,
        limits=limits,
        periodic=[1],
    )
    level = control.attraction_level(smooth, hold, key=jax.random.key(1))
    swing = control.EnergyShaping(smooth, UPRIGHT, 0, 100.0, 4.0, 3.0, extra_energy=0.05)
    return control.Catch(control.Limited(swing, limits), hold, level)


@eqx.filter_jit
def tick(model, controller, y, u, q):
    """Correct the estimate by the encoders, and predict: first over the delay with the old force, then with the new."""

    def ahead(y, u, seconds):
        return control.closed_loop(model, lambda t, y: u, jnp.array([0.0, seconds]), y).ys[-1]

    error = q - y[:2]
    y = y + jnp.concatenate([0.5 * error, 0.17 / MACHINE.sample * error])
    y = ahead(y, u, MACHINE.delay)
    u = controller(0.0, y)
    return ahead(y, u, MACHINE.sample - MACHINE.delay), u


def drive(model, controller, start, seconds, seed):
    """Run the machine under a controller: the true states and the forces, every `sample`."""
    y, u = None, jnp.zeros(1)

    def command(t, q):
        nonlocal y, u
        y = jnp.array([*q, 0.0, 0.0]) if y is None else y
        y, u = tick(model, controller, y, u, jnp.asarray(q))
        return float(u[0])

    ts, _, us, ys = MACHINE.run(command, start, seconds, seed, measure_every=MACHINE.sample)
    return control.ClosedLoop(*map(jnp.asarray, (ts, ys, us)))


# %% [markdown]
# ## Judge
#
# A start succeeds if the pole is up and the cart near the middle during the last second, and the cart never left its
# track of 2 m on either side. The cost is that of the regulator, over the whole motion.

# %%
cost = control.QuadraticCost(UPRIGHT, jnp.array([2.0, 10.0, 0.5, 0.5]), jnp.array([0.05]), periodic=[1])
TOLERANCE = jnp.array([0.5, 0.15, 1.0, 1.5])
models = {"learned": learned, "of MuJoCo": true}
gains, runs = {}, {}
draw = np.random.default_rng(7)
starts = draw.uniform(-1, 1, (STARTS, 4)) * [0.3, np.pi, 0.3, 2.0]
print(f"{'model':12s}{'successes':>12s}{'median cost':>14s}{'settled after':>16s}")
for name, one in models.items():
    controller = controller_of(one)
    gains[name] = np.asarray(controller.regulator.gain)
    seconds = 1.0 if SMOKE else 12.0
    runs[name] = [drive(one, controller, start, seconds, seed) for seed, start in enumerate(starts)]
    reports = [control.control_report(run, UPRIGHT, tolerance=TOLERANCE, periodic=[1], cost=cost) for run in runs[name]]
    settled = np.array([float(report.settled_at) for report in reports])
    on_track = np.array([np.abs(run.ys[:, 0]).max() < 2.0 for run in runs[name]])
    success = on_track & (settled < seconds - 1.0)
    median = np.median([float(report.cost) for report in reports])
    print(f"{name:12s}{success.sum():>8d}/{STARTS}{median:14.2f}{np.median(settled):14.1f} s")
    models[name] = (success.mean(), median)
print("gains of the regulator over those of MuJoCo:", (gains["learned"] / gains["of MuJoCo"]).round(4))

# %%
figure, axes = plt.subplots(2, 1, figsize=(9, 5), sharex=True, layout="constrained")
for name, colour in {"learned": "C0", "of MuJoCo": "k"}.items():
    for run in runs[name][:3]:
        axes[0].plot(run.ts, run.ys[:, 1] / np.pi, colour, lw=1)
        axes[1].plot(run.ts, run.ys[:, 0], colour, lw=1)
axes[0].set(ylabel="pole [half turns]", title="three starts: learned model (blue), model of MuJoCo (black)")
axes[1].set(xlabel="time [s]", ylabel="cart [m]")
figure.savefig(OUTPUT / "cart_pole_in_mujoco.png", dpi=110)

# %% [markdown]
# ## What this shows

# %%
if not SMOKE:
    (success, spent), (_, least) = models["learned"], models["of MuJoCo"]
    assert success >= 0.95
    assert spent < 1.1 * least
    assert np.abs(gains["learned"] / gains["of MuJoCo"] - 1).max() < 0.02
