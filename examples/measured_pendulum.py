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
# # A measured pendulum
#
# The recording is one free swing of a real pendulum (Kaheman et al. 2022), 55 s at 1 kHz, in six consecutive pieces.
# Even pieces are the training set, odd pieces the test set. The models are a Lagrangian network with learned friction
# and a second-order neural ODE. The comparison is the rigid-body equation that the authors of the recording
# calibrated on all pieces.

# %%
import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from sizes import OUTPUT, size_of_run

import neural_lagrangian as nl
from neural_lagrangian import analysis

jax.config.update("jax_enable_x64", True)

SIZE = size_of_run("smoke", "quick")
KEY = jax.random.key(0)

# %% [markdown]
# ## Recording
#
# Angles are absolute, $\pi$ is hanging down. The recorded velocities lag the angles by about one sample. The
# derivative of a local polynomial through the angles shows this: the root mean square difference is 0.045 rad/s as
# recorded, and 0.030 rad/s one sample earlier. So each angle is paired with the velocity of the next sample, for
# every model.

# %%
try:
    recorded = {pieces: nl.datasets.kaheman_pendulum("single", pieces) for pieces in ("even", "odd")}
except nl.trajectories.DataFileError as error:
    print(f"skipped: the recording is not here ({error})")
    raise SystemExit(0) from None


def without_lag(trajectories):
    pairs = [(ts[:-1], np.stack([ys[:-1, 0], ys[1:, 1]], axis=1)) for ts, ys in trajectories]
    return nl.Trajectories([ts for ts, _ in pairs], [ys for _, ys in pairs])


train, test = without_lag(recorded["even"]), without_lag(recorded["odd"])
print(f"train {train}\ntest  {test}")

# %% [markdown]
# ## Models
#
# The Lagrangian is kinetic minus potential energy, both networks. (A free-form network of this size learns the motion
# as well in some runs; in others it stays at the mean.) The force is $Q = -D(q, v)\, v$, $D = C C^\top$, with $C$ a
# network that is even in $v$. It can only remove energy.


# %%
lagrangian = nl.MechanicalLagrangian.from_mlp(1, 64, periodic=(0,), key=KEY, dtype=jnp.float32)
acceleration = eqx.nn.MLP(3, 1, 64, 2, activation=jax.nn.silu, key=KEY, dtype=jnp.float32)
factor = eqx.nn.MLP(3, 1, 16, 1, activation=jnp.tanh, key=KEY, dtype=jnp.float32)
friction = nl.mechanics.LinearDamping(nl.networks.TimeReversible(nl.PeriodicEmbedding(factor, dof=1)), of="state")
MODELS = {
    "LNN with friction": nl.NeuralLagrangian.from_lagrangian(lagrangian, diffrax.Tsit5(), force=friction),
    "NODE, 2nd order": nl.NeuralODE(nl.PeriodicEmbedding(acceleration, dof=1), diffrax.Tsit5()),
}


class Expert(eqx.Module):
    """The authors' calibrated equation: (m a^2 + I) q'' = m g a sin q - k q'."""

    def vector_field(self, t, y, args=None):
        a, m, inertia, k, g = 0.147754901, 0.147584572, 1.09118505e-4, 2.23940125e-4, 9.81001310
        q, v = y
        return jnp.stack([v, (m * g * a * jnp.sin(q) - k * v) / (m * a**2 + inertia)])

    def __call__(self, ts, y0):
        return nl.NeuralODE(lambda y: self.vector_field(0.0, y), diffrax.Tsit5())(ts, y0)


# %% [markdown]
# ## Training
#
# Windows are 0.1 s, then 0.5 s, then 1 s long, in steps of 20 ms.

# %%
ROLLOUTS = nl.training.Rollouts(stride=20)
STAGES = {"horizon": (5, 25, 50), "steps": (1500, 400, 200), "batch_size": 64}
SECONDS = (0.5, 1.0, 9.0)  # over which rollouts are judged
if SIZE == "quick":
    STAGES |= {"horizon": (5, 25), "steps": (500, 50)}
    SECONDS = (0.5, 1.0)
    MODELS.pop("NODE, 2nd order")
if SIZE == "smoke":
    STAGES |= {"horizon": 2, "steps": 5}
trained, histories = {"expert's calibrated equation": Expert()}, {}
for name, model in MODELS.items():
    result = nl.fit(model, train, key=KEY, rollouts=ROLLOUTS, **STAGES)
    trained[name] = nl.models.with_precision(result.model, jnp.float64)
    histories[name] = result.history
    print(f"{name:30s} {result.history.seconds[-1]:6.1f} s, loss {result.history.loss[-20:].mean():.1e}")

# %% [markdown]
# ## Errors on the odd pieces
#
# Rollouts start every 0.1 s in each test piece and never cross its end. The error is the root mean square angle error
# from the start to the horizon: median and 90 % quantile over the starts.


# %%
def starts_of(seconds):
    windows = nl.trajectories.Windows(test, int(seconds * 1000), dtype=jnp.float64)
    _, rows = windows.rows(jnp.arange(len(windows)))
    every = np.flatnonzero(rows[:, 0] % 100 == 0)
    starts = windows.gather(jnp.asarray(every))
    return starts.ts[0, ::10] - starts.ts[0, 0], starts.ys[:, ::10]


print(f"\n{'angle RMSE [rad], median (90 %)':32s}" + "".join(f"{f'{h:g} s':>20s}" for h in SECONDS))
errors = {}
for name, model in trained.items():
    row = ""
    for horizon in SECONDS:
        ts, ys = starts_of(horizon)
        predicted = analysis.rollouts(model, ts, ys[:, 0])
        rmse = analysis.angle_rmse(predicted, ys, ts, [horizon], window=horizon)[0]
        errors[name, horizon] = float(jnp.median(rmse))
        row += f"{errors[name, horizon]:11.4f} ({float(jnp.quantile(rmse, 0.9)):.4f})"
    print(f"{name:32s}{row}")

# %% [markdown]
# ## Figures

# %%
ts, ys = starts_of(SECONDS[-1])
figure, axes = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
predicted = {name: analysis.rollouts(model, ts, ys[:, 0]) for name, model in trained.items()}
analysis.plot_trajectories(ts, ys[0], {name: p[0] for name, p in predicted.items()}, label="angle [rad]", ax=axes[0])
axes[0].set_title("the first odd piece, from its start")
angle_errors = {name: jnp.abs(p - ys)[:, 1:, 0] for name, p in predicted.items()}
analysis.plot_error_growth(ts[1:], angle_errors, label="angle error [rad]", ax=axes[1])
axes[1].set_title("median and quartiles over starts on the odd pieces")
figure.savefig(OUTPUT / "measured_pendulum.png", dpi=110)

# %% [markdown]
# ## What this shows

# %%
figures = {f"angle RMSE over {horizon:g} s, {name} [rad]": error for (name, horizon), error in errors.items()}
for name, value in figures.items():
    print(f"{name}: {value:.3g}")
if SIZE == "standard":
    for horizon in SECONDS:
        assert errors["LNN with friction", horizon] < errors["expert's calibrated equation", horizon]
        assert errors["LNN with friction", horizon] < errors["NODE, 2nd order", horizon]
