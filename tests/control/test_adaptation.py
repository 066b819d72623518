"""A controller with a model that a filter adapts while the machine runs."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import neural_lagrangian as nl
from neural_lagrangian.control import ComputedTorque
from neural_lagrangian.observation import ExtendedKalmanFilter, Observed, Position, Sensor

PICKED_UP, PAYLOAD, SAMPLE = 1.0, 0.3, 0.005
"""Time of the pick-up in seconds, the mass in kg, the time between two samples in seconds."""


def carrying(payload):
    def loaded(t, q, v, *, payload):
        return nl.systems.DoublePendulum(mass=(1.0, 0.6 + payload), length=(0.4, 0.3)).lagrangian(t, q, v)

    return nl.NeuralLagrangian.from_lagrangian(
        nl.lagrangians.ParametricLagrangian(loaded, dof=2, payload=payload),
        force=nl.mechanics.ControlForce(),
        stepsize_controller=nl.StepsPerSample(1),
        mass_solve=nl.mechanics.Cholesky(),
    )


def path(t):
    return jnp.stack([0.5 * jnp.sin(t), jnp.cos(t)])


def followed(parameter_deviation):
    """Estimated payloads, and errors of the angles, of an arm that picks up a mass on its way."""
    sensors = {"angles": Sensor(Position(), noise=1e-3)}
    ekf = ExtendedKalmanFilter(Observed(carrying(0.0), sensors), acceleration_noise=0.05, parameter_noise=0.1)

    def sample(now, t):
        y, belief, key = now
        u = ComputedTorque(ekf.adapted(belief).model, path, 100.0)(t, belief.y)
        ts = jnp.stack([t, t + SAMPLE])
        true = carrying(jnp.where(t < PICKED_UP, 0.0, PAYLOAD))
        y = nl.models.with_control(true, ts, jnp.stack([u, u]))(ts, y)[-1]
        key, of_noise = jax.random.split(key)
        seen = {"angles": y[:2] + 1e-3 * jax.random.normal(of_noise, (2,))}
        belief, _ = ekf(belief, ts[1], seen, control=u)
        return (y, belief, key), (belief.parameters, jnp.abs(y[:2] - path(ts[1])).max())

    start = jnp.array([0.0, 1.0, 0.5, 0.0])
    belief = ekf.begin(0.0, start, deviation=0.01, parameter_deviation=parameter_deviation)
    now = start, belief, jax.random.key(0)
    return eqx.filter_jit(jax.lax.scan)(sample, now, SAMPLE * jnp.arange(400.0))[1]


@pytest.mark.slow
def test_a_filter_finds_the_mass_that_an_arm_picks_up_and_the_arm_follows_its_path():
    payloads, errors = followed(0.1)
    assert jnp.abs(payloads[190]).max() < 0.03
    assert jnp.abs(payloads[300:] - PAYLOAD).max() < 0.03
    assert errors[-50:].max() < 0.005
    _, of_a_fixed_model = followed(None)
    assert of_a_fixed_model[-50:].max() > 4 * errors[-50:].max()
