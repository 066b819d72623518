"""What an estimate would ignore or distort is refused, with the name of the argument."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics import ControlForce
from neural_lagrangian.networks import Frozen
from neural_lagrangian.observation import (
    Accelerometer,
    ExtendedKalmanFilter,
    Instant,
    Observed,
    Position,
    Sensor,
    Velocity,
    merge_channels,
    smooth,
)

from ..helpers import DTYPE

STEPS = {"solver": nl.integrators.RK4(), "stepsize_controller": nl.StepsPerSample(1)}


def array(*values):
    return jnp.asarray(values, DTYPE)


def mass(force=None, dof=1, **options):
    return nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v, dof=dof, force=force, **STEPS | options)


def rig(model=None, **sensor):
    return Observed(mass() if model is None else model, {"place": Sensor(Position(), **{"noise": 0.1} | sensor)})


def ekf(model=None, **options):
    return ExtendedKalmanFilter(rig() if model is None else model, **{"acceleration_noise": 0.1} | options)


def begun(**options):
    return ekf().begin(**{"t": 0.0, "y": array(0.0, 0.0), "deviation": 1.0} | options)


def smoothed(model=None, **options):
    given = {"ts": jnp.arange(3.0, dtype=DTYPE), "observations": {"place": jnp.ones((3, 1), DTYPE)}}
    given |= {"guess": jnp.zeros((3, 2), DTYPE), "deviation": 1.0, "acceleration_noise": 0.1}
    return smooth(rig() if model is None else model, **given | options)


def with_memory():
    return nl.models.WithMemory(mass(), nl.mechanics.Maxwell([4.0], relaxation_time=[0.5]))


def read(sensor, dof=1):
    return sensor(mass(dof=dof), jnp.asarray(0.0, DTYPE), jnp.ones(2 * dof, DTYPE))


def accelerometer(gravity):
    return Accelerometer(lambda q: jnp.stack([q[0], 0 * q[0]]), lambda q: 0 * q[0], gravity)


def recording(**channels):
    ts = np.linspace(0.0, 1.0, 11)
    ys = np.stack([ts, np.ones(11)], axis=1).astype(DTYPE)
    return nl.Trajectories(ts, ys, observations={"place": ys[:, 0]} | channels)


def informed(motion=None, **options):
    observed = Observed(mass(), {"place": Sensor(Position(), noise=0.1, gain=1.0)})
    return nl.observation.information(observed, recording() if motion is None else motion, **{"horizon": 5} | options)


def estimated(**options):
    return nl.observation.estimate_noise(rig(), recording(), horizon=5, **options)


PAIR = (np.arange(2.0), np.zeros(2))

REFUSED = {
    "one vertical number": (lambda: accelerometer(-9.81), r"`gravity` is -9.81; expected two"),
    "gravity in space": (lambda: accelerometer((0.0, 0.0, -9.81)), r"`gravity` is .*; expected two"),
    "gravity, not a number": (lambda: accelerometer((0.0, np.nan)), r"`gravity` is .*; expected two"),
    "gains of another reading": (
        lambda: read(Sensor(Position(), noise=0.1, gain=[1.0, 2.0])),
        r"`gain` has shape",
    ),
    "gain of one of two": (lambda: read(Sensor(Position(), noise=0.1, gain=[2.0]), 2), r"`gain` has shape \(1,"),
    "offset of one of two": (lambda: read(Sensor(Position(), noise=0.1, offset=[2.0]), 2), r"`offset` has shape \(1,"),
    "noise of one of two": (lambda: read(Sensor(Position(), noise=[2.0]), 2), r"`noise` has shape \(1,"),
    "quantum in words": (lambda: Sensor(Position(), noise=0.1, quantum="fine"), "`quantum` is 'fine'"),
    "several quanta": (lambda: Sensor(Position(), noise=0.1, quantum=np.ones(2)), "`quantum` is"),
    "index that is no integer": (lambda: read(Sensor(Position(0.0), noise=0.1)), "coordinate 0.0 is unknown"),
    "filter, noise": (lambda: ekf(acceleration_noise=-0.1), "`acceleration_noise` is -0.1"),
    "filter, no number": (lambda: ekf(acceleration_noise=np.nan), "`acceleration_noise` is nan"),
    "filter, noises": (
        lambda: ekf(acceleration_noise=[0.1, 0.1])(begun(), 1.0, {"place": array(0.0)}),
        r"`acceleration_noise` has shape \(2,\); expected \(\) or \(1,\)",
    ),
    "filter, parameters": (lambda: ekf(parameter_noise=-0.1), "`parameter_noise` is -0.1"),
    "filter with memory": (lambda: ekf(rig(with_memory())), "forces with memory"),
    "first state": (lambda: begun(y=array(0.0, 0.0, 0.0)), r"`y` has shape \(3,\)"),
    "first state, not a number": (lambda: begun(y=array(np.nan, 0.0)), "`y` is .*finite"),
    "first deviation": (lambda: begun(deviation=-1.0), "`deviation` is -1.0"),
    "first deviation, not a number": (lambda: begun(deviation=np.nan), "`deviation` is nan"),
    "first deviations": (lambda: begun(deviation=np.ones(3)), r"`deviation` has shape \(3,\)"),
    "first time": (lambda: begun(t=np.zeros(2)), r"`t` has shape \(2,\)"),
    "first time, not a number": (lambda: begun(t=np.nan), "`t` is nan"),
    "time that goes back": (lambda: ekf()(begun(t=1.0), 0.5, {"place": array(0.0)}), "`t` is 0.5; expected .* after"),
    "time that rounding loses": (
        lambda: ekf()(begun(t=1.7e9, y=np.zeros(2, np.float32)), 1.7e9 + 0.1, {"place": np.zeros(1, np.float32)}),
        "`t` is 1700000000.1.* rounds",
    ),
    "smoother with memory": (lambda: smoothed(rig(with_memory())), "forces with memory"),
    "smoother, guess": (lambda: smoothed(guess=jnp.zeros((3, 3), DTYPE)), r"`guess` has shape \(3, 3\)"),
    "smoother, guess of no numbers": (lambda: smoothed(guess=jnp.full((3, 2), np.nan, DTYPE)), "`guess` is not finite"),
    "smoother, steps": (lambda: smoothed(steps=0), "`steps` is 0"),
    "smoother, deviations": (lambda: smoothed(deviation=np.ones(3)), r"`deviation` has shape \(3,\)"),
    "smoother, noises": (lambda: smoothed(acceleration_noise=np.ones(2)), r"`acceleration_noise` has shape \(2,\)"),
    "smoother, times": (
        lambda: smoothed(ts=3e6 + 0.1 * np.arange(3.0), guess=np.zeros((3, 2), np.float32)),
        "`ts` (starts at .* rounds its intervals|is not strictly)",
    ),
    "readings of another machine": (
        lambda: rig().readings(jnp.arange(3.0), jnp.zeros((3, 4))),
        r"`ys` has shape \(3, 4",
    ),
    "information, horizon": (lambda: informed(horizon=0), "`horizon` is 0; expected a positive integer"),
    "information, stride": (lambda: informed(stride=0), "`stride` is 0; expected a positive integer"),
    "information of no recording": (lambda: informed(motion=[1]), r"`trajectories` is \[1\]"),
    "information of a channel that no window has": (
        lambda: informed(recording(place=np.where(np.arange(11) == 10, 1.0, np.nan)), horizon=4),
        r"channels \['place'\] have no value in windows of 4 intervals",
    ),
    "least noise in words": (lambda: estimated(least_noise={"place": "small"}), "`least_noise` is .*positive numbers"),
    "least noise without names": (lambda: estimated(least_noise=[1.0]), r"`least_noise` is \[1.0\]; expected a dict"),
    "channel without values": (
        lambda: merge_channels({"a": (np.zeros(0), np.zeros(0)), "b": PAIR}),
        "no values",
    ),
    "channel without times": (lambda: merge_channels({"a": np.ones(3)}), "channel 'a' is .*; expected a pair"),
    "no channels": (lambda: merge_channels([PAIR]), "`channels` is .*; expected .*dictionary"),
    "channel of words": (lambda: merge_channels({"a": (np.arange(2.0), ["x", "y"])}), "channel 'a' has .*real numbers"),
    "times in words": (lambda: merge_channels({"a": (["x", "y"], np.zeros(2))}), "channel 'a' has .*real numbers"),
    "complex channel": (lambda: merge_channels({"a": (np.arange(2.0), [1j, 0])}), "channel 'a' has .*real numbers"),
}


@pytest.mark.bad_input
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_meant_is_refused_by_name(name):
    task, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        task()


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.bool_, np.float32, np.float64])
def test_missing_values_are_missing_whatever_the_type_of_the_counts(kind):
    """The counts of an encoder are integers, which have no NaN."""
    counts = np.array([1, 0], kind)
    ts, seen = merge_channels({"counts": (np.array([0.0, 1.0]), counts), "camera": (np.array([0.5]), np.ones(1))})
    assert np.issubdtype(seen["counts"].dtype, np.floating)
    np.testing.assert_array_equal(seen["counts"][:, 0], [1, np.nan, 0])
    assert ts.tolist() == [0.0, 0.5, 1.0]


def test_whole_numbers_are_numbers():
    for whole in (2, np.int64(2), [2], np.array([2])):
        assert read(Sensor(Position(), noise=0.1, gain=whole)).tolist() == [2.0]


def test_gravity_of_any_sequence_can_be_compiled():
    results = [eqx.filter_jit(read)(Sensor(accelerometer(g), noise=0.1)) for g in ((0.0, -9.81), [0, -9.81])]
    np.testing.assert_array_equal(*results)
    np.testing.assert_allclose(results[0], [0.0, 9.81], rtol=1e-6)


@pytest.mark.parametrize("solver", [STEPS, {"solver": None, "stepsize_controller": None}])
def test_two_observations_at_one_time_are_one(solver):
    """Both orders, compiled or not, end where one observation of both channels ends."""
    sensors = {"place": Sensor(Position(), noise=0.1), "speed": Sensor(Velocity(), noise=0.3)}
    observer = ekf(Observed(mass(**solver), sensors))
    seen = {"place": array(1.0), "speed": array(2.0)}
    belief = observer.begin(0.0, array(0.2, 0.1), deviation=array(1.0, 2.0))
    expected, _ = observer(belief, 0.5, seen)
    for call in (observer, eqx.filter_jit(observer)):
        for first in seen:
            part = {name: x if name == first else jnp.full(1, jnp.nan, DTYPE) for name, x in seen.items()}
            rest = {name: jnp.full(1, jnp.nan, DTYPE) if name == first else x for name, x in seen.items()}
            found, _ = call(call(belief, 0.5, part)[0], 0.5, rest)
            tolerance = {"rtol": 1e-4, "atol": 1e-5}
            jax.tree.map(lambda a, b, o=tolerance: np.testing.assert_allclose(a, b, **o), found, expected)


@pytest.mark.parametrize("lag", [0.0, 0.03, 0.05, 0.1])
def test_a_late_sensor_sees_the_control_of_its_time(lag):
    """Parabolas under a force that jumps at samples, seen without error: smoother and filter find them exactly."""
    dt, count = 0.1, 25
    ts = dt * np.arange(count)
    us = np.where(np.arange(count) // 3 % 2 == 0, 5.0, -5.0)
    ys = np.zeros((count, 2))
    for k in range(count - 1):
        ys[k + 1] = ys[k, 0] + ys[k, 1] * dt + us[k] * dt**2 / 2, ys[k, 1] + us[k] * dt
    before = np.maximum(np.arange(count) - 1, 0)
    h = dt - lag
    seen = ys[before, 0] + ys[before, 1] * h + us[before] * h**2 / 2 if lag else ys[:, 0]
    seen[0] = np.nan if lag else 0.0
    observed = rig(mass(ControlForce()), noise=1e-3, delay=Frozen(lag) if lag else None)
    channel, controls = jnp.asarray(seen[:, None], DTYPE), jnp.asarray(us[:, None], DTYPE)
    options = {"deviation": 1e-3, "acceleration_noise": 0.1, "controls": controls}
    found = smooth(observed, ts, {"place": channel}, jnp.zeros((count, 2), DTYPE), **options)
    tolerance = 2e-4 if jnp.finfo(DTYPE).bits == 32 else 1e-9
    np.testing.assert_allclose(found.ys, ys, atol=tolerance)
    observer = ekf(observed)
    belief, step = observer.begin(0.0, jnp.zeros(2, DTYPE), deviation=1e-3), eqx.filter_jit(observer)
    for k in range(1, count):
        belief, _ = step(belief, ts[k], {"place": channel[k]}, controls[k - 1])
        np.testing.assert_allclose(belief.y, ys[k], atol=tolerance)


def test_a_late_value_from_before_the_recording_does_not_count():
    """The control before the first sample is not known."""
    observed = rig(mass(ControlForce()), delay=Frozen(0.5))
    controls = jnp.ones((3, 1), DTYPE)
    first = [{"place": array(x, 0.1, 0.2)[:, None]} for x in (0.0, 100.0)]
    found = [smoothed(observed, observations=seen, controls=controls).ys for seen in first]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("start", [0.0, 1e3, 1.7e9])
def test_a_delay_is_the_same_at_any_time(start):
    """In single precision a second is nothing beside the seconds since 1970."""
    late = Sensor(Position(), noise=0.1, delay=0.5, gain=2.0)
    t, y = jnp.asarray(start, jnp.float32), jnp.asarray([3.0, 1.0], jnp.float32)
    np.testing.assert_allclose(late.reading(Instant(mass(), t, y)), [3.0])
    late = nl.models.with_precision(late, jnp.float32)
    np.testing.assert_allclose(late(mass(), t, y), [2 * (3.0 - 0.5)], rtol=1e-6)
