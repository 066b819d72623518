"""Unknown parameters of runs: estimates with a shared prior, their errors, and what is confounded."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import minimize

import neural_lagrangian as nl
from neural_lagrangian import training
from neural_lagrangian.networks import Conditioned, Frozen, with_parameters
from neural_lagrangian.observation import (
    ExtendedKalmanFilter,
    Gyroscope,
    Normal,
    Observed,
    Population,
    Position,
    Sensor,
    estimate_spread,
    information,
    negative_log_likelihood,
    observation_residual,
    smooth,
)

from ..helpers import slow_but

pytestmark = [pytest.mark.double, pytest.mark.optax]
TS = np.arange(0, 2.0, 0.04)
STEPS = nl.StepsPerSample(1)
LENGTHS = np.array([0.6, 0.8, 1.0, 1.3, 1.7])
NOISE = 0.1
KNOWN = Frozen(0.7)
FALL = np.linspace(0.0, 1.0, 11)


@eqx.filter_jit
def swing(length):
    """The motion of a pendulum."""
    return nl.systems.Pendulum(length=length)(TS, jnp.array([1.2, 0.0]))


def angle_of(q):  # one function for all rigs: each new one is compiled anew
    return q[0]


class Gravity(eqx.Module):
    """Pendulums of unknown lengths, and of a gravity that is trained unless it is frozen."""

    gravity: object

    def __call__(self, t, q, v, parameters):
        length = parameters["length"]
        return 0.5 * (length * v[0]) ** 2 + jnp.asarray(self.gravity) * length * jnp.cos(q[0])


def pendulums(motion, gravity=None, **prior):
    lagrangian = Conditioned(Gravity(Frozen(jnp.array(9.81)) if gravity is None else gravity), {"length": 1.0})
    model = nl.NeuralLagrangian.from_lagrangian(lagrangian, dof=1, stepsize_controller=STEPS)
    sensors = {
        "angle": Sensor(Position(), noise=Frozen(0.02)),
        "rate": Sensor(Gyroscope(angle_of), noise=Frozen(0.05)),
    }
    prior = {"mean": 1.0, "spread": Frozen(0.5)} | prior
    return Observed(model, sensors, population=Population({"length": Normal(**prior)}, motion))


def swings(lengths=LENGTHS, seed=0, short=None):
    """Pendulums as their sensors see them; `short` is the number of a run of which only one sample is there."""
    rng, observations, guesses = np.random.default_rng(seed), {"angle": [], "rate": []}, []
    for i, length in enumerate(lengths):
        ys = np.asarray(swing(jnp.asarray(length)))
        seen = ys + rng.normal(size=ys.shape) * [0.02, 0.05]
        guesses.append(seen.copy())
        if i == short:
            seen[1:] = np.nan
        observations["angle"].append(seen[:, 0])
        observations["rate"].append(seen[:, 1])
    stacked = {name: np.stack(values) for name, values in observations.items()}
    return nl.Trajectories(TS, np.stack(guesses), observations=stacked, parameters={"run": np.arange(len(lengths))})


def falls(accelerations, seed=0, lengths=None):
    """Bodies that start at rest with unknown accelerations: everything is linear and Gaussian."""
    rng = np.random.default_rng(seed)
    place = 0.5 * np.asarray(accelerations)[:, None] * FALL**2 + NOISE * rng.normal(size=(len(accelerations), 11))
    for row, length in zip(place, lengths or [11] * len(place), strict=True):
        row[length:] = np.nan
    runs = {"run": 10 + np.arange(len(accelerations))}
    return nl.Trajectories(FALL, np.zeros((len(place), 11, 2)), observations={"place": place}, parameters=runs)


def bodies(motion, mean=2.0, spread=KNOWN):
    lagrangian = Conditioned(lambda t, q, v, p: 0.5 * v @ v + p["a"] * q[0], {"a": 1.0})
    model = nl.NeuralLagrangian.from_lagrangian(lagrangian, dof=1, stepsize_controller=STEPS)
    prior = Normal(mean=mean, spread=spread)
    sensors = {"place": Sensor(Position(), noise=Frozen(NOISE))}
    return Observed(model, sensors, population=Population({"a": prior}, motion))


def posterior(motion, mean, spread):
    """Means and standard deviations of the accelerations by Bayes' rule."""
    place = motion.observations["place"][..., 0]
    regressor = np.where(np.isfinite(place), 0.5 * FALL**2, 0)
    precision = (regressor**2).sum(axis=1) / NOISE**2 + spread**-2
    found = (regressor * np.nan_to_num(place)).sum(axis=1) / NOISE**2 + mean / spread**2
    return found / precision, precision**-0.5


ONE = {"horizon": 10, "windows": 99}


@pytest.mark.parametrize("train", slow_but(("gauss_newton", "polish", "fit"), "gauss_newton"))
def test_estimates_are_those_of_bayes(train):
    """Also where a run is short, in every optimiser; without the prior they are others."""
    motion = falls([1.0, 2.0, 4.0], lengths=[11, 5, 11])
    rig = bodies(motion, mean=Frozen(2.0))
    if train == "gauss_newton":
        found = training.gauss_newton(rig, motion, residual=observation_residual, steps=8, **ONE).model
    elif train == "polish":
        found = training.polish(rig, motion, loss=negative_log_likelihood, steps=20, **ONE).model
    else:
        adam = optax.adam(optax.cosine_decay_schedule(0.1, 300))
        settings = {"horizon": 10, "steps": 300, "batch_size": 12, "watching": training.Watching(progress=False)}
        found = nl.fit(
            rig, motion, loss=negative_log_likelihood, optimizer=adam, key=jax.random.key(0), **settings
        ).model
    expected, errors = posterior(motion, 2.0, 0.7)
    tolerance = 0.02 if train == "fit" else 1e-5
    np.testing.assert_allclose(found.population.values["a"], expected, atol=tolerance)
    unshrunk, _ = posterior(motion, 2.0, 1e3)
    assert np.abs(unshrunk - expected).max() > 0.3
    assert abs(expected[1] - 2.0) < abs(unshrunk[1] - 2.0)
    if train == "gauss_newton":
        for i in range(3):
            _, error = information(found, motion, horizon=10).estimate(lambda m, i=i: m.population.values["a"][i])
            assert error >= errors[i]  # the initial states are not known there


def test_the_prior_counts_once_however_a_run_is_cut():
    motion = swings(LENGTHS[:2])
    rig = pendulums(motion)
    whole = jnp.sum(rig.population.all_deviations() ** 2)
    moved = eqx.tree_at(lambda m: m.population.values["length"], rig, jnp.array([1.3, 0.7]))
    whole = moved.population.all_deviations()[0] ** 2
    for horizon in (49, 24, 9):
        every = nl.trajectories.Windows(motion, horizon)
        starts = np.concatenate([k * (50 - horizon) + np.arange(0, 50, horizon + 1) for k in range(2)])
        batch = every.gather(jnp.asarray(starts))

        def prior(window):
            return observation_residual(with_parameters(moved, window.parameters), window)[-1]

        found = jax.vmap(prior)(batch) ** 2
        np.testing.assert_allclose(jax.ops.segment_sum(found, batch.parameters["run"].astype(int)), whole, rtol=1e-12)


def test_lengths_of_pendulums_are_found_with_their_errors():
    """A run of one sample has the mean of the population, and that is said."""
    motion = swings(short=4)
    rig = pendulums(motion)
    cut = {"horizon": 49, "windows": 5, "states": motion.ys}
    found = training.gauss_newton(rig, motion, residual=observation_residual, steps=10, **cut).model
    lengths = np.asarray(found.population.values["length"])
    report = information(found, motion, horizon=49)
    errors = np.array([report.estimate(lambda m, i=i: m.population.values["length"][i])[1] for i in range(5)])
    assert (errors[:4] < 0.02 * LENGTHS[:4]).all()
    assert (np.abs(lengths - LENGTHS)[:4] < 4 * errors[:4]).all()
    assert lengths[4] == pytest.approx(float(found.population.means["length"]), abs=1e-3)
    assert report.hardly_observed == ("population.values['length'][4]",)
    assert any("known by the prior alone" in line for line in report.words())
    named = dict(zip(report.names, report.standard_errors, strict=True))
    assert float(named["population.values['length'][2]"]) == pytest.approx(errors[2])


def test_what_is_confounded_is_said():
    """Motion has only the ratio of gravity and length; the prior decides between them."""
    motion = swings(LENGTHS[:2])
    (line,) = [x for x in information(pendulums(motion, jnp.array(9.81)), motion, horizon=49).words() if "confou" in x]
    for name in ("gravity", "values['length'][0]", "values['length'][1]"):
        assert name in line
    assert line.endswith("only the prior tells them apart")
    assert not [x for x in information(pendulums(motion), motion, horizon=49).words() if "confounded" in x]


def of_each_run(motion):
    """The least-squares estimate and the information of each acceleration, if the initial state is not known either."""
    found = []
    for place in motion.observations["place"][..., 0]:
        there = np.isfinite(place)
        t = FALL[there]
        states = np.stack([np.ones_like(t), t], axis=1)
        regressor = 0.5 * t**2
        regressor -= states @ np.linalg.lstsq(states, regressor, rcond=None)[0]
        found.append([regressor @ place[there] / (regressor @ regressor), regressor @ regressor / NOISE**2])
    return np.array(found).T


def test_mean_and_spread_have_the_largest_marginal_likelihood():
    """Against a direct maximisation. The spread of the estimates themselves is larger, by their errors."""
    rng = np.random.default_rng(3)
    motion = falls(2.0 + rng.normal(size=8), seed=4, lengths=[11, 11, 11, 11, 9, 9, 11, 11])
    estimates, weights = of_each_run(motion)

    def cost(x):
        variance = 1 / weights + np.exp(2 * x[1])
        return 0.5 * np.sum((estimates - x[0]) ** 2 / variance + np.log(variance))

    mean, log_spread = minimize(cost, [2.0, 0.1], tol=1e-10).x
    rig = bodies(motion, spread=0.3)
    found = training.gauss_newton(rig, motion, residual=observation_residual, steps=12, states=motion.ys, **ONE).model
    found = estimate_spread(found, motion, horizon=10)
    assert float(found.population.means["a"]) == pytest.approx(mean, abs=1e-3)
    assert float(found.population.spreads["a"].value) == pytest.approx(np.exp(log_spread), rel=2e-3)
    assert np.exp(log_spread) < np.std(estimates)


def test_one_run_is_an_ordinary_model():
    motion = swings(LENGTHS[:2])
    rig = eqx.tree_at(lambda m: m.population.values["length"], pendulums(motion), jnp.array(LENGTHS[:2]))
    y0 = jnp.array([1.0, 0.0])
    expected = nl.systems.Pendulum(length=0.8)(TS, y0)
    np.testing.assert_allclose(rig(TS, y0, {"run": 1}), expected, atol=1e-5)
    np.testing.assert_allclose(rig(TS, y0, {"length": 0.8}), rig(TS, y0, {"run": 1}), rtol=1e-12)  # known
    alone = rig.of_run({"run": 1})
    assert alone.population is None
    np.testing.assert_allclose(alone(TS, y0), rig(TS, y0, {"run": 1}))
    seen = {name: values[1] for name, values in motion.observations.items()}
    options = {"deviation": 1.0, "acceleration_noise": 0.1}
    assert np.isfinite(smooth(alone, TS, seen, motion.ys[1], steps=1, **options).ys).all()
    with pytest.raises(ValueError, match="expected that of one run"):
        smooth(rig, TS, seen, motion.ys[1], **options)
    with pytest.raises(ValueError, match="expected that of one run"):
        ExtendedKalmanFilter(rig, acceleration_noise=0.1)


@pytest.mark.slow
def test_intervals_of_95_per_cent_cover_the_lengths():
    """Over populations that are drawn from the prior, between 90 and 99 % of the intervals hold the true length."""
    hits = []
    for seed in range(40):
        lengths = np.abs(1.0 + 0.2 * np.random.default_rng(100 + seed).normal(size=5))
        motion = swings(lengths, seed)
        rig = pendulums(motion, spread=Frozen(0.2))
        cut = {"horizon": 49, "windows": 5, "states": motion.ys}
        found = training.gauss_newton(rig, motion, residual=observation_residual, steps=10, **cut).model
        report = information(found, motion, horizon=49)
        for i, length in enumerate(lengths):
            value, error = report.estimate(lambda m, i=i: m.population.values["length"][i])
            hits.append(abs(value - length) <= 1.96 * error)
    assert 0.90 <= np.mean(hits) <= 0.99, np.mean(hits)


@pytest.mark.bad_input
def test_bad_input_is_named():
    motion = swings(LENGTHS[:2])
    rig = pendulums(motion)
    bare = nl.Trajectories(TS, motion.ys, observations=motion.observations)
    others = nl.Trajectories(TS, motion.ys, observations=motion.observations, parameters={"run": [0, 7]})
    train = {"residual": observation_residual, "steps": 1}
    window = nl.trajectories.Window(TS, motion.ys[0], accelerations=motion.ys[0, :, 1:])
    for call, message in [
        (lambda: Normal(mean=1.0, spread=0.0), "expected a number and a positive number"),
        (lambda: Population({}, motion), "`priors` is"),
        (lambda: Population({"length": 1.0}, motion), r"`priors\['length'\]` is"),
        (lambda: Population({"length": Normal(1.0, 1.0)}, bare), "do not say which runs they are"),
        (lambda: Population({"run": Normal(1.0, 1.0)}, motion), "`priors` has the name 'run'"),
        (lambda: Observed(rig.model, rig.sensors, population=Population({"mass": Normal(1.0, 1.0)}, motion)), "'mass'"),
        (lambda: training.gauss_newton(rig, others, **train), "has the runs 7, which are not in the population"),
        (lambda: training.gauss_newton(rig, bare, **train), "trajectories have none"),
        (lambda: nl.fit(rig, others, loss=negative_log_likelihood, key=jax.random.key(0)), "has the runs 7"),
        (lambda: rig(TS, jnp.zeros(2)), "differ from run to run; expected the run"),
        (lambda: rig(TS, jnp.zeros(2), {"run": 5}), "has the runs 5, which are not"),
        (lambda: rig(TS, jnp.zeros(2), {"mass": 5}), "'run' may stand for"),
        (lambda: estimate_spread(rig, motion), "whose spreads are all known"),
        (lambda: nl.trajectory_mse(with_parameters(rig, {"run": 0}), window), "whose prior this loss would leave out"),
        (lambda: training.multiple_shooting()(rig, window), "whose prior this loss would leave out"),
        (lambda: nl.training.acceleration_mse(rig, window), "whose prior this loss would leave out"),
        (lambda: smooth(rig, TS, {}, TS, deviation=1.0, acceleration_noise=1.0), "have no channel"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    assert np.isfinite(nl.trajectory_mse(rig.of_run({"run": 0}), window))  # the model of one run has no prior
    assert not np.isfinite(jax.jit(lambda run: rig(TS, jnp.zeros(2), {"run": run}))(5.0))[1:].any()
