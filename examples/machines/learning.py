"""From a machine to a trained model: excitation, recording, networks, training in stages."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import optax

import neural_lagrangian as nl

STEPS = {"solver": nl.integrators.RK4(), "stepsize_controller": nl.StepsPerSample(1)}
"""How models of the machines integrate: one step from sample to sample."""


def excitation(machine, seed, amplitudes, force):
    """A command that excites the machine: `force(t, q, v, sines)`, with four sines and with rough velocities.

    The sines have random frequencies of 0.3 to 2 Hz, and amplitudes between the two given.
    """
    draw = np.random.default_rng(seed)
    frequency, phase, amplitude = draw.uniform(0.3, 2.0, 4), draw.uniform(0, 2 * np.pi, 4), draw.uniform(*amplitudes, 4)
    before, rate = None, np.zeros(2)

    def command(t, q):
        nonlocal before, rate
        rate = rate if before is None else 0.7 * (q - before) / machine.sample + 0.3 * rate
        before = q
        return force(t, q, rate, np.sum(amplitude * np.sin(2 * np.pi * frequency * t + phase)))

    return command


def applied(machine, ts, us, row=0.01):
    """The mean control of each row of a recording: a command acts `delay` later, and is held for `sample`."""
    fine = np.arange(round(len(ts) * row / 0.001)) * 0.001
    k = np.searchsorted(ts, fine - machine.delay + 1e-6, side="right") - 1
    control = np.where(k >= 0, us[np.maximum(k, 0), 0], 0.0)
    return control.reshape(len(ts), -1).mean(axis=1)[:, None]


def recorded(machine, runs):
    """Runs as `Trajectories`: states from the encoders alone, and the control that acted in each row."""
    smooth = nl.trajectories.differentiate([run[0] for run in runs], [run[1] for run in runs], window=9)
    return nl.Trajectories(smooth.ts, smooth.ys, controls=np.stack([applied(machine, run[0], run[2]) for run in runs]))


class OfAngles(eqx.Module):
    """A network of the sines and cosines of some coordinates, times a scale."""

    mlp: eqx.nn.MLP
    angles: tuple[int, ...] = eqx.field(static=True)
    scale: float = eqx.field(static=True)

    def __init__(self, out, angles, key, *, scale=1.0, width=16):
        self.mlp = eqx.nn.MLP(2 * len(angles), out, width, 1, activation=jnp.tanh, key=key)
        self.angles, self.scale = angles, scale

    def __call__(self, q):
        angles = q[jnp.array(self.angles)]
        return self.scale * self.mlp(jnp.concatenate([jnp.cos(angles), jnp.sin(angles)]))


def motor(machine):
    """The known force of the motor, at the first coordinate. Its control is zero until one is set."""
    held = nl.mechanics.SampledControl(jnp.array([0.0, 1.0]), jnp.zeros((2, 1)), "hold")
    return nl.mechanics.ControlForce([[1.0 / machine.energy_unit], [0.0]], held)


class Accelerations(eqx.Module):
    """The network of a neural ODE: accelerations from the force of the motor and the state.

    It sees the sines and cosines of some coordinates, all velocities, and the force as a share of the largest one.
    """

    mlp: eqx.nn.MLP
    angles: tuple[int, ...] = eqx.field(static=True)
    largest: float = eqx.field(static=True)
    scale: float = eqx.field(static=True)

    def __init__(self, machine, angles, key, *, scale):
        self.mlp = eqx.nn.MLP(2 * len(angles) + 3, 2, 32, 2, activation=jnp.tanh, key=key)
        self.angles, self.largest, self.scale = angles, machine.limit / machine.energy_unit, scale

    def __call__(self, x):
        Q, q, v = jnp.split(x, 3)
        angles = q[jnp.array(self.angles)]
        return self.scale * self.mlp(jnp.concatenate([jnp.cos(angles), jnp.sin(angles), v, Q[:1] / self.largest]))


def trained(model, recording, stages, *, count, key):
    """The model after some stages of `count` steps. A stage: horizon, learning rate, weights of the errors."""
    for horizon, rate, weights in stages:
        model = nl.fit(
            model,
            recording,
            loss=nl.training.weighted(nl.trajectory_mse, **weights),
            horizon=horizon,
            batch_size=256,
            steps=count,
            optimizer=optax.adam(optax.cosine_decay_schedule(rate, count)),
            key=key,
        ).model
    return model


def without_dry_friction(model):
    """The model without its second force, the dry friction: it has no linearisation at rest.

    The friction of a neural ODE is inside its network, and stays.
    """
    if not isinstance(model, nl.NeuralLagrangian):
        return model
    viscous, _, control = model.force.terms
    return eqx.tree_at(lambda model: model.force, model, viscous + control)
