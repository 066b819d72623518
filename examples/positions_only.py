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
# # Positions only: the shadow Lagrangian
#
# A pendulum is seen at five instants, half a second apart, without velocities. The step is so large that differences
# give no velocities. Numerical integration even of the true Lagrangian would have a large error. So the Lagrangian is
# learned through the integrator that will use it. A sequence of positions is a motion of the variational midpoint
# rule if it satisfies the discrete Euler-Lagrange equations
#
# $$D_2 L_d(q_0, q_1) + D_1 L_d(q_1, q_2) = 0, \qquad
#   L_d(q_0, q_1) = h L\Bigl(\frac{q_0 + q_1}{2}, \frac{q_1 - q_0}{h}\Bigr).$$
#
# The result is not the true $L = \dot q^2 / 2 + \cos q$ but the *shadow* Lagrangian: its midpoint rule at this step
# gives the true motion (Ober-Blöbaum and Offen 2022; Offen and Ober-Blöbaum 2022).

# %%
import time

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from scipy.special import ellipj, ellipk
from sizes import OUTPUT, size_of_run

import neural_lagrangian as nl
from neural_lagrangian.integrators import Integration, discrete_position_errors
from neural_lagrangian.training import gauss_newton

jax.config.update("jax_enable_x64", True)

SIZE = size_of_run("smoke", "quick")
COUNT, WIDTH, STEPS, POLISH, ROLLOUT = {
    "smoke": (20, 4, 3, 2, 50),
    "quick": (100, 16, 300, 50, 10_000),
    "standard": (400, 16, 1000, 400, 10_000),
}[SIZE]
H, AMPLITUDE = 0.5, 0.3
RULE = nl.integrators.VariationalMidpoint()
KEY = jax.random.key(0)

# %% [markdown]
# ## Data
#
# The data are 400 motions of 5 snapshots from $(q, \dot q)$ in $[-\pi, \pi] \times [-1.2, 1.2]$, without their
# velocities. A parabola through three samples does not change the positions. Its slopes are not used.

# %%
accurate = Integration(diffrax.Dopri8(), stepsize_controller=diffrax.PIDController(rtol=1e-13, atol=1e-13))
pendulum = nl.systems.Pendulum(gravity=1.0, integration=accurate)
states = jax.random.uniform(KEY, (COUNT, 2), minval=-1.0) * jnp.array([jnp.pi, 1.2])
ts, qs = nl.trajectories.without_velocities(nl.simulate(pendulum, H * jnp.arange(5), states))
data = nl.trajectories.differentiate(ts, qs, window=3, degree=2)
print(data)

# %% [markdown]
# ## Models
#
# There are two models: a network of $(\cos q, \sin q, \dot q)$ that is time-reversible, and a library of 13 terms
# $\dot q^{2 i} \cos j q$. The library also has the fixed term $\dot q^2 / 2$, which sets the scale.

# %%
TERMS = [(i, j) for i in range(4) for j in range(4) if (i, j) not in ((0, 0), (1, 0), (3, 3))]


def library(t, q, v, *, c):
    return 0.5 * v[0] ** 2 + c @ jnp.stack([v[0] ** (2 * i) * jnp.cos(j * q[0]) for i, j in TERMS])


mlp = eqx.nn.MLP(3, "scalar", WIDTH, 2, activation=jnp.tanh, key=KEY)
MODELS = {
    "network": nl.NeuralLagrangian(nl.networks.TimeReversible(nl.PeriodicEmbedding(mlp, 1)), RULE, dt0=H),
    "13 terms": nl.NeuralLagrangian(
        nl.lagrangians.ParametricLagrangian(library, dof=1, c=jnp.zeros(len(TERMS))), RULE, dt0=H
    ),
}

# %% [markdown]
# ## Training
#
# `fit` with `discrete_euler_lagrange_mse` comes first. Then `gauss_newton` minimises the same position errors
# further: over thousands of swings an error in the seventh digit of the frequency is visible.


# %%
def position_errors(model, window):
    return discrete_position_errors(model.lagrangian, RULE, window.ts, window.ys[:, :1])


trained = {}
for name, model in MODELS.items():
    began = time.perf_counter()
    result = nl.fit(
        model,
        data,
        loss=nl.training.discrete_euler_lagrange_mse,
        optimizer=optax.adam(optax.cosine_decay_schedule(1e-2, STEPS)),
        steps=STEPS,
        horizon=4,
        batch_size=64,
        key=KEY,
    )
    fitted = np.sqrt(np.nanmean(result.history.loss[-50:]))
    polished = gauss_newton(result.model, data, residual=position_errors, horizon=4, windows=COUNT, steps=POLISH)
    trained[name] = polished.model
    seconds = time.perf_counter() - began
    error = np.sqrt(polished.loss[-1])
    print(f"{name:9s} {seconds:5.1f} s, position error of a step: {fitted:.1e} after fit, {error:.1e} polished")

# %% [markdown]
# ## Ten thousand steps
#
# The prediction starts from the first two positions of a swing from rest at 0.3 rad. Their discrete momentum gives
# the initial velocity. The comparison is the midpoint rule with the true Lagrangian, which has a discretisation
# error. The truth is the exact motion of the pendulum, $\sin(q / 2) = k\, \mathrm{sn}(t + K, k)$, $\dot q = 2 k\,
# \mathrm{cn}(t + K, k)$.


# %%
def exact(t, amplitude):
    k = np.sin(amplitude / 2)
    sn, cn, _, _ = ellipj(t + ellipk(k**2), k**2)
    return 2 * np.arcsin(k * sn), 2 * k * cn


times = H * np.arange(ROLLOUT + 1)
truth, true_velocities = exact(times, AMPLITUDE)
# `dt0` makes rollouts right at any times; at these, one step a sample is the same without an interpolation.
TRUE = "true Lagrangian"
predictors = {**trained, TRUE: nl.NeuralLagrangian.from_lagrangian(pendulum.lagrangian, RULE, dof=1, dt0=H)}
deviation = {}
for name, model in predictors.items():
    model = eqx.tree_at(
        lambda m: m.integration, model, Integration(RULE, stepsize_controller=nl.StepsPerSample(1), dt0=H)
    )
    ts, qs = jnp.asarray(times), jnp.asarray(truth)[:, None]
    v = nl.models.recovered_velocities(model, ts[:2], qs[:2])
    predicted = eqx.filter_jit(model)(ts, jnp.concatenate([qs[0], v[0]]))
    deviation[name] = np.abs(np.asarray(predicted[:, 0]) - truth)
    print(f"{name:16s} max |dq| over {ROLLOUT} steps: {deviation[name].max():.1e}")

# %% [markdown]
# The momenta of the discrete motion also give velocities. They are near the true velocities; the difference is the
# error of the midpoint rule at this step.

# %%
some = slice(0, 40)
ts, qs = jnp.asarray(times[some]), jnp.asarray(truth[some])[:, None]
recovered = {name: np.asarray(nl.models.recovered_velocities(m, ts, qs))[:, 0] for name, m in trained.items()}
for name, v in recovered.items():
    print(f"{name:9s} recovered velocities, max |dv|: {np.abs(v - true_velocities[some]).max():.1e}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for name, error in deviation.items():
    axes[0].loglog(times[2:], np.maximum.accumulate(error[2:]), label=name)
axes[0].axhline(4.9e-4, color="0.6", linewidth=1, linestyle="--", label="published (2022)")
axes[0].set(xlabel="time (s)", ylabel="largest |dq| so far (rad)", title=f"midpoint rule, h = {H} s")
axes[0].legend(fontsize=8)
axes[1].plot(times[some], true_velocities[some], color="0.75", linewidth=5, label="truth")
for name, v in recovered.items():
    axes[1].plot(times[some], v, ".-", markersize=4, linewidth=0.8, label=name)
axes[1].set(xlabel="time (s)", ylabel="velocity (rad/s)", title="velocities recovered from positions")
axes[1].legend(fontsize=8)
figure.savefig(OUTPUT / "positions_only.png", dpi=110)

# %%
figures = {f"largest position error in 10 000 steps, {name} [rad]": error.max() for name, error in deviation.items()}
for name, value in figures.items():
    print(f"{name}: {value:.3g}")
if SIZE == "standard":
    assert deviation["network"].max() < 4.9e-4
    assert deviation["13 terms"].max() < 4.9e-5
    assert deviation[TRUE].max() > 0.3
