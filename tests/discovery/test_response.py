"""What errors of acceleration do to recorded states, to first order, against the motions themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.discovery.response import free_motion, instants, response_of

pytestmark = pytest.mark.double
TS = np.linspace(0.5, 2.0, 61)
NOISE = np.array([0.03, 0.05])


def rolled(gravity, y0):
    return nl.systems.Pendulum(gravity=gravity)(jnp.asarray(TS), y0)


def projected(phi, deviations):
    """Without what the initial state can do, over the noise."""
    scaled = (phi / NOISE[:, None]).reshape(-1, 2)
    rows = (deviations / NOISE).reshape(-1)
    return rows - scaled @ np.linalg.lstsq(scaled, rows, rcond=None)[0]


@pytest.mark.parametrize("change", [1e-2, -1e-3])
def test_deviations_of_another_motion_are_those_that_its_errors_cause(change):
    """A pendulum under more gravity: its errors along the other's motion are -sin(q) times what gravity has more."""
    y0 = jnp.array([1.2, 0.4])
    reference, other = np.asarray(rolled(9.81, y0)), np.asarray(rolled(9.81 + change, y0))
    phi = np.asarray(jax.jacrev(lambda y: rolled(9.81, y))(y0))
    response = response_of(TS[None], phi[None], np.zeros((1, *reference.shape)), NOISE)
    r = change * np.sin(reference[instants(len(TS)), :1])  # accelerations of the motion, less those of the other
    expected = np.linalg.norm(projected(phi, other - reference))
    assert np.linalg.norm(response.residuals(r)) == pytest.approx(expected, rel=0.03)
    assert np.linalg.norm(response.residuals(-r)) == pytest.approx(expected, rel=0.03)


def test_a_motion_that_is_the_right_one_leaves_the_noise_alone():
    """Each residual is noise of size one, and what an initial state can do is not among them."""
    phi = free_motion(np.repeat(TS[None], 400, axis=0), 1)
    noise = np.random.default_rng(0).normal(size=(400, len(TS), 2)) * NOISE
    shifts = np.einsum("wtij,wj->wti", phi, np.random.default_rng(1).normal(size=(400, 2)))
    response = response_of(np.repeat(TS[None], 400, axis=0), phi, noise + shifts, NOISE)
    left = response.residuals(np.zeros((400 * len(instants(len(TS))), 1)))
    assert np.std(left) == pytest.approx(1.0, rel=0.03)
    alone = response_of(np.repeat(TS[None], 400, axis=0), phi, noise, NOISE)
    np.testing.assert_allclose(left, alone.residuals(np.zeros((400 * len(instants(len(TS))), 1))), atol=1e-9)


def test_a_channel_left_out_says_nothing():
    phi = free_motion(TS[None], 1)
    noise = np.array([0.03, np.inf])
    wild = np.random.default_rng(0).normal(size=(1, len(TS), 2)) * [0.03, 1e6]
    tame = wild * [1.0, 0.0]
    one, two = (response_of(TS[None], phi, x, noise).offset for x in (wild, tame))
    np.testing.assert_allclose(one, two)
