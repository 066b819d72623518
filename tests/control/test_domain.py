"""The region of the training data: its states are inside, far ones are not, and a guarded controller falls back."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.control import Guarded, TrainedRegion

from ..helpers import DTYPE


def recording(scale=1.0):
    """Swings of a pendulum up to 1 rad, in coordinates of any unit."""
    ts = np.linspace(0.0, 2.0, 101)
    ys = np.stack([[a * np.cos(3 * ts + b), -3 * a * np.sin(3 * ts + b)] for a in (0.4, 0.7, 1.0) for b in (0.0, 2.0)])
    return nl.Trajectories(ts, (scale * ys.transpose(0, 2, 1)).astype(DTYPE))


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_states_of_the_recording_are_inside_in_any_unit(scale):
    region = TrainedRegion.of(recording(scale))
    ys = jnp.asarray(recording(scale).ys).reshape(-1, 2)
    inside = np.asarray(jax.vmap(region.contains)(ys))
    assert inside.mean() > 0.98
    beyond = scale * jnp.asarray([[2.0, 0.0], [0.0, 6.0], [1.5, 4.0]], DTYPE)
    assert not np.any(jax.vmap(region.contains)(beyond))
    assert region.outside(ys[:50]) == ""
    assert "100% of the states are outside" in region.outside(beyond)


def test_an_angle_a_turn_away_is_the_same():
    y = jnp.asarray([0.5 + 2 * np.pi, 1.0], DTYPE)
    assert bool(TrainedRegion.of(recording(), periodic=[0]).contains(y))
    assert not bool(TrainedRegion.of(recording()).contains(y))


def test_the_fallback_acts_outside_only():
    guarded = Guarded(lambda t, y: y[:1], TrainedRegion.of(recording()), lambda t, y: -y[1:])
    outside, inside = jnp.asarray([9.0, 4.0], DTYPE), jnp.asarray([0.4, 0.0], DTYPE)
    control = eqx.filter_jit(guarded)
    np.testing.assert_allclose([control(0.0, outside)[0], control(0.0, inside)[0]], [-4.0, 0.4], rtol=1e-6)


@pytest.mark.bad_input
def test_a_margin_below_one_is_refused():
    with pytest.raises(ValueError, match="`margin` is 0"):
        TrainedRegion.of(recording(), margin=0.5)
