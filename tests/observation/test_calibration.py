"""Sensors are calibrated together with the Lagrangian, by every optimiser of the package."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neural_lagrangian as nl
from neural_lagrangian import training
from neural_lagrangian.integrators import without_integration
from neural_lagrangian.networks import Frozen
from neural_lagrangian.numerics import trained_and_rest
from neural_lagrangian.observation import calibrate, negative_log_likelihood, observation_residual
from neural_lagrangian.training.lags import check_sensors_of

from .rigs import rig

pytestmark = [pytest.mark.double, pytest.mark.optax]
WRONG = {"k": 8.0, "gain": 1.0, "offset": 0.0, "delay": 0.02}


def recording(seconds, seed=0):
    """A swing of the pendulum as its sensors see it; the raw readings are the first guess of the states."""
    ts = np.arange(0, seconds, 0.01)
    truth = rig()
    ys = truth(ts, jnp.asarray([1.8, 0.0]))
    seen = truth.observe(ts, ys, key=jax.random.key(seed))
    guess = np.concatenate([seen["encoder"], seen["gyro"]], axis=1)
    return nl.Trajectories(ts, guess, observations={name: np.asarray(value) for name, value in seen.items()})


def found(model):
    encoder = model.sensors["encoder"]
    return {name: float(getattr(encoder, name)) for name in ("gain", "offset", "delay", "noise")}


def test_delay_gain_and_offset_of_a_short_swing():
    """By least squares, then the noise by the likelihood. A late sensor that is taken as punctual is not calibrated."""
    motion, cut = recording(6.0), {"horizon": 49, "windows": 12}
    states = {"states": motion.ys, **cut}
    result = training.gauss_newton(rig(**WRONG), motion, residual=observation_residual, steps=12, **states)
    assert result.loss[-1] == pytest.approx(1, abs=0.15)
    calibrated = found(result.model)
    assert calibrated["delay"] == pytest.approx(0.037, abs=2e-3)
    assert calibrated["gain"] == pytest.approx(1.1, rel=0.01)
    assert calibrated["offset"] == pytest.approx(0.05, abs=0.01)
    assert float(result.model.model.network.coefficients["k"]) == pytest.approx(9.0, rel=0.02)
    punctual = rig(**{**WRONG, "delay": None})
    assert training.gauss_newton(punctual, motion, residual=observation_residual, steps=12, **states).loss[-1] > 2


@pytest.mark.slow
def test_the_likelihood_estimates_the_noise():
    motion = recording(6.0)
    begun = {"horizon": 49, "windows": 12, "states": motion.ys}
    result = training.polish(rig(noise=0.04), motion, loss=negative_log_likelihood, steps=200, **begun)
    assert found(result.model)["noise"] == pytest.approx(0.01, rel=0.1)
    assert float(result.model.sensors["gyro"].noise) == pytest.approx(0.05, rel=0.1)


def longer_windows(steps):
    """Options of `fit` that a delay needs: estimated states, long windows, a learning rate that decays."""
    adam = optax.adam(optax.cosine_decay_schedule(1e-2, steps))
    options = {"rollouts": training.Rollouts(estimate_states=True), "watching": training.Watching(progress=False)}
    return {"steps": steps, "optimizer": adam, "horizon": 49, "batch_size": 32, "key": jax.random.key(0)} | options


@pytest.mark.slow
def test_stochastic_training_finds_the_delay():
    """From states that are late and scaled, by many steps, or by few and then least squares."""
    motion = recording(6.0)
    result = nl.fit(rig(**WRONG), motion, loss=negative_log_likelihood, **longer_windows(5000))
    begun = nl.fit(rig(**WRONG), motion, loss=negative_log_likelihood, **longer_windows(300))
    assert abs(found(begun.model)["delay"] - 0.037) > 3e-3
    ended = calibrate(begun.model, motion, states=begun.states, rounds=1, horizon=49, windows=12)
    for calibrated in (found(result.model), found(ended.model)):
        assert calibrated["delay"] == pytest.approx(0.037, abs=1e-3)
        assert calibrated["gain"] == pytest.approx(1.1, rel=5e-3)
        assert calibrated["offset"] == pytest.approx(0.05, abs=np.deg2rad(0.5))
        assert calibrated["noise"] == pytest.approx(0.01, rel=0.1)


@pytest.mark.bad_input
@pytest.mark.parametrize("late", ["delay", "drift"])
def test_a_delay_that_windows_do_not_show_is_not_trained(late):
    """Errors of recorded states would count as a delay, and short windows hardly see one."""
    motion, start = recording(1.0), rig(**{"delay": None, late: 0.02})
    settings = {"loss": negative_log_likelihood, "key": jax.random.key(0), "horizon": (2, 8)}
    with pytest.raises(ValueError, match=r"trained delay or drift.*estimate_states=True"):
        nl.fit(start, motion, **settings)
    with pytest.raises(UserWarning, match=r"`horizon` is 8.*hardly seen"):  # a warning, which is an error here
        nl.fit(start, motion, rollouts=training.Rollouts(estimate_states=True), **settings)


@pytest.mark.bad_input
@pytest.mark.parametrize("train", [nl.fit, training.polish, training.gauss_newton])
@pytest.mark.parametrize("quantity", ["delay", "gain", "offset"])
def test_what_recorded_states_hide_is_not_trained(train, quantity):
    """A delay, and a gain or an offset of the sensor whose readings are the recorded states."""
    motion = recording(1.0)
    start = rig(**{"gain": None, "offset": None, "delay": None} | {quantity: 0.9})
    goal = {"residual": observation_residual} if train is training.gauss_newton else {"loss": negative_log_likelihood}
    options = goal | {"steps": 2} | ({"key": jax.random.key(0)} if train is nl.fit else {})
    with pytest.raises(ValueError, match=rf"trained (delay|gain).*Frozen\({quantity}\)"):
        train(start, motion, **options)
    if quantity != "delay":
        weights, _ = trained_and_rest(without_integration(start))
        apart = motion.ys + 1e-3 * np.random.default_rng(0).normal(size=motion.ys.shape)  # from elsewhere: no reason
        other = nl.Trajectories(motion.ts, apart, observations=motion.observations)
        check_sensors_of(weights, other, option="states")


@pytest.mark.slow
def test_stochastic_training_estimates_states_too():
    motion = recording(3.0)
    settings = {"horizon": 10, "batch_size": 32, "steps": 200, "optimizer": optax.adam(3e-3)}
    rollouts = training.Rollouts(estimate_states=True)
    start = rig(k=8.5, delay=Frozen(0.037))  # which windows as short as these hardly show
    result = nl.fit(start, motion, loss=negative_log_likelihood, key=jax.random.key(0), rollouts=rollouts, **settings)
    assert result.history.loss[-20:].mean() < result.history.loss[:5].mean() - 1
    assert np.abs(result.states - motion.ys)[..., 1].mean() > 0.01  # the gyroscope's noise is not followed


@pytest.mark.slow
def test_thirty_seconds_with_one_per_cent_noise():
    """A delay within 1 ms, a gain within 0.5 %, an offset within 0.2 degrees, beside the Lagrangian."""
    motion = recording(30.0)
    states = {"states": motion.ys, "horizon": 99, "windows": 30}
    result = training.gauss_newton(rig(**WRONG), motion, residual=observation_residual, steps=12, **states)
    calibrated = found(result.model)
    assert calibrated["delay"] == pytest.approx(0.037, abs=1e-3)
    assert calibrated["gain"] == pytest.approx(1.1, rel=5e-3)
    assert calibrated["offset"] == pytest.approx(0.05, abs=np.deg2rad(0.2))
