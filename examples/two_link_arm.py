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
# # A two-link arm with motors
#
# MuJoCo moves a two-link arm by random motor torques. A mechanical Lagrangian and the friction of the joints are
# learned from its states, accelerations and torques (deep Lagrangian networks, Lutter, Ritter and Peters 2019). They
# are compared with MuJoCo's own mass matrix, gravity torques and damping. Then new torques drive the learned arm.

# %%
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from sizes import OUTPUT, asked

import neural_lagrangian as nl
from neural_lagrangian import analysis

try:
    import mujoco
except ImportError:
    print("skipped: this example needs MuJoCo, pip install 'neural_lagrangian[mujoco]'")
    raise SystemExit(0) from None

jax.config.update("jax_enable_x64", True)

SMOKE = asked("smoke")
KEY = jax.random.key(0)

# %% [markdown]
# ## The arm
#
# The arm is two rods that hang from a shoulder. The angle of the elbow is relative to the upper arm. Each joint has a
# motor and viscous friction.

# %%
ARM = """
<mujoco>
  <option timestep="0.001" gravity="0 0 -9.81" integrator="RK4"><flag contact="disable"/></option>
  <worldbody>
    <body>
      <joint name="shoulder" type="hinge" axis="0 -1 0" damping="0.08"/>
      <geom type="capsule" fromto="0 0 0 0 0 -0.4" size="0.02" mass="1.0"/>
      <body pos="0 0 -0.4">
        <joint name="elbow" type="hinge" axis="0 -1 0" damping="0.05"/>
        <geom type="capsule" fromto="0 0 0 0 0 -0.3" size="0.02" mass="0.6"/>
      </body>
    </body>
  </worldbody>
  <actuator><motor joint="shoulder"/><motor joint="elbow"/></actuator>
</mujoco>
"""
DAMPING = np.array([0.08, 0.05])
arm = mujoco.MjModel.from_xml_string(ARM)
data = mujoco.MjData(arm)

SAMPLE, SUBSTEPS = 0.01, 10  # seconds from row to row; MuJoCo steps in between
SECONDS = 1 if SMOKE else 5


def random_torque(draw):
    """A sum of sines for each motor, of up to about 3 N m at the shoulder and 1 N m at the elbow."""
    frequency = draw.uniform(0.2, 1.5, (4, 2))
    phase = draw.uniform(0, 2 * np.pi, (4, 2))
    amplitude = draw.uniform(0, 1, (4, 2)) * [1.5, 0.5]
    return lambda t: np.sum(amplitude * np.sin(2 * np.pi * frequency * t + phase), axis=0)


def simulate(draw):
    """One recording: times, states, accelerations, torques."""
    torque = random_torque(draw)
    mujoco.mj_resetData(arm, data)
    data.qpos[:], data.qvel[:] = draw.uniform(-np.pi, np.pi, 2), draw.uniform(-2, 2, 2)
    rows = []
    for _ in range(round(SECONDS / SAMPLE) + 1):
        data.ctrl[:] = torque(data.time)
        mujoco.mj_forward(arm, data)
        rows.append([data.time, *data.qpos, *data.qvel, *data.qacc, *data.ctrl])
        for _ in range(SUBSTEPS):
            data.ctrl[:] = torque(data.time + arm.opt.timestep / 2)  # held during the step: its middle
            mujoco.mj_step(arm, data)
    ts, ys, accelerations, torques = np.split(np.array(rows), [1, 5, 7], axis=1)
    return ts[:, 0], ys, accelerations, torques


def recordings(count, seed):
    draw = np.random.default_rng(seed)
    ts, ys, accelerations, torques = map(list, zip(*(simulate(draw) for _ in range(count)), strict=True))
    return nl.Trajectories(ts, ys, accelerations=accelerations, controls=torques)


train, test = recordings(2 if SMOKE else 32, 0), recordings(2 if SMOKE else 16, 1)
print(f"train {train}\ntest  {test}")

# %% [markdown]
# ## Model
#
# The equation is $\tfrac{d}{dt} \partial L / \partial v - \partial L / \partial q = u - D v$. The torques $u$ are in
# newton metres, so the learned mass matrix is in kg m^2 and the potential in joules. Free motion does not determine a
# common factor; known torques do. `ControlForce` has no trained matrix: if a matrix were trained too, everything
# could shrink to zero.

# %%
lagrangian = nl.MechanicalLagrangian.from_mlp(2, 64, periodic=(0, 1), dtype=jnp.float32, key=KEY)
damping = nl.mechanics.LinearDamping(jnp.full(2, 0.5, jnp.float32))
model = nl.NeuralLagrangian.from_lagrangian(lagrangian, force=damping + nl.mechanics.ControlForce())

# %% [markdown]
# ## Training
#
# The loss compares the torques that the recorded motion needs, sample by sample. It needs neither a rollout nor a
# mass solve.

# %%
result = nl.fit(
    model,
    train,
    loss=nl.training.torque_mse,
    horizon=0,
    steps=3 if SMOKE else 6000,
    batch_size=256,
    key=KEY,
)
learned = nl.models.with_precision(result.model, jnp.float64)
print(f"{result.history.seconds[-1]:.0f} s, torque error {np.sqrt(result.history.loss[-50:].mean()):.1e} N m")

# %% [markdown]
# ## Comparison with MuJoCo
#
# The comparison is at states of the test recordings: mass matrix (`mj_fullM`), gravity torque (`qfrc_bias` at rest),
# damping.


# %%
def of_mujoco(q):
    data.qpos[:], data.qvel[:] = q, 0.0
    mujoco.mj_forward(arm, data)
    M = np.zeros((2, 2))
    mujoco.mj_fullM(arm, data, M)
    return M, data.qfrc_bias.copy()


qs = test.ys[:, ::25, :2].reshape(-1, 2)
M, gravity = map(np.array, zip(*map(of_mujoco, qs), strict=True))
M_learned = np.asarray(jax.vmap(learned.network.mass_matrix)(qs))
gravity_learned = np.asarray(jax.vmap(jax.grad(learned.network.potential_energy))(qs))
mass_error = np.linalg.norm(M_learned - M, axis=(1, 2)) / np.linalg.norm(M, axis=(1, 2))
gravity_error = np.linalg.norm(gravity_learned - gravity, axis=1) / np.sqrt(np.mean(np.sum(gravity**2, axis=1)))
damping_learned = np.diag(learned.force.terms[0].damping_matrix(jnp.zeros(2), jnp.zeros(2)))
print(f"relative error over {len(qs)} test states   median      90 %")
for name, error in {"mass matrix": mass_error, "gravity torque": gravity_error}.items():
    print(f"{name:32s}  {np.median(error):10.1e}{np.quantile(error, 0.9):10.1e}")
print(f"damping {damping_learned} N m s, of MuJoCo {DAMPING}")

# %% [markdown]
# ## Motion under new torques

# %%
times, states, torques = test.ts[0], jnp.asarray(test.ys), jnp.asarray(test.controls)
learned = eqx.tree_at(
    lambda m: m.integration.stepsize_controller, learned, nl.StepsPerSample(1), is_leaf=lambda x: x is None
)
drive = eqx.filter_jit(jax.vmap(lambda us, y0: nl.models.with_control(learned, times, us)(times, y0)))
predicted = drive(torques, states[:, 0])
free = analysis.rollouts(learned, times, states[:, 0])
horizons = [0.5] if SMOKE else [1.0, 2.0, 5.0]
print(f"{'median angle error [rad] up to':32s}" + "".join(f"{h:>9g} s" for h in horizons))
rmse = {}
for name, ys in {"driven": predicted, "its motors forgotten": free}.items():
    rmse[name] = [
        float(jnp.median(analysis.angle_rmse(ys, states, jnp.asarray(times), [h], window=h)[0])) for h in horizons
    ]
    print(f"{name:32s}" + "".join(f"{value:11.1e}" for value in rmse[name]))

# %% [markdown]
# ## Figures

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
elbow = np.linspace(-np.pi, np.pi, 100)
grid = np.stack([np.zeros(100), elbow], axis=1)
entries = np.array([of_mujoco(q)[0] for q in grid])
entries_learned = np.asarray(jax.vmap(learned.network.mass_matrix)(grid))
for (i, j), colour in {(0, 0): "C0", (0, 1): "C1", (1, 1): "C2"}.items():
    axes[0].plot(elbow, entries_learned[:, i, j], colour, label=f"$M_{{{i + 1}{j + 1}}}$")
    axes[0].plot(elbow, entries[:, i, j], "k--", lw=1)
axes[0].set(xlabel="elbow [rad]", ylabel="kg m$^2$", title="mass matrix, MuJoCo's dashed")
axes[0].legend()
analysis.plot_trajectories(
    times, states[0], {"driven": predicted[0], "its motors forgotten": free[0]}, label="shoulder [rad]", ax=axes[1]
)
axes[1].set_title("the first test recording, from its start")
figure.savefig(OUTPUT / "two_link_arm.png", dpi=110)

# %% [markdown]
# ## What this shows

# %%
if not SMOKE:
    assert np.median(mass_error) < 0.02
    assert np.median(gravity_error) < 0.02
    assert np.all(np.abs(damping_learned - DAMPING) < 0.05 * DAMPING)
    assert rmse["driven"][0] < 0.05 * rmse["its motors forgotten"][0]
