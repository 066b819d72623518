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
# balances it, from random starts, beside the same controller with the model of MuJoCo itself. A neural ODE, which knows
# nothing of mechanics, is the baseline.

# %%
import warnings

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from sizes import OUTPUT, asked

import neural_lagrangian as nl
from neural_lagrangian import analysis, control

try:
    import mujoco  # noqa: F401
except ImportError:
    print("skipped: this example needs MuJoCo, pip install 'neural_lagrangian[mujoco]'")
    raise SystemExit(0) from None
from machines import MACHINES
from machines.loop import Replanning, applied, drive

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


recorded = [MACHINE.run(excitation(seed), [0, 0.5, 0, 0], 2.0 if SMOKE else 15.0, seed) for seed in range(12)]
smooth = nl.trajectories.differentiate([run[0] for run in recorded], [run[1] for run in recorded], window=9)
recording = nl.Trajectories(
    smooth.ts, smooth.ys, controls=np.stack([applied(MACHINE, run[0], run[2]) for run in recorded])
)
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
key_ode = jax.random.key(1)
network = nl.MechanicalLagrangian(OfPole("scalar", key_potential), OfPole(3, key_mass), dof=2, floor=1e-6)
steps = {"solver": nl.integrators.RK4(), "stepsize_controller": nl.StepsPerSample(1)}
model = nl.NeuralLagrangian(network, force=viscous + dry + motor, **steps)

STAGES = [  # horizon, learning rate, weights of the errors
    (10, 1e-2, {"position": jnp.array([10.0, 3.0]), "velocity": jnp.array([1.0, 0.3])}),
    (25, 3e-3, {"position": jnp.array([100.0, 30.0]), "velocity": jnp.array([0.3, 0.1])}),
]


def trained(model):
    """The model after both stages."""
    count = 10 if SMOKE else 2000
    for horizon, rate, weights in STAGES:
        model = nl.fit(
            model,
            recording,
            loss=nl.training.weighted(nl.trajectory_mse, **weights),
            horizon=horizon,
            batch_size=256,
            steps=count,
            optimizer=optax.adam(optax.cosine_decay_schedule(rate, count)),
            key=key_fit,
        ).model
    return model


learned = trained(model)

# %% [markdown]
# ## The neural ODE
#
# Its network computes the acceleration from the angle, the velocities and the force. It is trained with the same
# recording, stages and steps. As the other networks, it does not see the position of the cart.


# %%
class DrivenODE(nl.integrators.AbstractRolloutModel):
    """A neural ODE of second order that a motor drives."""

    mlp: eqx.nn.MLP
    motor: nl.mechanics.ControlForce
    integration: nl.integrators.Integration

    def vector_field(self, t, y, args=None):
        force = self.motor.command(t, y[:2]) / MACHINE.limit
        seen = jnp.concatenate([jnp.stack([jnp.cos(y[1]), jnp.sin(y[1])]), y[2:], force])
        return jnp.concatenate([y[2:], 10.0 * self.mlp(seen)])

    def term(self, y):
        return diffrax.ODETerm(self.vector_field)


mlp = eqx.nn.MLP(5, 2, 32, 2, activation=jnp.tanh, key=key_ode)
one_step = nl.integrators.Integration(nl.integrators.RK4(), stepsize_controller=nl.StepsPerSample(1))
neural_ode = trained(DrivenODE(mlp, motor, one_step))

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


WEIGHTS = {"state_cost": jnp.array([2.0, 10.0, 0.5, 0.5]), "control_cost": jnp.array([0.05])}


def without_dry_friction(model):
    if isinstance(model, DrivenODE):
        return model  # its friction is inside the network
    viscous, _, motor = model.force.terms
    return eqx.tree_at(lambda m: m.force, model, viscous + motor)


def regulator_of(model):
    """The regulator, and the level below which it attracts."""
    smooth = without_dry_friction(model)
    hold = control.lqr(smooth, UPRIGHT, dt=MACHINE.sample, limits=limits, periodic=[1], **WEIGHTS)
    return hold, control.attraction_level(smooth, hold, key=jax.random.key(1))


def by_energy(model):
    swing = control.EnergyShaping(without_dry_friction(model), UPRIGHT, 0, 100.0, 4.0, 3.0, extra_energy=0.05)
    hold, level = regulator_of(model)
    return control.Catch(control.Limited(swing, limits), hold, level), None


# %% [markdown]
# ## Judge
#
# A start succeeds if the pole is up and the cart near the middle during the last second, and the cart never left its
# track of 2 m on either side. The cost is that of the regulator, over the whole motion.

# %%
cost = control.QuadraticCost(UPRIGHT, WEIGHTS["state_cost"], WEIGHTS["control_cost"], periodic=[1])
TOLERANCE = jnp.array([0.5, 0.15, 1.0, 1.5])
SECONDS = 1.0 if SMOKE else 12.0
draw = np.random.default_rng(7)
starts = draw.uniform(-1, 1, (STARTS, 4)) * [0.3, np.pi, 0.3, 2.0]


def judge(name, model, controller_of, starts):
    """The motions, the share of successes, and the median cost."""
    runs = []
    for seed, start in enumerate(starts):
        controller, renew = controller_of(model)
        runs.append(drive(MACHINE, model, controller, start, SECONDS, seed, renew))
    reports = [control.control_report(run, UPRIGHT, tolerance=TOLERANCE, periodic=[1], cost=cost) for run in runs]
    settled = np.array([float(report.settled_at) for report in reports])
    on_track = np.array([np.abs(run.ys[:, 0]).max() < 2.0 for run in runs])
    success, median = on_track & (settled < SECONDS - 1.0), np.median([float(report.cost) for report in reports])
    print(f"{name:24s}{success.sum():>8d}/{len(starts)}{median:14.2f}{np.median(settled):14.1f} s")
    return runs, success.mean(), median


HEADER = f"{'model':24s}{'successes':>12s}{'median cost':>14s}{'settled after':>16s}"
models = {"learned": learned, "of MuJoCo": true}
runs, success, spent = {}, {}, {}
print(HEADER)
for name, one in models.items():
    ready = by_energy(one)
    runs[name], success[name], spent[name] = judge(name, one, lambda model, ready=ready: ready, starts)
gains = {name: np.asarray(regulator_of(one)[0].gain) for name, one in models.items()}
print("gains of the regulator over those of MuJoCo:", (gains["learned"] / gains["of MuJoCo"]).round(4))

# %% [markdown]
# ## Beside the neural ODE
#
# A neural ODE has no energy that a controller could shape. So trajectory optimisation plans the swing-up with each of
# the three models, from the estimated state, again after two seconds if the pole is not caught.

# %%
TO_THE_TOP = [jnp.array([0.5, 1.0, 0.1, 0.1]), jnp.array([0.01]), jnp.array([50.0, 200.0, 50.0, 50.0])]


def costs(y):
    """The cost of the motion to the nearest upright angle."""
    turns = jnp.round((y[1] - jnp.pi) / (2 * jnp.pi))
    return [control.QuadraticCost(UPRIGHT.at[1].add(2 * jnp.pi * turns), *TO_THE_TOP)]


models = {"neural ODE": neural_ode, "learned": learned, "of MuJoCo": true}
planned = {}
print(HEADER)
for name, one in models.items():
    ready = regulator_of(one)
    gains[name] = np.asarray(ready[0].gain)

    def by_plans(model, ready=ready):
        ts = jnp.arange(10 if SMOKE else 126) * MACHINE.sample
        renew = Replanning(model, *ready, costs, ts, 2.0, iterations=60)
        return renew.idle, renew

    planned[name] = judge(name, one, by_plans, starts[: STARTS // 5 + 1])
print("gains of the neural ODE over those of MuJoCo:", (gains["neural ODE"] / gains["of MuJoCo"]).round(4))

# %%
figure, axes = plt.subplots(2, 1, figsize=(9, 5), sharex=True, layout="constrained")
for name, colour in {"learned": "C0", "of MuJoCo": "k"}.items():
    for run in runs[name][:3]:
        axes[0].plot(run.ts, run.ys[:, 1] / np.pi, colour, lw=1)
        axes[1].plot(run.ts, run.ys[:, 0], colour, lw=1)
axes[0].set(ylabel="pole [half turns]", title="three starts: learned model (blue), model of MuJoCo (black)")
axes[1].set(xlabel="time [s]", ylabel="cart [m]")
figure.savefig(OUTPUT / "cart_pole_in_mujoco.png", dpi=110)

# %%
lowest = int(np.argmin(np.abs(starts[: len(planned["learned"][0]), 1])))
shown = slice(0, int(min(4.0, SECONDS) / MACHINE.sample))
analysis.animate(
    nl.systems.CartPole(length=0.6),
    planned["learned"][0][lowest].ts[shown],
    {name: chosen[lowest].ys[shown] for name, (chosen, _, _) in planned.items()},
    path=OUTPUT / "swing_up.gif",
    frames_per_second=15,
    size=2.2,
)

# %% [markdown]
# ## What this shows

# %%
if not SMOKE:
    assert success["learned"] >= 0.95
    assert spent["learned"] < 1.1 * spent["of MuJoCo"]
    assert np.abs(gains["learned"] / gains["of MuJoCo"] - 1).max() < 0.02
