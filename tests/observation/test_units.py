"""Nothing that observations tell depends on units, nor on when the clock began."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian import observation
from neural_lagrangian.integrators import RK4
from neural_lagrangian.lagrangians import ParametricLagrangian
from neural_lagrangian.networks import Conditioned, Frozen
from neural_lagrangian.observation import Normal, Observed, Population, Position, Sensor, Velocity
from neural_lagrangian.trajectories import Window

from ..helpers import DTYPE
from ..units import NATURAL, check, every, springs, unregistered

pytestmark = [pytest.mark.optax]
TS = np.arange(0, 5, 0.125).astype(DTYPE)
Y0 = np.array([1.0, -0.5, 0.2, 0.8], DTYPE)
TRUTH = {"m": 2.0, "k": 4.0, "c": -0.7}
GUESS = {"m": 1.8, "k": 4.4, "c": -0.5}
NOISE = {"place": 0.02, "rate": 0.05}


def channels_of(u):
    """The units of what the sensors read."""
    return {"place": u.s[0], "rate": u.s[1] / u.tau}


def rig(u, coefficients, noise=1.0, delay=None):
    """Springs as a ruler of unknown gain and zero sees one, and a tachometer the other. The ruler may be late."""
    units, channels = u.of_springs(), channels_of(u)
    values = {name: jnp.asarray(value * units[name], DTYPE) for name, value in coefficients.items()}
    lagrangian = ParametricLagrangian(u.formula(springs, **units), dof=2, positive=["m"], **values)
    model = nl.NeuralLagrangian(lagrangian, RK4(), stepsize_controller=nl.StepsPerSample(2))
    spread = {name: float(noise * NOISE[name] * channels[name]) for name in NOISE}
    zero, late = float(0.05 * channels["place"]), None if delay is None else float(delay * u.tau)
    place = Sensor(Position(0), noise=spread["place"], gain=1.1, offset=zero, delay=late)
    return Observed(model, {"place": place, "rate": Sensor(Velocity(1), noise=spread["rate"])})


@functools.cache
def seen():
    """States and noisy readings, in natural units."""
    truth = rig(NATURAL, TRUTH)
    ys = truth(jnp.asarray(TS), jnp.asarray(Y0))
    values = truth.observe(jnp.asarray(TS), ys, key=jax.random.key(0))
    return np.asarray(ys), {name: np.asarray(value) for name, value in values.items()}


def recording(u):
    """The readings, with one missing, and states that are not quite the true ones."""
    ys, values = seen()
    channels = channels_of(u)
    values = {name: value * np.asarray(channels[name], DTYPE) for name, value in values.items()}
    values["rate"] = np.where(np.arange(len(TS))[:, None] == 5, np.nan, values["rate"])
    return nl.Trajectories(u.times(TS), u.state(ys + 0.01).astype(DTYPE), observations=values)


def window(u):
    motion = recording(u)
    values = {name: jnp.asarray(value[0]) for name, value in motion.observations.items()}
    return Window(jnp.asarray(motion.ts[0]), jnp.asarray(motion.ys[0]), observations=values)


def numbers(u, model):
    """Coefficients and quantities of the sensors, in natural units."""
    units, channels = u.of_springs(), channels_of(u)
    found = {name: c / units[name] for name, c in model.model.network.coefficients.items()}
    found |= {f"noise of {name}": sensor.noise / channels[name] for name, sensor in model.sensors.items()}
    place = model.sensors["place"]
    return found | {"gain": place.gain, "offset": place.offset / channels["place"]}


def likelihood(u):
    """A constant of the likelihood depends on units, and differences of models do not."""
    losses = [observation.negative_log_likelihood(rig(u, c), window(u)) for c in (TRUTH, GUESS)]
    return {"difference": losses[1] - losses[0]}


def calibrated(u):
    found = observation.calibrate(rig(u, GUESS, noise=2.0), recording(u), rounds=2, steps=6, horizon=13)
    return numbers(u, found.model) | {"loss": found.loss, "states": u.natural(found.states)[:, 0]}


def noisy(u):
    return numbers(u, observation.estimate_noise(rig(u, TRUTH, noise=2.0), recording(u), horizon=13))


def told(u, delay=None):
    found = observation.information(rig(u, TRUTH, delay=delay), recording(u), horizon=13)
    errors = found.standard_errors / jnp.where(jnp.asarray(["'m'" in name for name in found.names]), 1, found.values)
    return {
        "relative errors": errors,
        "correlation": found.correlation,
        "misfit": np.array(list(found.misfit.values())),
        "words": np.array(found.words(), str),
    }


def smoothed(u):
    motion = recording(u)
    deviation, density = u.state(np.full(4, 0.1)), 0.05 * u.s / u.tau**1.5
    values = {name: jnp.asarray(value[0]) for name, value in motion.observations.items()}
    options = {"deviation": deviation, "acceleration_noise": density, "steps": 3}
    found = observation.smooth(rig(u, GUESS), motion.ts[0], values, motion.ys[0], **options)
    return {"ys": u.natural(found.ys), "deviations": u.natural(found.deviations), "cost": found.cost}


class OfRun(eqx.Module):
    """A spring whose stiffness is a parameter of the run."""

    formula: object

    def __call__(self, t, q, v, parameters):
        return self.formula(t, q, v, k=parameters["k"])


def spring(t, q, v, *, k):
    return 0.5 * v @ v - 0.5 * k * q @ q - 0.1 * q[0] ** 4


def runs(u):
    """Three springs whose stiffnesses differ."""
    u = u.first(1)
    unit, place = float(u.alpha / u.s[0] ** 2), float(u.s[0])
    ks, noise = np.array([3.0, 4.0, 5.5]), 0.05 * np.random.default_rng(0).normal(size=(3, len(TS), 1))
    ys = _runs(ks)
    motion = nl.Trajectories(
        u.times(TS),
        u.state(ys).astype(DTYPE),
        observations={"place": ((ys[..., :1] + noise) * place).astype(DTYPE)},
        parameters={"run": np.arange(3)},
    )
    lagrangian = Conditioned(OfRun(u.formula(spring, k=unit)), {"k": unit})
    steps = nl.StepsPerSample(2)
    model = nl.NeuralLagrangian.from_lagrangian(lagrangian, RK4(), dof=1, stepsize_controller=steps)
    population = Population({"k": Normal(4.2 * unit, 0.5 * unit)}, motion)
    sensors = {"place": Sensor(Position(), noise=Frozen(0.05 * place), gain=1.0, offset=0.1 * place)}
    found = observation.estimate_spread(Observed(model, sensors, population=population), motion, horizon=39).population
    return {name: getattr(found, name)["k"] / unit for name in ("values", "means")} | {
        "spread": found.spreads["k"].value / unit
    }


@functools.cache
def _of_springs(k):
    model = nl.NeuralLagrangian.from_lagrangian(functools.partial(spring, k=k), RK4(), dof=1)
    return np.asarray(model(jnp.asarray(TS), jnp.asarray([1.0, 0.5], DTYPE)))


def _runs(ks):
    return np.stack([_of_springs(k) for k in ks])


def merged(u):
    channels = {"fast": (u.times(TS), np.sin(TS)), "slow": (u.times(TS[::3] + 0.0625), TS[::3])}
    ts, values = observation.merge_channels(channels)
    return {"ts": ts / u.tau - u.clock, "seen": np.isfinite(values["slow"])[:, 0]}


CASES = {
    "negative_log_likelihood": likelihood,
    "observation_residual": lambda u: {"r": observation.observation_residual(rig(u, GUESS), window(u))},
    "calibrate": calibrated,
    "estimate_noise": noisy,
    "estimate_spread": runs,
    "information": told,
    "information, a late ruler": lambda u: told(u, delay=0.03),
    "smooth": smoothed,
    "merge_channels": merged,
}
LONG = ["calibrate", "information, a late ruler"]


def test_every_function_is_in_the_registry():
    assert unregistered(observation, CASES, {}) == set()


@pytest.mark.parametrize(("case", "change"), every(CASES, long=LONG))
def test_the_answer_is_the_same(case, change):
    check(CASES[case], change)
