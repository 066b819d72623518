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
# # Friction that remembers
#
# Dry friction has a memory. Before it slips, a joint is a stiff spring with hysteresis (presliding), and friction at
# rest is larger than in motion. The LuGre model describes this by the deflection of bristles. The Bouc-Wen model
# describes a spring that yields. Both have an internal state that no sensor sees.
#
# Here a mass on a spring is driven by a known force for 30 s. Recorded are its position and the force, both with 1 %
# noise, at 100 Hz. Mass, spring and all constants of the friction are found from this alone, by least squares over one
# rollout of the whole recording. Smooth friction, without memory, is compared.

# %%
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from sizes import OUTPUT, asked

import neural_lagrangian as nl
from neural_lagrangian.integrators import RK4
from neural_lagrangian.mechanics import BoucWen, ControlForce, LuGre, SmoothFriction
from neural_lagrangian.models import WithMemory, with_control
from neural_lagrangian.training import gauss_newton

jax.config.update("jax_enable_x64", True)

SMOKE = asked("smoke")
DURATION, STEPS = (1.0, 2) if SMOKE else (30.0, 60)
STEP = 0.01  # seconds a sample
NOISE = 0.01  # of the standard deviation of each channel
AT_REST = np.zeros(2)

# %% [markdown]
# ## The rig
#
# The force is a sum of sines whose size grows and falls. Small forces bend the bristles only, large ones make the mass
# slide, so that all constants have an effect.

# %%
ts = np.arange(0.0, DURATION + STEP / 2, STEP)
rng = np.random.default_rng(0)


def command(t, size):
    tones = sum(np.sin(2 * np.pi * f * t + phase) for f, phase in ((0.31, 0.0), (0.83, 1.0), (1.9, 2.0)))
    return size * np.sin(np.pi * t / 7.5) ** 2 * tones


def table(mass, stiffness, force=None):
    """A mass on a spring, with trained mass and stiffness."""
    lagrangian = nl.lagrangians.ParametricLagrangian(
        lambda t, q, v, *, log_m, log_k: (jnp.exp(log_m) * v @ v - jnp.exp(log_k) * q @ q) / 2,
        dof=1,
        log_m=np.log(mass),
        log_k=np.log(stiffness),
    )
    steps = nl.StepsPerSample(2)
    motor = ControlForce()
    force = motor if force is None else motor + force
    return nl.NeuralLagrangian(lagrangian, RK4(), force=force, stepsize_controller=steps)


def lugre(stiffness, coulomb, breakaway, stribeck_velocity, damping, viscous):
    law = LuGre(
        [stiffness],
        coulomb=[coulomb],
        breakaway=[breakaway],
        stribeck_velocity=[stribeck_velocity],
        damping=[damping],
        viscous=[viscous],
    )
    return WithMemory(table(0.6, 40.0), law)


def bouc_wen(strength, yield_displacement, exponent, unloading):
    law = BoucWen([strength], yield_displacement=[yield_displacement], exponent=[exponent], unloading=[unloading])
    return WithMemory(table(0.6, 40.0), law)


def with_mass_and_spring(model, mass, stiffness):
    return eqx.tree_at(lambda m: m.model.network, model, table(mass, stiffness).network)


def record(model, size):
    """Position and force with noise; a column of velocities is there, and has no part in anything."""
    us = command(ts, size)
    q = np.asarray(with_control(model, ts, us[:, None])(ts, AT_REST))[:, 0]
    noisy_q, noisy_u = (x + NOISE * x.std() * rng.normal(size=x.shape) for x in (q, us))
    recording = nl.Trajectories(
        ts, np.stack([noisy_q, np.zeros_like(q)], axis=1)[None], controls=noisy_u[None, :, None]
    )
    return recording, q


def position_residual(model, window):
    """Positions of a rollout of the whole recording, from rest, against those that were recorded."""
    return model(window.ts, jnp.asarray(AT_REST))[:, 0] - window.ys[:, 0]


def fitted(model, recording):
    return gauss_newton(model, recording, residual=position_residual, horizon=len(ts) - 1, windows=1, steps=STEPS)


# %% [markdown]
# ## LuGre

# %%
NAMES = {
    "LuGre": ("stiffness", "coulomb", "breakaway", "stribeck_velocity", "damping", "viscous"),
    "Bouc-Wen": ("strength", "yield_displacement", "exponent", "unloading"),
}
true, guess, recordings, found = {}, {}, {}, {}
true["LuGre"] = with_mass_and_spring(lugre(300.0, 0.5, 0.8, 0.05, 4.0, 0.6), 0.5, 50.0)
guess["LuGre"] = lugre(200.0, 0.4, 0.6, 0.08, 2.0, 0.3)
recordings["LuGre"] = record(true["LuGre"], 1.5)

# %% [markdown]
# ## Bouc-Wen

# %%
true["Bouc-Wen"] = with_mass_and_spring(bouc_wen(1.0, 0.008, 1.8, 0.4), 0.5, 50.0)
guess["Bouc-Wen"] = bouc_wen(0.7, 0.012, 1.4, 0.2)
recordings["Bouc-Wen"] = record(true["Bouc-Wen"], 1.5)

# %% [markdown]
# ## The constants

# %%
worst = {}
for name, names in NAMES.items():
    result = fitted(guess[name], recordings[name][0])
    found[name] = result.model
    errors = {}
    for constant in names:
        truth, value = (float(getattr(model.forces[0], constant)[0]) for model in (true[name], found[name]))
        errors[constant] = value / truth - 1
        print(f"{name:9} {constant:20} true {truth:8.3g}  found {value:8.3g}  error {100 * errors[constant]:+6.2f} %")
    worst[name] = max(map(abs, errors.values()))
    print(f"{name}, largest relative error of a constant [1]: {worst[name]:.3g}")
    noise = NOISE * recordings[name][1].std()
    print(f"{name:9} residual {1e3 * result.loss[-1] ** 0.5:.4f} mm; the noise is {1e3 * noise:.4f} mm")

# %% [markdown]
# ## Smooth friction for comparison
#
# `SmoothFriction` has no memory. It has no presliding either, so the mass creeps where it should stick.

# %%
smooth = fitted(table(0.6, 40.0, SmoothFriction(np.array([0.5]), np.array([0.05]))), recordings["LuGre"][0])
print(f"smooth friction: residual {1e3 * smooth.loss[-1] ** 0.5:.4f} mm")

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3.5))
driven = {name: with_control(found[name], ts, recordings[name][0].controls[0]) for name in found}
for axis, (name, model) in zip(axes, driven.items(), strict=True):
    ys, zs = model.rollout(ts, AT_REST)
    v = ys[:, 1:]
    Q = jax.vmap(model.forces[0].force)(jnp.asarray(ts), ys[:, :1], v, zs)
    axis.plot(1e3 * ys[:, 0], Q[:, 0], linewidth=0.8)
    axis.set(xlabel="position (mm)", ylabel="friction (N)", title=name)
figure.tight_layout()
figure.savefig(OUTPUT / "friction_that_remembers.png")
