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
# # What sensors see is not the state
#
# Three recordings that are not states: the velocities of a real pendulum, which are late; an accelerometer and a
# gyroscope on the bob of a pendulum; and the tip of a double pendulum in an image of unknown scale and tilt. In each
# case sensors and Lagrangian are found together, and the initial states of the windows with them.

# %%
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from sizes import OUTPUT, size_of_run

import neural_lagrangian as nl
from neural_lagrangian.lagrangians import ParametricLagrangian
from neural_lagrangian.networks import Frozen
from neural_lagrangian.observation import (
    Accelerometer,
    Gyroscope,
    Observed,
    Position,
    Sensor,
    StateFunction,
    Velocity,
    information,
    observation_residual,
)

jax.config.update("jax_enable_x64", True)

SIZE = size_of_run("smoke", "quick")
STEPS = 2 if SIZE == "smoke" else 20


def model_of(formula, dof, force=None, **coefficients):
    lagrangian = ParametricLagrangian(formula, dof=dof, **coefficients)
    steps = nl.StepsPerSample(1)
    return nl.NeuralLagrangian(lagrangian, nl.integrators.RK4(), stepsize_controller=steps, force=force)


def calibrated(rig, motion, horizon):
    """Sensors, Lagrangian and initial states by least squares, over windows that cover the recording once."""
    cut = {"horizon": horizon, "windows": int(motion.mask.sum() // (horizon + 1)), "states": motion.ys}
    return nl.training.gauss_newton(rig, motion, residual=observation_residual, steps=STEPS, **cut)


# %% [markdown]
# ## The delay of recorded velocities
#
# A real pendulum (Kaheman et al. 2022), 55 s at 1 kHz. The authors denoised the velocities. Are they late? The angle
# is the clock. The model has one constant and friction. Every tenth sample is used, in windows of 0.5 s. The noise of
# both channels is estimated from the residuals of a first fit. The even and the odd pieces are two independent answers.
# The standard errors count the noise as independent; that of denoised velocities is not, so the two differ by more.


# %%
def swing(t, q, v, *, k):
    return 0.5 * v @ v + k * jnp.cos(q[0])


def late_velocities(noise):
    sensors = {
        "angle": Sensor(Position(), noise=Frozen(noise["angle"]), offset=0.0),
        "rate": Sensor(Velocity(), noise=Frozen(noise["rate"]), gain=1.0, delay=0.0),
    }
    return Observed(model_of(swing, 1, nl.mechanics.LinearDamping(jnp.array([0.25])), k=66.0), sensors)


def delay_of(pieces, every=10, horizon=50):
    recorded = nl.datasets.kaheman_pendulum("single", pieces)
    ys = recorded.ys - np.array([np.pi, 0.0])
    seen = {"angle": ys[..., 0], "rate": ys[..., 1]}
    motion = nl.Trajectories(recorded.ts, ys, observations=seen, mask=recorded.mask).thin(every)
    noise = {"angle": 3e-3, "rate": 3e-2}
    for _ in range(2):
        found = information(calibrated(late_velocities(noise), motion, horizon).model, motion, horizon=horizon)
        noise = {name: value * found.misfit[name] for name, value in noise.items()}
    return found.estimate(lambda m: m.sensors["rate"].delay)


delays = {}
try:
    for pieces in ("even", "odd"):
        delays[pieces] = delay_of(pieces)
        value, error = delays[pieces]
        print(f"{pieces} pieces: velocities are late by {1e3 * value:.3f} +- {1e3 * error:.3f} ms")
except nl.trajectories.DataFileError as error:
    print(f"skipped: the recording is not here ({error})")

# %% [markdown]
# ## A pendulum from an accelerometer and a gyroscope
#
# Both sit on the bob of a pendulum of 1 m. No angle is measured. The accelerometer is late by 37 ms, and its gain is
# not known. The guess of the states is an angle of zero and the rate of the gyroscope.


# %%
def bob(q):
    return jnp.stack([jnp.sin(q[0]), -jnp.cos(q[0])])


def on_the_bob(k, gain, delay):
    sensors = {
        "accelerometer": Sensor(Accelerometer(bob, lambda q: q[0]), noise=0.15, gain=gain, delay=delay),
        "gyroscope": Sensor(Gyroscope(lambda q: q[0]), noise=0.02),
    }
    return Observed(model_of(swing, 1, k=k), sensors)


def recording(rig, ts, y0, guess, seed=0):
    ys = rig(ts, y0)
    seen = jax.tree.map(np.asarray, rig.observe(ts, ys, key=jax.random.key(seed)))
    return nl.Trajectories(ts, guess(ys, seen), observations=seen), ys


ts = np.arange(0.0, 2.0 if SIZE == "smoke" else 30.0, 0.01)
truth = on_the_bob(9.81, 1.05, 0.037)
motion, ys = recording(
    truth,
    ts,
    jnp.array([1.2, 0.0]),
    lambda ys, seen: np.concatenate([0 * seen["gyroscope"], seen["gyroscope"]], axis=1),
)
imu = calibrated(on_the_bob(9.0, 1.0, 0.02), motion, 99)
found_imu = information(imu.model, motion, horizon=99)
print(found_imu)

# %% [markdown]
# ## A double pendulum from the image of its tip
#
# A camera sees the tip alone: its scale (pixels per metre) and its tilt are not known. Masses and lengths are one;
# gravity and the two quantities of the camera are found. Angles and rates are hidden: their guesses have errors of
# 0.1 rad and 0.5 rad/s.


# %%
class Camera(eqx.Module):
    """The tip in an image, in units of 100 pixels."""

    scale: jax.Array
    tilt: jax.Array

    def __call__(self, t, q, v):
        x, y = jnp.sum(jnp.sin(q)), -jnp.sum(jnp.cos(q))
        c, s = jnp.cos(self.tilt), jnp.sin(self.tilt)
        return self.scale * jnp.stack([c * x - s * y, s * x + c * y])


def double(t, q, v, *, g):
    kinetic = v[0] ** 2 + 0.5 * v[1] ** 2 + v[0] * v[1] * jnp.cos(q[0] - q[1])
    return kinetic + g * (2 * jnp.cos(q[0]) + jnp.cos(q[1]))


def filmed(g, scale, tilt):
    camera = StateFunction(Camera(jnp.array(scale), jnp.array(tilt)))
    return Observed(model_of(double, 2, g=g), {"tip": Sensor(camera, noise=0.01)})


ts = np.arange(0.0, 2.0 if SIZE == "smoke" else 10.0, 0.01)
errors = np.array([0.1, 0.1, 0.5, 0.5]) * np.random.default_rng(0).normal(size=(len(ts), 4))
truth = filmed(9.81, 1.3, 0.1)
film, ys = recording(truth, ts, jnp.array([1.0, 0.5, 0.0, 0.0]), lambda ys, seen: np.asarray(ys) + errors)
tip = calibrated(filmed(9.0, 1.0, 0.0), film, 49)
found_tip = information(tip.model, film, horizon=49)
print(found_tip)

# %% [markdown]
# ## Figures

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
axes[0].semilogy(imu.loss, label="accelerometer and gyroscope")
axes[0].semilogy(tip.loss, label="tip in an image")
axes[0].set(xlabel="step", ylabel="mean square residual over its noise")
axes[0].legend()
seen = film.observations["tip"][0]
axes[1].plot(*seen.T, ".", ms=2, label="seen")
axes[1].plot(*tip.model.readings(ts, ys)["tip"].T, lw=1, label="expected of the true states")
axes[1].set(xlabel="image x [100 pixels]", ylabel="image y [100 pixels]", aspect="equal")
axes[1].legend()
figure.savefig(OUTPUT / "sensors.png", dpi=110)

# %% [markdown]
# ## What this shows

# %%
accelerometer, camera = imu.model.sensors["accelerometer"], tip.model.sensors["tip"].reading.function
found = {
    "delay of the accelerometer [ms]": (1e3 * float(accelerometer.delay), 37.0),
    "tilt of the image [rad]": (float(camera.tilt), 0.1),
}
shares = {
    "gain of the accelerometer": (float(accelerometer.gain), 1.05),
    "g / l of the pendulum": (float(imu.model.model.network.coefficients["k"]), 9.81),
    "scale of the image": (float(camera.scale), 1.3),
    "g of the double pendulum": (float(tip.model.model.network.coefficients["g"]), 9.81),
}
figures = {f"delay of velocities, {pieces} pieces [ms]": 1e3 * value for pieces, (value, _) in delays.items()}
figures |= {f"error of the {name}": abs(value - true) for name, (value, true) in found.items()}
figures |= {f"relative error of the {name} [1]": abs(value / true - 1) for name, (value, true) in shares.items()}
for name, value in figures.items():
    print(f"{name}: {value:.3g}")
if SIZE == "standard":
    assert figures["error of the delay of the accelerometer [ms]"] < 1
    assert figures["error of the tilt of the image [rad]"] < np.deg2rad(0.2)
    assert figures["relative error of the gain of the accelerometer [1]"] < 5e-3
    assert figures["relative error of the scale of the image [1]"] < 5e-3
    assert all(abs(value) < 2e-3 and error < 1e-4 for value, error in delays.values())
