"""Times of a rollout: where the clock starts, which way it runs, and how often it is read between samples."""

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import RK4, VariationalMidpoint
from neural_lagrangian.networks import Clock

from ..helpers import DTYPE

pytestmark = pytest.mark.double

Y0 = jnp.asarray([0.7, -0.3], DTYPE)


def driven(t, q, v):
    """Time enters the momentum and the force."""
    return 0.5 * jnp.dot(v, v) + 0.3 * jnp.sin(3 * t) * q[0] * v[0] + jnp.cos(q[0]) * (1 + 0.5 * jnp.cos(2 * t))


def field(y, args=None):
    return -jnp.sin(y[1:2]) + jnp.cos(3 * y[:1])  # of [clock, q, v]


MODELS = {
    "explicit": lambda **keywords: nl.NeuralLagrangian.from_lagrangian(driven, RK4(), dof=1, **keywords),
    "variational": lambda **keywords: nl.NeuralLagrangian.from_lagrangian(
        driven, VariationalMidpoint(), dof=1, **keywords
    ),
    "vector field": lambda **keywords: nl.NeuralODE(field, RK4(), dof=1, clock=Clock(), **keywords),
}


@eqx.filter_jit
def rows(model, ts, y0):
    return model(ts, y0)


@pytest.mark.parametrize("name", MODELS)
def test_a_driven_motion_goes_on_where_it_stopped(name):
    """From the middle on, a second rollout is the rest of the first."""
    model = MODELS[name](stepsize_controller=nl.StepsPerSample(2))
    ts = jnp.linspace(0.4, 2.4, 11)
    whole = rows(model, ts, Y0)
    rest = rows(model, ts[5:], whole[5])
    np.testing.assert_allclose(rest, whole[5:], atol=1e-12)
    assert np.abs(rows(model, ts[5:] - ts[5], whole[5]) - rest).max() > 1e-2  # another phase of the drive


@pytest.mark.parametrize("name", MODELS)
def test_substeps_are_steps(name):
    """Three steps a sample give every third row of one step a sample."""
    fine = jnp.linspace(0.4, 1.0, 13)
    one, three = (MODELS[name](stepsize_controller=nl.StepsPerSample(k)) for k in (1, 3))
    np.testing.assert_allclose(rows(three, fine[::3], Y0), rows(one, fine, Y0)[::3], atol=1e-12)


def test_constant_steps_run_backward_in_time():
    """A positive `dt0` does for both directions."""
    model = MODELS["explicit"](stepsize_controller=diffrax.ConstantStepSize(), dt0=0.01)
    ts = jnp.linspace(0.4, 1.0, 4)
    there = rows(model, ts, Y0)
    np.testing.assert_allclose(rows(model, ts[::-1], there[-1])[::-1], there, atol=1e-8)
