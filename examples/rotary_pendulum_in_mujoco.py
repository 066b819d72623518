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
# # A rotary pendulum, from three minutes of its motion to swing-up and balance
#
# A motor turns a horizontal arm, and a pendulum hangs from the tip of the arm (Furuta's pendulum). MuJoCo takes the
# place of the machine: encoders with 4096 steps and noise, dry friction, and a motor that acts 5 ms late. A Lagrangian
# network learns it from twelve recordings of 15 s. The learned model then swings the pendulum up and balances it, from
# random starts, beside the same controller with the model of MuJoCo itself.

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
from machines.learning import STEPS, OfAngles, excitation, motor, recorded, trained, without_dry_friction
from machines.loop import regulator

jax.config.update("jax_enable_x64", True)
warnings.filterwarnings(
    "ignore", message="`trajectories` are far"
)  # the pendulum turns over; networks see its sine and cosine

SMOKE = asked("smoke")
STARTS = 2 if SMOKE else 100
MACHINE = MACHINES["rotary_pendulum"]
UPRIGHT = jnp.array([0.0, jnp.pi, 0.0, 0.0])

# %% [markdown]
# ## Excite within limits, and record
#
# Sines, and pushes that follow the pendulum, let it swing and turn over. A spring and a damper hold the arm near its
# middle.


# %%
def push(t, q, v, sines):
    """The torque at the time t, with rough velocities v."""
    pump = 0.25 * np.sign(v[1] * np.cos(q[1])) * (1 if t % 10 < 5 else -1)
    return sines + pump - 0.1 * q[0] - 0.03 * v[0]


excited = [
    MACHINE.run(excitation(MACHINE, seed, (0.02, 0.1), push), [0, 0.5, 0, 0], 2.0 if SMOKE else 15.0, seed)
    for seed in range(12)
]
recording = recorded(MACHINE, excited)
print(recording)

# %% [markdown]
# ## Identify
#
# $$L = \tfrac12 v^\top M(q_1)\, v - V(q_1), \qquad M a + \ldots = \begin{pmatrix} u \\ 0 \end{pmatrix}
#   - \text{viscous and dry friction}.$$
#
# The networks of $M$ and $V$ see the angle of the pendulum only, since the machine looks the same from all sides. The
# inertias are near 0.005 kg m², and a `MechanicalLagrangian` begins with unit mass. So the unit of energy is 0.01 J
# here, and that of torque 0.01 N m: then the inertias are near one. The potential gets a scale of ten of these units.

# %%
viscous = nl.mechanics.LinearDamping(jnp.array([0.3, 0.2]))
dry = nl.mechanics.SmoothFriction(jnp.array([0.3, 0.05]), jnp.array([0.1, 0.1]))
key_potential, key_mass, key_fit = jax.random.split(jax.random.key(0), 3)
potential, mass = OfAngles("scalar", [1], key_potential, scale=10.0), OfAngles(3, [1], key_mass)
network = nl.MechanicalLagrangian(potential, mass, dof=2, floor=1e-6)
model = nl.NeuralLagrangian(network, force=viscous + dry + motor(MACHINE), **STEPS)

STAGES = [  # horizon, learning rate, weights of the errors
    (10, 1e-2, {"position": jnp.array([10.0, 10.0]), "velocity": jnp.array([1.0, 1.0])}),
    (25, 3e-3, {"position": jnp.array([100.0, 100.0]), "velocity": jnp.array([0.3, 0.3])}),
]
learned = trained(model, recording, STAGES, count=10 if SMOKE else 2000, key=key_fit)
true = of_mujoco("rotary_pendulum", widths=jnp.array([0.05, 0.05]))
for angle in (0.0, np.pi / 2, np.pi):
    at = 0.0, jnp.array([0.0, angle]), jnp.zeros(2)
    M, M_true = learned.mass_matrix(*at), true.mass_matrix(*at)
    print(f"error of the inertia at {angle:.2f} rad: {jnp.abs(M - M_true).max() / M_true.max():.2%}")

# %% [markdown]
# ## Control
#
# Energy shaping moves the arm such that the pendulum gains energy, and a linear-quadratic regulator catches it. Both
# use the model without its dry friction, which has no linearisation at rest. The observer uses the dry friction too.

# %%
WEIGHTS = {"state_cost": jnp.array([2.0, 10.0, 0.1, 0.1]), "control_cost": jnp.array([20.0])}
limits = control.ControlLimits(-MACHINE.limit, MACHINE.limit)


def regulator_of(model):
    """The regulator, and the level below which it attracts."""
    return regulator(MACHINE, model, UPRIGHT, WEIGHTS, periodic=[1])


def by_energy(model):
    swing = control.EnergyShaping(without_dry_friction(model), UPRIGHT, 0, 10.0, 20.0, 5.0, extra_energy=2.0)
    return control.Catch(control.Limited(swing, limits), *regulator_of(model))


# %% [markdown]
# ## Judge
#
# A start succeeds if the pendulum is up and the arm near its middle during the last second, and the arm never turned
# more than once around: its cable is not longer. The cost is that of the regulator, over the whole motion.

# %%
cost = control.QuadraticCost(UPRIGHT, WEIGHTS["state_cost"], WEIGHTS["control_cost"], periodic=[1])
TOLERANCE = jnp.array([0.5, 0.15, 1.5, 1.5])
judge = Judge(MACHINE, cost, TOLERANCE, 1.0 if SMOKE else 12.0, travel=2 * np.pi)
draw = np.random.default_rng(8)
starts = draw.uniform(-1, 1, (STARTS, 4)) * [1.0, np.pi, 1.0, 2.0]

models = {"learned": learned, "of MuJoCo": true}
runs, success, spent = {}, {}, {}
print(HEADER)
for name, one in models.items():
    runs[name], success[name], spent[name] = judge(name, one, by_energy(one), starts)
gains = {name: np.asarray(regulator_of(one)[0].gain) for name, one in models.items()}
print("gains of the regulator over those of MuJoCo:", (gains["learned"] / gains["of MuJoCo"]).round(4))
print(f"rotary pendulum, share of successes: {success['learned']:.2f}")
print(f"rotary pendulum, cost over that of the true model: {spent['learned'] / spent['of MuJoCo']:.4f}")

# %%
figure, axes = plt.subplots(2, 1, figsize=(9, 5), sharex=True, layout="constrained")
for name, colour in {"learned": "C0", "of MuJoCo": "k"}.items():
    for run in runs[name][:3]:
        axes[0].plot(run.ts, run.ys[:, 1] / np.pi, colour, lw=1)
        axes[1].plot(run.ts, run.ys[:, 0], colour, lw=1)
axes[0].set(ylabel="pendulum [half turns]", title="three starts: learned model (blue), model of MuJoCo (black)")
axes[1].set(xlabel="time [s]", ylabel="arm [rad]")
figure.savefig(OUTPUT / "rotary_pendulum_in_mujoco.png", dpi=110)

# %% [markdown]
# ## What this shows

# %%
if not SMOKE:
    assert success["learned"] >= 0.95
    assert spent["learned"] < 1.1 * spent["of MuJoCo"]
    assert np.abs(gains["learned"] / gains["of MuJoCo"] - 1).max() < 0.05
