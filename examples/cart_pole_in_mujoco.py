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

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from sizes import OUTPUT, asked

import neural_lagrangian as nl
from neural_lagrangian import analysis, control

try:
    import mujoco  # noqa: F401
except ImportError:
    print("skipped: this example needs MuJoCo, pip install 'neural_lagrangian[mujoco]'")
    raise SystemExit(0) from None
from machines import MACHINES
from machines.formulas import of_mujoco
from machines.judging import HEADER, Judge
from machines.learning import (
    STEPS,
    Accelerations,
    OfAngles,
    excitation,
    motor,
    recorded,
    trained,
    without_dry_friction,
)
from machines.loop import Replanning, regulator

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
def push(t, q, v, sines):
    """The force at the time t, with rough velocities v."""
    pump = 4.0 * np.sign(v[1] * np.cos(q[1])) * (1 if t % 10 < 5 else -1)
    return sines + pump - 8.0 * q[0] - 3.0 * v[0]


excited = [
    MACHINE.run(excitation(MACHINE, seed, (0.5, 2.5), push), [0, 0.5, 0, 0], 2.0 if SMOKE else 15.0, seed)
    for seed in range(12)
]
recording = recorded(MACHINE, excited)
print(recording)

# %% [markdown]
# ## Identify
#
# The networks of potential and mass see the angle of the pole only, since the track is the same everywhere. Each joint
# has viscous and dry friction. The known force of the motor fixes the scale: mass in kg, energy in J.

# %%
viscous = nl.mechanics.LinearDamping(jnp.array([0.5, 0.1]))
dry = nl.mechanics.SmoothFriction(jnp.array([0.1, 0.005]), jnp.array([0.05, 0.1]))
key_potential, key_mass, key_fit = jax.random.split(jax.random.key(0), 3)
key_ode = jax.random.key(1)
potential, mass = OfAngles("scalar", [1], key_potential), OfAngles(3, [1], key_mass)
network = nl.MechanicalLagrangian(potential, mass, dof=2, floor=1e-6)
model = nl.NeuralLagrangian(network, force=viscous + dry + motor(MACHINE), **STEPS)

STAGES = [  # horizon, learning rate, weights of the errors
    (10, 1e-2, {"position": jnp.array([10.0, 3.0]), "velocity": jnp.array([1.0, 0.3])}),
    (25, 3e-3, {"position": jnp.array([100.0, 30.0]), "velocity": jnp.array([0.3, 0.1])}),
]
training = {"count": 10 if SMOKE else 2000, "key": key_fit}
learned = trained(model, recording, STAGES, **training)

# %% [markdown]
# ## The neural ODE
#
# Its network computes the acceleration from the angle, the velocities and the force. It is trained with the same
# recording, stages and steps. As the other networks, it does not see the position of the cart.

# %%
accelerations = Accelerations(MACHINE, [1], key_ode, scale=10.0)
driven_ode = nl.NeuralODE(accelerations, **STEPS, dof=2, control=motor(MACHINE))
neural_ode = trained(driven_ode, recording, STAGES, **training)

# %% [markdown]
# ## The model of MuJoCo itself

# %%
true = of_mujoco("cart_pole", widths=jnp.array([0.02, 0.05]))

# %% [markdown]
# ## Control
#
# Energy shaping swings the pole up, and a linear-quadratic regulator catches it. Both use the model without its dry
# friction, which has no linearisation at rest. An observer estimates the state from the encoders: the model, with dry
# friction, predicts the state, also over the delay of the motor.


# %%
WEIGHTS = {"state_cost": jnp.array([2.0, 10.0, 0.5, 0.5]), "control_cost": jnp.array([0.05])}
limits = control.ControlLimits(-MACHINE.limit, MACHINE.limit)


def regulator_of(model):
    """The regulator, and the level below which it attracts."""
    return regulator(MACHINE, model, UPRIGHT, WEIGHTS, periodic=[1])


def by_energy(model):
    swing = control.EnergyShaping(without_dry_friction(model), UPRIGHT, 0, 100.0, 4.0, 3.0, extra_energy=0.05)
    return control.Catch(control.Limited(swing, limits), *regulator_of(model))


# %% [markdown]
# ## Judge
#
# A start succeeds if the pole is up and the cart near the middle during the last second, and the cart never left its
# track of 2 m on either side. The cost is that of the regulator, over the whole motion.

# %%
cost = control.QuadraticCost(UPRIGHT, WEIGHTS["state_cost"], WEIGHTS["control_cost"], periodic=[1])
TOLERANCE = jnp.array([0.5, 0.15, 1.0, 1.5])
SECONDS = 1.0 if SMOKE else 12.0
judge = Judge(MACHINE, cost, TOLERANCE, SECONDS, travel=2.0)
draw = np.random.default_rng(7)
starts = draw.uniform(-1, 1, (STARTS, 4)) * [0.3, np.pi, 0.3, 2.0]

models = {"learned": learned, "of MuJoCo": true}
runs, success, spent = {}, {}, {}
print(HEADER)
for name, one in models.items():
    runs[name], success[name], spent[name] = judge(name, one, by_energy(one), starts)
gains = {name: np.asarray(regulator_of(one)[0].gain) for name, one in models.items()}
print("gains of the regulator over those of MuJoCo:", (gains["learned"] / gains["of MuJoCo"]).round(4))
print(f"cart-pole, share of successes: {success['learned']:.2f}")
print(f"cart-pole, cost over that of the true model: {spent['learned'] / spent['of MuJoCo']:.4f}")
print(f"cart-pole, error of the regulator's gains: {np.abs(gains['learned'] / gains['of MuJoCo'] - 1).max():.4f}")

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
    hold, level = regulator_of(one)
    gains[name] = np.asarray(hold.gain)
    planning = Replanning(one, hold, level, costs, MACHINE.sample, 9 if SMOKE else 125, every=2.0, iterations=60)
    planned[name] = judge(name, one, planning, starts[: STARTS // 5 + 1])
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
