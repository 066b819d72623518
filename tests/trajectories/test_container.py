import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from neural_lagrangian.trajectories import (
    DtypeError,
    NonFiniteError,
    ShapeError,
    TimeOrderError,
    Trajectories,
    TrajectoryError,
)


def recording(lengths=(5, 3, 4), dof=2, seed=0):
    rng = np.random.default_rng(seed)
    ts = [np.cumsum(rng.uniform(0.1, 1.0, n)) for n in lengths]
    return ts, [rng.normal(size=(n, 2 * dof)) for n in lengths]


def test_ragged_recordings_come_back_as_they_went_in():
    ts, ys = recording()
    trajectories = Trajectories(ts, ys)
    assert (len(trajectories), trajectories.dof, list(trajectories.lengths)) == (3, 2, [5, 3, 4])
    assert np.all(np.diff(trajectories.ts, axis=1) > 0)
    for (t, y), t0, y0 in zip(trajectories, ts, ys, strict=True):
        np.testing.assert_array_equal(t, t0)
        np.testing.assert_array_equal(y, y0)


def test_shared_times_and_single_trajectories():
    ts, ys = np.linspace(0.0, 1.0, 4), np.zeros((4, 2))
    assert Trajectories(ts, ys).ys.shape == (1, 4, 2)
    assert Trajectories(ts, np.zeros((3, 4, 2))).ts.shape == (3, 4)
    np.testing.assert_array_equal(Trajectories(ts, [ys, ys]).ts, [ts, ts])


def test_select_thin_and_astype_keep_the_mask():
    ts, ys = recording()
    trajectories = Trajectories(ts, ys)
    single = np.float32
    for changed, expected in (
        (trajectories.select([2, 0]), [(ts[2], ys[2]), (ts[0], ys[0])]),
        (trajectories.select(slice(1, None)), [*zip(ts, ys, strict=True)][1:]),
        (trajectories.select(np.array([True, False, True])), [(ts[0], ys[0]), (ts[2], ys[2])]),
        (trajectories.thin(2), [(t[::2], y[::2]) for t, y in zip(ts, ys, strict=True)]),
        (trajectories.astype(single), [(t.astype(single), y.astype(single)) for t, y in zip(ts, ys, strict=True)]),
    ):
        for (t, y), (t0, y0) in zip(changed, expected, strict=True):
            np.testing.assert_array_equal(t, t0)
            np.testing.assert_array_equal(y, y0)
            assert t.dtype == t0.dtype
            assert y.dtype == y0.dtype
    assert repr(trajectories) == "Trajectories(3 of 3 to 5 samples, dof=2, float64)"


def driven(lengths=(5, 3, 4)):
    ts, ys = recording(lengths)
    return Trajectories(ts, ys, controls=[np.stack([t, 2 * t, -t], axis=1) for t in ts])


def test_controls_come_along():
    trajectories = driven()
    assert trajectories.controls.shape == (3, 5, 3)
    assert repr(trajectories) == "Trajectories(3 of 3 to 5 samples, dof=2, 3 controls, float64)"
    single = trajectories.astype(np.float32)
    for part in (trajectories, trajectories.select([2, 0]), trajectories.thin(2), single):
        mask = part.mask
        np.testing.assert_array_equal(part.controls[mask][:, 1], 2 * part.ts[mask])
        np.testing.assert_array_equal(part.controls[mask][:, 2], -part.ts[mask])
    assert single.controls.dtype == np.float32
    assert Trajectories(np.arange(4.0), np.zeros((4, 2)), controls=np.zeros((4, 1))).controls.shape == (1, 4, 1)
    assert Trajectories(*recording()).controls is None


FAULTS = ["nan", "inf", "nan time", "repeated", "backwards", "columns", "rows", "integers", "text", "gap", "empty"]


@settings(max_examples=1000, deadline=None)
@given(
    fault=st.sampled_from(FAULTS),
    lengths=st.lists(st.integers(2, 6), min_size=1, max_size=4),
    dof=st.integers(1, 3),
    place=st.tuples(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100)),
    ragged=st.booleans(),
)
@pytest.mark.bad_input
def test_every_fault_is_found_and_located(fault, lengths, dof, place, ragged):
    """A sound recording with one fault planted anywhere is refused, by the error of that fault, with its place."""
    if not ragged:
        lengths = [lengths[0]] * len(lengths)
    ts, ys = recording(lengths, dof)
    Trajectories(ts, ys)  # sound before
    i = place[0] % len(ys)
    j = place[1] % lengths[i]
    later = 1 + place[1] % (lengths[i] - 1)
    mask, where = None, (i, j)
    match fault:
        case "nan" | "inf":
            ys[i][j, place[2] % (2 * dof)] = np.nan if fault == "nan" else np.inf
            error = NonFiniteError
        case "nan time":
            ts[i][j] = np.nan
            error = NonFiniteError
        case "repeated" | "backwards":
            ts[i][later] = ts[i][later - 1] - (fault == "backwards") * 0.05
            error, where = TimeOrderError, (i, later)
        case "columns":
            ys[i] = np.concatenate([ys[i], ys[i][:, :1]], axis=1)
            error, where = ShapeError, (i if len(ys) > 1 and i > 0 else None, None)
        case "rows":
            ys[i] = ys[i][:-1]
            error, where = ShapeError, (i, None)
        case "integers":
            ys[i] = np.ones(ys[i].shape, int)
            error, where = DtypeError, (i, None)
        case "text":
            ys[i] = np.full(ys[i].shape, "0.1")
            error, where = DtypeError, (i, None)
        case "gap":
            assume(not ragged and lengths[0] > 2)
            mask = np.ones((len(ys), lengths[0]), bool)
            gap = place[1] % (lengths[0] - 1)
            mask[i, gap] = False
            error, where = ShapeError, (i, gap)
        case "empty":
            ys, error, where = [], ShapeError, (None, None)
    arguments = (ts, ys) if mask is None else (np.stack(ts), np.stack(ys))
    with pytest.raises(error) as caught:
        Trajectories(*arguments, mask=mask)
    assert isinstance(caught.value, TrajectoryError)
    if fault == "columns":
        return  # which of the trajectories is the odd one out is anybody's guess
    if fault == "gap":
        assert caught.value.trajectory == i
        return
    assert (caught.value.trajectory, caught.value.index) == where
    if where[0] is not None:
        assert f"trajectory {where[0]}" in str(caught.value)
    if where[1] is not None:
        assert f"index {where[1]}" in str(caught.value)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("ts", "ys", "message"),
    [
        (np.zeros(3), np.zeros((2, 4, 2)), r"`ts` has shape \(2, 3\); expected \(4,\) or \(2, 4\)"),
        (np.zeros(3), np.zeros(3), r"`ys` has shape \(3,\); expected \(trajectory, time, 2 dof\)"),
        (np.arange(3.0), np.zeros((3, 3)), "`ys` has 3 columns; expected an even number"),
        (np.arange(3), np.zeros((3, 2)), "`ts` has dtype int64"),
        ([np.arange(3.0)], [np.zeros((3, 2))] * 2, "`ts` holds 1 trajectories; expected 2"),
        (np.arange(3.0), np.zeros((0, 3, 2)), "at least one trajectory"),
    ],
)
def test_shapes_that_do_not_fit_are_named(ts, ys, message):
    with pytest.raises(TrajectoryError, match=message):
        Trajectories(ts, ys)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("controls", "error", "message"),
    [
        (np.zeros((4, 1)), ShapeError, r"`controls` has shape \(1, 4, 1\); expected \(1, 3, m\)"),
        (np.zeros(3), ShapeError, r"`controls` has shape \(1, 3\); expected \(1, 3, m\)"),
        (np.zeros((3, 0)), ShapeError, r"`controls` has shape \(1, 3, 0\); expected \(1, 3, m\)"),
        (np.zeros((3, 1), int), DtypeError, "`controls` has dtype int64"),
        (np.array([[0.0], [np.nan], [0.0]]), NonFiniteError, r"index 1: `controls` is nan in column 0"),
    ],
)
def test_controls_that_do_not_fit_are_named(controls, error, message):
    with pytest.raises(error, match=message):
        Trajectories(np.arange(3.0), np.zeros((3, 2)), controls=controls)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("second", "message"),
    [
        (np.zeros((2, 1)), r"trajectory 1: `controls` has shape \(2, 1\); expected \(3, 1\)"),
        (np.zeros((3, 2)), r"trajectory 1: `controls` has shape \(3, 2\); expected \(3, 1\)"),
        (np.zeros(3), r"trajectory 1: `controls` has shape \(3,\); expected \(3, 1\)"),
        (None, "`controls` holds 1 trajectories; expected 2, as `ys`"),
    ],
)
def test_ragged_controls_that_do_not_fit_are_named(second, message):
    controls = [np.zeros((5, 1))] + ([] if second is None else [second])
    with pytest.raises(ShapeError, match=message):
        Trajectories(*recording((5, 3)), controls=controls)


def test_nan_in_the_padding_is_nobody_s_business():
    ys = np.zeros((1, 3, 2))
    ys[0, 2] = np.nan
    ((ts, rows),) = Trajectories(np.arange(3.0), ys, mask=np.array([[True, True, False]]))
    np.testing.assert_array_equal(ts, [0, 1])
    np.testing.assert_array_equal(rows, np.zeros((2, 2)))
    with pytest.raises(NonFiniteError, match="index 2: `ys` is nan"):
        Trajectories(np.arange(3.0), ys)


def test_times_of_ragged_recordings_keep_their_precision():
    ts, ys = recording()
    single = Trajectories([t.astype(np.float32) for t in ts], [y.astype(np.float32) for y in ys])
    assert single.ts.dtype == single.ys.dtype == np.float32
    for (t, y), t0, y0 in zip(single, ts, ys, strict=True):
        np.testing.assert_array_equal(t, t0.astype(np.float32))
        np.testing.assert_array_equal(y, y0.astype(np.float32))
