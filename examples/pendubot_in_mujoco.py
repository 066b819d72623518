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
# # A pendubot, from three minutes of its motion to swing-up and balance
#
# Two links hang from a motor at the shoulder; the elbow turns freely. MuJoCo takes the place of the machine: encoders
# with 4096 steps and noise, dry friction, and a motor that acts 5 ms late. A Lagrangian network learns it from twelve
# recordings of 15 s. Trajectory optimisation then plans swing-ups through the learned model, and a regulator balances
# both links, from random starts, beside the same controller with the model of MuJoCo itself.

# %%
import warnings

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from sizes import OUTPUT, asked

import neural_lagrangian as nl
from neural_lagrangian import control

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
warnings.filterwarnings("ignore", message="`trajectories` are far")  # links turn over; networks see sines and cosines

SMOKE = asked("smoke")
STARTS = 2 if SMOKE else 100
MACHINE = MACHINES["pendubot"]
UPRIGHT = jnp.array([jnp.pi, 0.0, 0.0, 0.0])

# %% [markdown]
# ## Excite within limits, and record
#
# Sines, and a push that follows the shoulder for five seconds and then brakes it for five, let both links turn over. A
# damper limits the speed.


# %%
def push(t, q, v, sines):
    """The torque at the time t, with rough velocities v."""
    pump = 2.0 * np.sign(v[0]) * (1 if t % 10 < 5 else -0.3)
    return sines + pump - 0.2 * v[0]


excited = [
    MACHINE.run(excitation(MACHINE, seed, (0.1, 0.5), push), [0.5, 0, 0, 0], 2.0 if SMOKE else 15.0, seed)
    for seed in range(12)
]
recording = recorded(MACHINE, excited)
print(recording)

# %% [markdown]
# ## Identify
#
# The mass matrix depends on the elbow's angle only: the kinetic energy is the same if both links turn together. The
# potential sees both angles. The inertias are near 0.01 kg m², and a `MechanicalLagrangian` begins with unit mass. So
# the unit of energy is 0.01 J here, and that of torque 0.01 N m. The potential gets a scale of thirty of these units.

# %%
viscous = nl.mechanics.LinearDamping(jnp.array([0.5, 0.5]))
dry = nl.mechanics.SmoothFriction(jnp.array([0.5, 0.2]), jnp.array([0.1, 0.1]))
key_potential, key_mass, key_fit = jax.random.split(jax.random.key(0), 3)
potential = OfAngles("scalar", [0, 1], key_potential, scale=30.0, width=32)
network = nl.MechanicalLagrangian(potential, OfAngles(3, [1], key_mass), dof=2, floor=1e-6)
model = nl.NeuralLagrangian(network, force=viscous + dry + motor(MACHINE), **STEPS)

STAGES = [  # horizon, learning rate, weights of the errors
    (5, 1e-2, {"position": jnp.array([10.0, 10.0]), "velocity": jnp.array([1.0, 1.0])}),
    (20, 3e-3, {"position": jnp.array([100.0, 100.0]), "velocity": jnp.array([0.3, 0.3])}),
]
training = {"count": 100 if SMOKE else 2000, "key": key_fit}
learned = trained(model, recording, STAGES, **training)
true = of_mujoco("pendubot", widths=jnp.array([0.05, 0.05]))
for angle in (0.0, np.pi / 2, np.pi):
    at = 0.0, jnp.array([0.0, angle]), jnp.zeros(2)
    M, M_true = learned.mass_matrix(*at), true.mass_matrix(*at)
    print(f"error of the inertia with the elbow at {angle:.2f} rad: {jnp.abs(M - M_true).max() / M_true.max():.2%}")

# %% [markdown]
# ## The neural ODE
#
# The baseline has no mechanics: its network computes the accelerations from the angles, the velocities and the torque.
# It is trained with the same recording, stages and steps.

# %%
accelerations = Accelerations(MACHINE, [0, 1], jax.random.key(1), scale=100.0)
driven_ode = nl.NeuralODE(accelerations, **STEPS, dof=2, control=motor(MACHINE))
neural_ode = trained(driven_ode, recording, STAGES, **training)

# %% [markdown]
# ## Control
#
# From the estimated state, trajectory optimisation plans the motion to the upright state, turning left and right, and
# the cheaper one is followed, with its feedback. If the regulator has not taken over by its end, there is a new plan.
# Optimisation begins with the motion under a brake, which is less chaotic than free motion. A plan that does not arrive
# where the regulator attracts is not followed; the machine brakes, and plans again. Plans use the model without its dry
# friction, which is not smooth; the observer uses it. Simulated time stands still while a plan is computed.

# %%
WEIGHTS = {"state_cost": jnp.array([10.0, 10.0, 0.1, 0.1]), "control_cost": jnp.array([1.0])}


def regulator_of(model):
    """The regulator, and the level below which it attracts."""
    return regulator(MACHINE, model, UPRIGHT, WEIGHTS, periodic=[0, 1])


def by_plans(model):
    hold, level = regulator_of(model)
    on_the_way = jnp.array([0.5, 0.5, 0.01, 0.01]), jnp.array([0.05]), 3 * hold.cost_to_go

    def costs(y):
        """The costs of motions that reach the upright state to the left and to the right."""
        turns = jnp.floor((y[0] - jnp.pi) / (2 * jnp.pi)) + jnp.arange(2)
        elbow = 2 * jnp.pi * jnp.round(y[1] / (2 * jnp.pi))
        targets = [UPRIGHT.at[:2].add(jnp.array([2 * jnp.pi * turn, elbow])) for turn in turns]
        return [control.QuadraticCost(target, *on_the_way) for target in targets]

    size = {"dt": 0.02, "steps": 9 if SMOKE else 125, "every": 2.4, "iterations": 80}
    brake = jnp.array([[0.0, 0.0, 0.3, 0.0]])
    return Replanning(without_dry_friction(model), hold, level, costs, brake=brake, **size)


# %% [markdown]
# ## Judge
#
# Starts have all angles of both links. One succeeds if both links are up during the last second. The cost is that of
# the regulator, over the whole motion.

# %%
cost = control.QuadraticCost(UPRIGHT, WEIGHTS["state_cost"], WEIGHTS["control_cost"], periodic=[0, 1])
TOLERANCE = jnp.array([0.3, 0.3, 1.5, 1.5])
judge = Judge(MACHINE, cost, TOLERANCE, 1.0 if SMOKE else 12.0)
draw = np.random.default_rng(8)
starts = draw.uniform(-1, 1, (STARTS, 4)) * [np.pi, np.pi, 1.0, 1.0]

models = {"neural ODE": neural_ode, "learned": learned, "of MuJoCo": true}
runs, success, spent = {}, {}, {}
print(HEADER)
for name, one in models.items():
    runs[name], success[name], spent[name] = judge(name, one, by_plans(one), starts)
gains = {name: np.asarray(regulator_of(one)[0].gain) for name, one in models.items()}
for name in ("neural ODE", "learned"):
    print(f"gains of the regulator, {name}, over those of MuJoCo:", (gains[name] / gains["of MuJoCo"]).round(4))
print(f"pendubot, share of successes: {success['learned']:.2f}")
print(f"pendubot, cost over that of the true model: {spent['learned'] / spent['of MuJoCo']:.4f}")

# %%
figure, axes = plt.subplots(2, 1, figsize=(9, 5), sharex=True, layout="constrained")
for name, colour in {"learned": "C0", "of MuJoCo": "k"}.items():
    for run in runs[name][:3]:
        axes[0].plot(run.ts, run.ys[:, 0] / np.pi, colour, lw=1)
        axes[1].plot(run.ts, run.ys[:, 1] / np.pi, colour, lw=1)
axes[0].set(ylabel="shoulder [half turns]", title="three starts: learned model (blue), model of MuJoCo (black)")
axes[1].set(xlabel="time [s]", ylabel="elbow [half turns]")
figure.savefig(OUTPUT / "pendubot_in_mujoco.png", dpi=110)

# %% [markdown]
# ## What this shows
#
# With the learned model 98 of 100 starts succeed, with the true model all. The median cost is the same.
# The neural ODE, trained alike, fails: its regulator's gains are less than two thirds of the true ones. Its size and
# its training were not tuned.

# %%
if not SMOKE:
    assert success["learned"] >= 0.95
    assert spent["learned"] < 1.1 * spent["of MuJoCo"]
