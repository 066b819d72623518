"""Errors of rollouts over runs of any length, by their own times, up to gaps and whole turns."""

import math
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.analysis import errors
from neural_lagrangian.mechanics import ControlForce
from neural_lagrangian.trajectories import TimeOrderError, Trajectories

from ..helpers import DTYPE


def steady(ts, y0):
    q, v = jnp.split(y0, 2)
    q = q[None] + (ts - ts[0])[:, None] * v[None]
    return jnp.concatenate([q, jnp.broadcast_to(v[None], q.shape)], axis=1)


def drifting(rate):
    """What `steady` predicts, but for a drift of the first coordinate."""

    def motion(t, q=(0.3, -0.2), v=(1.0, 2.0)):
        passed = (t - t[0])[:, None]
        qs = np.asarray(q) + passed * np.asarray(v) + passed * [rate, 0.0]
        return np.concatenate([qs, np.broadcast_to(v, qs.shape)], axis=1).astype(DTYPE)

    return motion


CLOCKS = [np.linspace(0, 1, 11, dtype=DTYPE), np.linspace(5, 5.4, 41, dtype=DTYPE), np.array([0.0, 0.1, 0.5], DTYPE)]


def test_each_run_counts_by_its_own_length_and_times():
    data = Trajectories(CLOCKS, [drifting(0.5)(t) for t in CLOCKS], names=["x", "y"])
    found = errors(steady, data)
    expected = [0.5 * np.sqrt(np.mean((t[1:] - t[0]) ** 2)) for t in CLOCKS]
    np.testing.assert_allclose(found.by_run[:, 0], expected, rtol=1e-4)
    assert found.by_run[:, 1].max() < 1e-5
    every = np.concatenate([t[1:] - t[0] for t in CLOCKS])
    np.testing.assert_allclose(found.rms[0], 0.5 * np.sqrt(np.mean(every**2)), rtol=1e-4)
    assert np.isnan(found.values[~data.mask]).all()
    assert np.isfinite(found.values[data.mask]).all()
    assert str(found).startswith("root mean square errors of 3 rollouts: x 0.")


def test_a_rollout_ends_at_a_gap():
    t = np.concatenate([np.linspace(0, 1, 11), np.linspace(9, 10, 11)]).astype(DTYPE)
    ys = np.concatenate([drifting(0.0)(t[:11]), drifting(0.0)(t[11:], (2.0, 2.0), (-1.0, 0.0))])
    data = Trajectories(t, ys)
    assert errors(steady, data).by_run.max() < 1e-5
    assert errors(steady, data).by_run.shape == (2, 2)
    assert errors(steady, replace(data, gap=math.inf)).rms.max() > 1  # the negative control


def test_whole_turns_of_angles_do_not_count():
    t = CLOCKS[0]
    data = Trajectories(
        t, drifting(0.0)(t) + np.asarray([0, 2 * np.pi, 0, 0], DTYPE) * (t[:, None] > 0.5), names=["x", "a"]
    )
    assert errors(steady, data, periodic=["a"]).rms.max() < 1e-5
    assert errors(steady, data, periodic=[1]).rms.max() < 1e-5
    assert errors(steady, data).rms[1] > 1


def test_a_rollout_that_fails_is_infinitely_wrong_and_the_others_are_not():
    def lost(ts, y0):
        return jnp.where(y0[0] > 1, jnp.nan, 1.0) * steady(ts, y0)

    t = CLOCKS[0]
    data = Trajectories(t, [drifting(0.0)(t), drifting(0.0)(t, (2.0, 0.0))])
    found = errors(lost, data)
    assert found.failures == 1
    assert np.isinf(found.by_run[1]).all()
    assert found.by_run[0].max() < 1e-5
    assert ", 1 failed" in str(found)


def test_recorded_controls_drive_the_model():
    t = CLOCKS[0]
    model = nl.NeuralLagrangian.from_lagrangian(
        lambda t, q, v: 0.5 * v @ v, dof=1, force=ControlForce(matrix=jnp.ones((1, 1), DTYPE))
    )
    ys = np.stack([t**2 / 2, t], axis=1)  # the control is one
    pushed = Trajectories(t, [ys, ys], controls=[np.ones((11, 1), DTYPE)] * 2)
    assert errors(model, pushed).rms[0] < 1e-3
    unlike = Trajectories(t, [ys, ys], controls=[np.zeros((11, 1), DTYPE)] * 2)
    assert errors(model, unlike).rms[0] > 0.1


@pytest.mark.bad_input
def test_what_cannot_be_asked_is_refused():
    data = Trajectories(CLOCKS[0], drifting(0.0)(CLOCKS[0]))
    with pytest.raises(ValueError, match="coordinate 'a' is unknown"):
        errors(steady, data, periodic=["a"])
    late = Trajectories((1e5 + 0.01 * np.arange(20)).astype(np.float32), np.zeros((20, 4), np.float32), gap=math.inf)
    with pytest.raises(TimeOrderError, match="near the rounding error in float32"):
        errors(steady, late)
