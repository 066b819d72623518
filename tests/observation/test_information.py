"""What observations determine is said, and standard errors are those of repeated recordings."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian import training
from neural_lagrangian.networks import Frozen
from neural_lagrangian.observation import Gyroscope, Observed, Position, Sensor, information, observation_residual

from .rigs import pendulum, rig

pytestmark = [pytest.mark.double, pytest.mark.optax]
TS = np.arange(0, 4.0, 0.02)


def swing(model, seed=0):
    """A swing seen by the sensors of a model, and its true states."""
    ys = model(TS, jnp.asarray([1.8, 0.0]))
    seen = model.observe(TS, ys, key=jax.random.key(seed))
    return nl.Trajectories(TS, np.asarray(ys), observations={name: np.asarray(x) for name, x in seen.items()})


def both(encoder, gyro):
    rate = Gyroscope(lambda q: q[0])
    return Observed(
        pendulum(), {"encoder": Sensor(Position(), noise=0.01, **encoder), "gyro": Sensor(rate, noise=0.05, **gyro)}
    )


def words(encoder, gyro):
    model = both(encoder, gyro)
    return information(model, swing(model), horizon=49).words()


def test_what_cannot_be_told_apart_is_named():
    """Delays of all sensors are a shift of time. One of them beside a sensor that is on time is found."""
    (together,) = words({"delay": 0.03}, {"delay": 0.01})
    assert together == "sensors['encoder'].delay, sensors['gyro'].delay are confounded: changes as 1 : 1 have no effect"
    assert words({"delay": 0.03}, {"delay": Frozen(0.01)}) == []


def test_what_motion_cannot_determine_is_named_before_training():
    """An offset of the only sensor of free motion; a gain and an offset of a pendulum at rest."""
    free = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v, stepsize_controller=nl.StepsPerSample(1))
    ys = np.stack([TS, np.ones_like(TS)], axis=1)
    motion = nl.Trajectories(TS, ys, observations={"place": TS})
    alone = Observed(free, {"place": Sensor(Position(), noise=0.1, offset=0.0)})
    assert information(alone, motion, horizon=49).words() == [
        "sensors['place'].offset is confounded with the initial states"
    ]
    still = both({"gain": 1.1, "offset": 0.1}, {})
    resting = nl.Trajectories(TS, 0 * ys, observations={"encoder": 0 * TS + 0.1, "gyro": 0 * TS})
    lines = information(still, resting, horizon=49).words()
    assert "sensors['encoder'].gain has no effect on the observations" in lines


def test_standard_errors_scale_with_noise_and_misfit_tells_a_wrong_noise():
    one, two = rig(noise=0.01), rig(noise=0.02)
    motion = swing(one)
    small, large = information(one, motion, horizon=49), information(two, motion, horizon=49)
    assert small.names == large.names
    assert not any("noise" in name for name in small.names)
    assert (np.asarray(large.standard_errors) > np.asarray(small.standard_errors)).all()
    assert small.misfit["encoder"] == pytest.approx(1, abs=0.12)
    assert large.misfit["encoder"] == pytest.approx(0.5, abs=0.06)
    value, error = small.estimate(lambda m: m.model.network.coefficients["k"])
    (own,) = np.flatnonzero(["trained['k']" in name for name in small.names])
    assert (value, error) == pytest.approx((9.0, float(small.standard_errors[own])))
    _, twice = small.estimate(lambda m: 2 * m.model.network.coefficients["k"])
    assert twice == pytest.approx(2 * error)


def test_an_undetermined_function_has_an_infinite_error():
    """The difference of two confounded delays is determined, and their mean is not."""
    model = both({"delay": 0.03}, {"delay": 0.01})
    found = information(model, swing(model), horizon=49)

    def delays(m):
        return m.sensors["encoder"].delay, m.sensors["gyro"].delay

    assert np.isinf(found.estimate(lambda m: sum(delays(m)))[1])
    assert found.estimate(lambda m: delays(m)[0] - delays(m)[1])[1] < 0.01


@pytest.mark.slow
def test_intervals_of_95_per_cent_cover_the_truth():
    """Of 200 recordings, between 90 and 99 % of the intervals of each quantity hold the true value."""
    truth = {"gain": 1.1, "offset": 0.05, "delay": 0.037}
    exact, start, rng = rig(), rig(k=8.5, gain=1.0, offset=0.0, delay=0.03), np.random.default_rng(0)
    ys = exact(TS, jnp.asarray([1.8, 0.0]))
    readings, hits = exact.readings(TS, ys), []
    for _ in range(200):
        noise = {name: float(exact.sensors[name].noise) * rng.normal(size=(len(TS), 1)) for name in readings}
        seen = {name: np.asarray(values) + noise[name] for name, values in readings.items()}
        motion = nl.Trajectories(TS, np.asarray(ys), observations=seen)
        cut = {"horizon": 49, "windows": 4, "states": motion.ys}
        model = training.gauss_newton(start, motion, residual=observation_residual, steps=10, **cut).model
        found = information(model, motion, horizon=49)
        pairs = [(found.estimate(lambda m, n=name: getattr(m.sensors["encoder"], n)), x) for name, x in truth.items()]
        pairs.append((found.estimate(lambda m: m.model.network.coefficients["k"]), 9.0))
        hits.append([abs(value - x) <= 1.96 * error for (value, error), x in pairs])
    covered = np.mean(hits, axis=0)
    assert ((covered >= 0.90) & (covered <= 0.99)).all(), covered


@pytest.mark.bad_input
def test_bad_input_is_named():
    model = rig()
    motion = swing(model)
    with pytest.raises(ValueError, match=r"`model` is a NeuralLagrangian; expected an `observation.Observed`"):
        information(model.model, motion)
    with pytest.raises(ValueError, match=r"sensors \['gyro'\] have no channel"):
        information(
            model, nl.Trajectories(TS, motion.ys[0], observations={"encoder": motion.observations["encoder"][0]})
        )
    with pytest.raises(ValueError, match="nothing to train"):
        information(
            Observed(nl.systems.Pendulum(), {"angle": Sensor(Position(), noise=1.0)}),
            nl.Trajectories(TS, motion.ys[0], observations={"angle": TS}),
        )
