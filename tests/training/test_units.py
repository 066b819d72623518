"""No optimiser, residual or loss depends on units, nor on when the clock began.

Losses of rollouts mix positions and velocities in the units of the model by definition: here their `weighted` forms
have no unit. Losses of one kind of quantity mix coordinates, so theirs are those of one degree of freedom.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neural_lagrangian as nl
from neural_lagrangian import training
from neural_lagrangian.integrators import RK4
from neural_lagrangian.lagrangians import ParametricLagrangian
from neural_lagrangian.mechanics import LinearDamping, Symmetry
from neural_lagrangian.trajectories import Window

from ..helpers import DOUBLE, DTYPE
from ..units import NATURAL, check, every, springs, unregistered

pytestmark = pytest.mark.optax
TS = np.arange(0, 2.5, 0.125).astype(DTYPE)
Y0S = np.random.default_rng(0).normal(size=(3, 4)).astype(DTYPE)
TRUTH = {"m": 2.0, "k": 4.0, "c": -0.7}
GUESS = {"m": 1.5, "k": 5.0, "c": 0.4}
STEPS = nl.StepsPerSample(2)


def model(u, coefficients, positive=("m",)):
    units = u.of_springs()
    values = {name: jnp.asarray(value * units[name], DTYPE) for name, value in coefficients.items()}
    lagrangian = ParametricLagrangian(u.formula(springs, **units), dof=2, positive=positive, **values)
    return nl.NeuralLagrangian(lagrangian, RK4(), stepsize_controller=STEPS)


@functools.cache
def motions(positive):
    truth = TRUTH if positive == ("m",) else TRUTH | {"c": 0.7}
    rolled = jax.jit(jax.vmap(model(NATURAL, truth, positive), (None, 0)))
    return np.asarray(rolled(jnp.asarray(TS), jnp.asarray(Y0S)))


def recording(u, positive=("m",)):
    return nl.Trajectories(u.times(TS), u.state(motions(positive)).astype(DTYPE))


def without_unit(u, loss):
    """Errors of positions and velocities over the units of each."""
    return training.weighted(loss, position=1 / u.s, velocity=u.tau / u.s)


def found(u, result):
    """Coefficients without units, how often a step was taken, and the losses that are not round-off."""
    units, loss = u.of_springs(), result.loss / result.loss[0]
    told = {name: float(c) / units[name] for name, c in result.model.network.coefficients.items()}
    matters = loss > (1e-8 if DOUBLE else 1e-3)
    return told | {"steps": int(np.sum(np.diff(loss[matters]) < 0)), "loss": np.where(matters, loss, 0)}


def least_squares(u, states=False):
    motion = recording(u)
    options = {"states": motion.ys + u.state(np.full((1, 1, 4), 0.01, DTYPE))} if states else {}
    residual = without_unit(u, training.trajectory_residual)
    start = model(u, GUESS)
    return found(u, training.gauss_newton(start, motion, residual=residual, steps=8, horizon=9, **options))


def polished(u, loss, states=False):
    motion = recording(u)
    options = {"states": motion.ys} if states else {}
    start = model(u, GUESS)
    return found(u, training.polish(start, motion, loss=without_unit(u, loss), steps=12, horizon=6, **options))


def fitted(u):
    """Coefficients that are all positive are trained as logarithms, in no unit; others, as documented, are not."""
    positive = ("m", "k", "c")
    motion, start = recording(u, positive), model(u, GUESS, positive)
    watching = training.Watching(progress=False)
    options = {"steps": 10, "horizon": 4, "batch_size": 8, "watching": watching, "key": jax.random.key(0)}
    loss = without_unit(u, training.trajectory_mse)
    result = training.fit(start, motion, loss=loss, optimizer=optax.adam(1e-2), **options)
    return {name: float(c) / u.of_springs()[name] for name, c in result.model.network.coefficients.items()}


def anharmonic(t, q, v):
    return 0.5 * v @ v * (1 + 0.1 * jnp.sum(q**2)) - 2 * q @ q + 0.1 * jnp.sum(q**4)


def one(u):
    """A model of one degree of freedom, and a window with accelerations and torques that are not its own."""
    u = u.first(1)
    damping = LinearDamping(jnp.asarray(np.sqrt(0.3 * u.alpha * u.tau) / u.s, DTYPE))
    steps = {"force": damping, "stepsize_controller": nl.StepsPerSample(1)}
    spring = nl.NeuralLagrangian.from_lagrangian(u.lagrangian(anharmonic), nl.GalerkinGaussLobatto(1), dof=1, **steps)
    t, ys = TS[:8], u.state(np.stack([np.cos(TS[:8]), -np.sin(TS[:8])], axis=1))
    a, torques = -1.1 * ys[:, :1] / u.tau**2, 0.5 * np.sin(t)[:, None] * u.force_unit
    rows = (u.times(t), ys, a, torques)
    ts, ys, a, torques = (jnp.asarray(x, DTYPE) for x in rows)
    return u, spring, Window(ts, ys, accelerations=a, controls=torques), Window(ts, ys, accelerations=a)


def of_accelerations(u):
    u, spring, _, free = one(u)
    a = u.acceleration_unit[0]
    return {
        "residual": training.acceleration_residual(spring, free) / a,
        "mse": training.acceleration_mse(spring, free) / a**2,
        "mae": training.acceleration_mae(spring, free) / a,
        "euler lagrange": training.euler_lagrange_mse(spring, free) / a**2,
    }


def of_torques(u):
    u, spring, driven, free = one(u)
    return {
        "residual": training.torque_residual(spring, driven) / u.force_unit[0],
        "mse": training.torque_mse(spring, driven) / u.force_unit[0] ** 2,
        "discrete": training.discrete_euler_lagrange_mse(spring, free) / u.s[0] ** 2,
    }


def of_penalties(u):
    u, spring, _, free = one(u)
    a, shift = u.acceleration_unit[0], Symmetry(lambda t, q: jnp.asarray(u.s, DTYPE))
    both = training.penalized(training.acceleration_mse, training.force_penalty, 3.0)
    return {
        "force": training.force_penalty(spring, free) / a**2,
        "symmetry": training.symmetry_penalty(shift)(spring, free) / (a * u.s[0]) ** 2,
        "penalized": both(spring, free) / a**2,
    }


def rolled(u):
    ys = jnp.asarray(u.state(motions(("m",))[0]), DTYPE)
    return model(u, GUESS), Window(jnp.asarray(u.times(TS[:9]), DTYPE), ys[:9])


def of_rollouts(u):
    losses = {"mse": training.trajectory_mse, "mae": training.trajectory_mae}
    told = {name: without_unit(u, loss)(*rolled(u)) for name, loss in losses.items()}
    return told | {"residual": u.natural(training.trajectory_residual(*rolled(u)))}


def of_shooting(u):
    losses = {"two": training.multiple_shooting(2), "one": training.multiple_shooting_mse}
    return {name: without_unit(u, loss)(*rolled(u)) for name, loss in losses.items()}


def safe(u):
    """One sample of five has a loss beyond the limit."""
    samples = jnp.asarray(np.array([1.0, 2.0, 0.5, 1e9, 3.0]) * u.alpha, DTYPE)
    result = training.safe_gradient(lambda w, x: w * x, jnp.asarray(u.s[0], DTYPE), samples, limit=1e6)
    gradient = result.gradient / u.alpha
    return {"loss": result.loss / (u.s[0] * u.alpha), "gradient": gradient, "cause": result.cause}


CASES = {
    "gauss_newton": least_squares,
    "gauss_newton, states": lambda u: least_squares(u, states=True),
    "polish": lambda u: polished(u, training.trajectory_mse),
    "polish, multiple shooting": lambda u: polished(u, training.multiple_shooting(3), states=True),
    "fit": fitted,
    "acceleration_residual, acceleration_mse, acceleration_mae, euler_lagrange_mse": of_accelerations,
    "torque_residual, torque_mse, discrete_euler_lagrange_mse": of_torques,
    "force_penalty, symmetry_penalty, penalized": of_penalties,
    "weighted, trajectory_mse, trajectory_mae, trajectory_residual": of_rollouts,
    "weighted, multiple_shooting, multiple_shooting_mse": of_shooting,
    "safe_gradient": safe,
}
LONG = ["polish", "gauss_newton, states", "fit"]
EXEMPT = {
    "scale_penalty": "the mean mass is one in the units of the model, by definition",
    "gauge_penalty": "adds squares of a momentum and of an energy in the units of the model, by definition",
    "json_lines": "writes numbers to a file as they are given",
    "scalars": "hands numbers to a callback as they are given",
}


def test_every_function_is_in_the_registry():
    assert unregistered(training, CASES, EXEMPT) == set()


@pytest.mark.parametrize(("case", "change"), every(CASES, long=LONG))
def test_the_answer_is_the_same(case, change):
    check(CASES[case], change, rtol=1e-5 if DOUBLE else 1e-2)
