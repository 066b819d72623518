"""Natural units keep v = dq/dt and the equations of motion; standardising channels one by one does not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neural_lagrangian.trajectories import Scaling, Trajectories
from neural_lagrangian.trajectories.scaling import spread

TS = np.linspace(0.0, 20.0, 2001)


def swing():
    """Two coordinates of very different size and speed, about other means: micrometres and hundreds."""
    q = np.stack([3e-6 * np.sin(2 * TS), 200 + 50 * np.cos(0.5 * TS)], axis=1)
    v = np.stack([6e-6 * np.cos(2 * TS), -25 * np.sin(0.5 * TS)], axis=1)
    a = np.stack([-12e-6 * np.sin(2 * TS), -12.5 * np.cos(0.5 * TS)], axis=1)
    return Trajectories(
        [TS, TS[:500]], [np.concatenate([q, v], 1), np.concatenate([q, v], 1)[:500]], accelerations=[a, a[:500]]
    )


def rate_error(ts, ys):
    """How far the second half of the state is from the rate of the first, relative."""
    q, v = np.split(ys, 2, axis=1)
    rate = np.gradient(q, ts, axis=0)[1:-1]
    return np.max(np.abs(rate - v[1:-1]).max(axis=0) / np.abs(rate).max(axis=0))


@pytest.mark.parametrize("centre", [False, True])
def test_scaled_motion_is_of_order_one_and_still_motion(centre):
    data = swing()
    scaling = Scaling.of(data, centre=centre)
    scaled = scaling.scale(data)
    q, v = np.split(scaled.ys[scaled.mask], 2, axis=1)
    np.testing.assert_allclose(np.sqrt(np.mean(q**2, axis=0)), 1, rtol=1e-6)
    np.testing.assert_allclose(np.sqrt(np.mean(v**2)), 1, rtol=1e-6)
    np.testing.assert_allclose(q.mean(axis=0) if centre else scaling.centre, 0, atol=1e-9)
    for (t, y), (_, original) in zip(scaled, data, strict=True):
        assert rate_error(t, y) < 1e-3
        assert rate_error(t, y) == pytest.approx(rate_error(TS[: len(original)], original), rel=1e-3)
    t, y = next(iter(scaled))
    slope = np.gradient(y[:, 2:], t, axis=0)[1:-1]
    np.testing.assert_allclose(slope, scaled.accelerations[0][1:-1], atol=1e-3 * np.abs(slope).max())


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_sizes_whose_squares_are_no_numbers_scale_too(unit):
    data = swing()
    expected = Scaling.of(data, centre=True)
    found = Scaling.of(Trajectories(data.ts, data.ys * unit, mask=data.mask), centre=True)
    np.testing.assert_allclose(found.q_scale, expected.q_scale * unit, rtol=1e-12)
    np.testing.assert_allclose(found.t_scale, expected.t_scale, rtol=1e-12)


def test_standardising_each_channel_breaks_the_rate():
    """The negative control: what is done to features must not be done to states."""
    (t, y), _ = swing()
    naive = (y - y.mean(axis=0)) / y.std(axis=0)
    assert rate_error(t, naive) > 0.3


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(1e-6, 1e6)), min_size=1, max_size=3), st.floats(1e-6, 1e6))
def test_unscale_undoes_scale(coordinates, t_scale):
    centre, q_scale = np.array(coordinates).T
    scaling = Scaling(centre, q_scale, t_scale)
    dof = len(centre)
    rng = np.random.default_rng(dof)
    ys = rng.normal(size=(2, 5, 2 * dof)) * np.tile(q_scale, 2)
    data = Trajectories(np.arange(5.0), ys, accelerations=ys[..., :dof])
    back = scaling.unscale(scaling.scale(data))
    slack = 1e-14 * (np.abs(centre) + q_scale)
    np.testing.assert_allclose(back.ts, data.ts, rtol=1e-14)
    assert np.all(np.abs(back.ys - data.ys) < 10 * np.tile(slack, 2))
    np.testing.assert_allclose(back.accelerations, data.accelerations, rtol=1e-12)


def test_angles_of_a_periodic_model_keep_their_unit():
    scaling = Scaling.of(swing(), centre=True, periodic=[0])
    assert scaling.centre[0] == 0
    assert scaling.q_scale[0] == 1
    assert scaling.q_scale[1] < 51


def turning(seconds, rate=20.0):
    """An angle that goes round with a wobble, beside one that swings a little."""
    t = np.arange(0, seconds, 0.01)
    q = np.stack([rate * t + 0.3 * np.sin(rate * t), 0.1 * np.sin(3 * t)], axis=1)
    v = np.stack([rate + 0.3 * rate * np.cos(rate * t), 0.3 * np.cos(3 * t)], axis=1)
    return Trajectories(t, np.concatenate([q, v], axis=1), names=["phi", "theta"])


def test_scales_do_not_depend_on_how_often_an_angle_went_round():
    """Nor on a whole turn, nor on where zero is; without a word that it is an angle they do (the negative control)."""
    short, long = (turning(seconds) for seconds in (3.1, 31.0))
    turned = Trajectories(short.ts, short.ys + np.array([2 * np.pi * 5 + 1, 0, 0, 0]))
    for other in (long, turned):
        np.testing.assert_allclose(spread(other, [0]), spread(short, [0]), rtol=0.05)
        one, two = (Scaling.of(motion, periodic=[0]) for motion in (short, other))
        np.testing.assert_allclose([*two.q_scale, two.t_scale], [*one.q_scale, one.t_scale], rtol=0.05)
    assert spread(short, [0])[0] < 2
    assert spread(long)[0] > 8 * spread(short)[0] > 100
    assert Scaling.of(long).q_scale[0] > 8 * Scaling.of(short).q_scale[0]


def test_the_scale_of_time_is_that_of_the_oscillation_however_small_an_angle():
    swing = turning(20.0).ys[0][:, [1, 3]]
    for size in (1e-3, 1.0, 5.0):
        motion = Trajectories(0.01 * np.arange(len(swing)), size * swing)
        assert Scaling.of(motion, periodic=[0]).t_scale == pytest.approx(1 / 3, rel=0.05)


def test_what_never_moves_keeps_its_unit():
    scaling = Scaling.of(Trajectories(np.arange(3.0), np.zeros((3, 4))))
    np.testing.assert_array_equal([*scaling.centre, *scaling.q_scale, scaling.t_scale], [0, 0, 1, 1, 1])


def test_precision_and_lengths_are_kept():
    data = swing().astype(np.float32)
    scaled = Scaling.of(data).scale(data)
    assert scaled.ys.dtype == scaled.ts.dtype == scaled.accelerations.dtype == np.float32
    assert list(scaled.lengths) == [2001, 500]


@pytest.mark.bad_input
def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"`q_scale` is .*; expected positive numbers"):
        Scaling([0.0], [0.0], 1.0)
    with pytest.raises(ValueError, match=r"`t_scale` is -1"):
        Scaling([0.0], [1.0], -1.0)
    with pytest.raises(ValueError, match=r"`centre` has shape \(2,\), `q_scale` \(1,\)"):
        Scaling([0.0, 0.0], [1.0], 1.0)
    with pytest.raises(ValueError, match=r"`centre` is \[nan\]"):
        Scaling([np.nan], [1.0], 1.0)
    with pytest.raises(ValueError, match="`trajectories` has dof 2; expected 1"):
        Scaling([0.0], [1.0], 1.0).scale(swing())
    with pytest.raises(ValueError, match=r"`periodic` is \(2,\); expected indices from 0 to 1"):
        Scaling.of(swing(), periodic=[2])


def test_controls_keep_their_own_units():
    ts, us = np.arange(3.0), np.arange(6.0).reshape(1, 3, 2)
    data = Trajectories(ts, np.ones((1, 3, 4)), controls=us)
    np.testing.assert_array_equal(Scaling([0.3, 0.0], [2.0, 3.0], 4.0).scale(data).controls, us)
