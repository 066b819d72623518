"""What errors of acceleration do to recorded states, to first order, against the motions themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.discovery.response import free_motion, instants, response_of
from neural_lagrangian.systems import Pendulum

pytestmark = pytest.mark.double
TS = np.linspace(0.5, 2.0, 61)
NOISE = np.array([0.03, 0.05])


def rolled(gravity, y0):
    return Pendulum(gravity=gravity)(jnp.asarray(TS), y0)


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
    data = other[None]  # the recording is the other motion
    response = response_of(TS[None], phi[None], reference[None] - data, NOISE, np.ones(1))
    r = change * np.sin(reference[instants(len(TS)), :1])  # accelerations of the motion, less those of the other
    deviations = np.linalg.norm(projected(phi, other - reference))
    assert np.linalg.norm(response.offset) == pytest.approx(deviations, rel=0.03)
    assert np.linalg.norm(response.residuals(r)) < 0.03 * deviations
    assert np.linalg.norm(response.residuals(-r)) == pytest.approx(2 * deviations, rel=0.03)


@pytest.mark.parametrize("unit", [1e-6, 1e3])
def test_units_do_not_matter(unit):
    """Two coordinates, one of them in another unit, at uneven times."""
    rng = np.random.default_rng(0)
    ts = np.sort(rng.uniform(0, 2, (5, 40)), axis=1)
    r, deviations, noise = rng.normal(size=(5 * len(instants(40)), 2)), rng.normal(size=(5, 40, 4)), np.full(4, 0.1)
    one = response_of(ts, free_motion(ts, 2), deviations, noise, np.ones(2))
    q, y = np.array([1.0, unit]), np.array([1.0, unit, 1.0, unit])
    two = response_of(ts, free_motion(ts, 2), deviations * y, noise * y, q)
    sizes = (np.linalg.norm(x.reshape(5, -1), axis=1) for x in (one.residuals(r), two.residuals(r * q)))
    np.testing.assert_allclose(*sizes, rtol=1e-6)
    assert one.rows == two.rows


def test_a_motion_that_is_the_right_one_leaves_the_noise_alone():
    """Each residual is noise of size one, and what an initial state can do is not among them."""
    phi = free_motion(np.repeat(TS[None], 400, axis=0), 1)
    noise = np.random.default_rng(0).normal(size=(400, len(TS), 2)) * NOISE
    shifts = np.einsum("wtij,wj->wti", phi, np.random.default_rng(1).normal(size=(400, 2)))
    response = response_of(np.repeat(TS[None], 400, axis=0), phi, noise + shifts, NOISE, np.ones(1))
    left = response.residuals(np.zeros((400 * len(instants(len(TS))), 1)))
    assert np.std(left) == pytest.approx(1.0, rel=0.03)
    alone = response_of(np.repeat(TS[None], 400, axis=0), phi, noise, NOISE, np.ones(1))
    np.testing.assert_allclose(left, alone.residuals(np.zeros((400 * len(instants(len(TS))), 1))), atol=1e-9)


def test_a_channel_left_out_says_nothing():
    phi = free_motion(TS[None], 1)
    noise = np.array([0.03, np.inf])
    wild = np.random.default_rng(0).normal(size=(1, len(TS), 2)) * [0.03, 1e6]
    tame = wild * [1.0, 0.0]
    one, two = (response_of(TS[None], phi, x, noise, np.ones(1)).offset for x in (wild, tame))
    np.testing.assert_allclose(one, two)
