"""States from observations: the filter and the smoother are right for linear motion and consistent for any."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics import ControlForce
from neural_lagrangian.observation import ExtendedKalmanFilter, Observed, Position, Sensor, Velocity, smooth

from .rigs import pendulum

pytestmark = pytest.mark.double
DT, NOISE, DENSITY = 0.05, 0.02, 0.3
TS = DT * jnp.arange(1.0, 41.0)


def noisy_rig(noise=NOISE, k=9.0):
    return Observed(pendulum(k), {"angle": Sensor(Position(), noise=noise), "rate": Sensor(Velocity(), noise=0.5)})


def jump(key, density=DENSITY):
    """Errors of the state after one interval of white noise in the acceleration, by its covariance."""
    Q = density**2 * np.array([[DT**3 / 3, DT**2 / 2], [DT**2 / 2, DT]])
    return jnp.asarray(np.linalg.cholesky(Q)) @ jax.random.normal(key, (2,))


@eqx.filter_jit
def simulated(rig, key):
    """A motion with noise in the accelerations, and what the sensors see of it."""

    def step(y, row):
        t, key = row
        y = rig(jnp.stack([t - DT, t]), y)[-1] + jump(key)
        return y, y

    starts, keys = jax.random.normal(key, (2,)) * 0.1, jax.random.split(jax.random.fold_in(key, 1), len(TS))
    _, ys = jax.lax.scan(step, jnp.asarray([1.5, 0.0]) + starts, (TS, keys))
    return ys, rig.observe(TS, ys, key=jax.random.fold_in(key, 2))


@eqx.filter_jit
def filtered(ekf, seen, parameter_deviation=None):
    start = ekf.begin(0.0, jnp.asarray([1.5, 0.0]), deviation=0.1, parameter_deviation=parameter_deviation)

    def step(belief, row):
        belief, innovation = ekf(belief, *row)
        return belief, (belief, innovation)

    return jax.lax.scan(step, start, (TS, seen))[1]


def test_innovations_are_consistent_and_show_a_wrong_noise():
    """Normalised innovations squared have the mean of their number: within 4 standard errors over 10 motions. With a
    noise that is declared half or twice as large they have not.
    """
    recordings = [simulated(noisy_rig(), jax.random.key(seed))[1] for seed in range(10)]

    def ratio(noise, density):
        ekf = ExtendedKalmanFilter(noisy_rig(noise), acceleration_noise=density)
        found = [filtered(ekf, seen)[1] for seen in recordings]
        squared = np.concatenate([np.asarray(x.squared) for x in found])
        count = np.concatenate([np.asarray(x.count) for x in found])
        return squared.sum() / count.sum(), 4 * np.sqrt(2 / count.sum())

    value, bound = ratio(NOISE, DENSITY)
    assert abs(value - 1) < bound
    for wrong in ((NOISE / 2, DENSITY), (NOISE, DENSITY / 4), (2 * NOISE, 2 * DENSITY)):
        value, bound = ratio(*wrong)
        assert abs(value - 1) > bound


def spring():
    model = nl.NeuralLagrangian.from_lagrangian(
        lambda t, q, v: 0.5 * v @ v - 2 * q @ q, nl.integrators.RK4(), stepsize_controller=nl.StepsPerSample(1)
    )
    return Observed(model, {"place": Sensor(Position(), noise=0.1, offset=0.2)})


def dense_posterior(rig, ts, values, start):
    """Mean and covariance by one dense least-squares problem of all residuals together."""
    dt = float(ts[1] - ts[0])
    Q = 0.5**2 * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
    root = jnp.asarray(np.linalg.inv(np.linalg.cholesky(Q)))

    def residuals(flat):
        ys = flat.reshape(len(ts), 2)
        jumps = [root @ (ys[k + 1] - rig(ts[k : k + 2], ys[k])[-1]) for k in range(len(ts) - 1)]
        errors = (ys[:, 0] + 0.2 - values[:, 0]) / 0.1
        return jnp.concatenate([(ys[0] - start) / 2.0, jnp.where(jnp.isnan(errors), 0, errors), *jumps])

    zero = jnp.zeros(2 * len(ts))
    J, r = jax.jacfwd(residuals)(zero), residuals(zero)
    J = jnp.where(jnp.isnan(J), 0, J)
    covariance = np.linalg.inv(np.asarray(J.T @ J))
    return (-covariance @ np.asarray(J.T @ r)).reshape(-1, 2), covariance


def test_for_linear_motion_the_smoother_is_least_squares_and_the_filter_ends_there():
    """With a missing value. The covariances are the diagonal blocks of the inverse of the whole."""
    rig, ts = spring(), 0.1 * jnp.arange(7.0)
    values = jnp.sin(2 * ts)[:, None].at[3].set(jnp.nan)
    guess = jnp.zeros((7, 2)).at[0].set(jnp.asarray([0.3, 1.0]))
    expected, covariance = dense_posterior(rig, ts, values, guess[0])
    found = smooth(rig, ts, {"place": values}, guess, deviation=2.0, acceleration_noise=0.5, steps=2)
    np.testing.assert_allclose(found.ys, expected, atol=1e-9)
    blocks = np.stack([covariance[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] for k in range(7)])
    np.testing.assert_allclose(found.covariances, blocks, rtol=1e-7, atol=1e-12)
    ekf = ExtendedKalmanFilter(rig, acceleration_noise=0.5)
    belief = ekf.begin(0.0, guess[0], deviation=2.0)
    step = eqx.filter_jit(ekf)
    for t, value in zip(ts, values, strict=True):
        belief, innovation = step(belief, t, {"place": value})
        assert int(innovation.count) == int(not jnp.isnan(value[0]))
    np.testing.assert_allclose(belief.y, expected[-1], atol=1e-9)
    np.testing.assert_allclose(belief.covariance, blocks[-1], rtol=1e-7, atol=1e-12)


def test_smoothed_states_are_nearer_than_observed_ones_and_their_errors_are_those_declared():
    """From a bad guess, over swings with noise: errors over their covariance have the mean of their number."""
    rig, squared, smoother, raw = noisy_rig(), [], [], []
    for seed in range(8):
        ys, seen = simulated(rig, jax.random.key(seed))
        guess = jnp.concatenate([seen["angle"], jnp.zeros((len(TS), 1))], axis=1)
        found = smooth(rig, TS, seen, guess, deviation=jnp.asarray([0.5, 5.0]), acceleration_noise=DENSITY)
        assert float(found.cost[-1]) <= float(found.cost[0])
        error = np.asarray(found.ys - ys)
        squared.append(np.einsum("ki,kij,kj->k", error, np.linalg.inv(np.asarray(found.covariances)), error))
        smoother.append(error[:, 1])
        raw.append(np.asarray(seen["rate"])[:, 0] - np.asarray(ys)[:, 1])
    assert np.std(smoother) < 0.3 * np.std(raw)
    assert np.mean(squared) == pytest.approx(2, rel=0.25)  # neighbours are correlated: about 100 are independent


def test_parameters_in_the_state_find_the_truth():
    """The stiffness of a pendulum, from a wrong value; its error is within three of its standard deviations."""
    _, seen = simulated(noisy_rig(), jax.random.key(3))
    ekf = ExtendedKalmanFilter(noisy_rig(k=8.0), acceleration_noise=DENSITY)
    beliefs, _ = filtered(ekf, seen, jnp.asarray([1.0, 1e-6]))
    names = [float(x) for x in beliefs.parameters[-1]]
    stiff = int(np.argmax(np.abs(names)))
    assert abs(names[stiff] - 9.0) < 3 * float(beliefs.covariance[-1, 2 + stiff, 2 + stiff]) ** 0.5 < 2.0
    assert abs(names[stiff] - 8.0) > 0.3
    last = jax.tree.map(lambda x: x[-1], beliefs)
    assert float(ekf.adapted(last).model.network.coefficients["k"]) == pytest.approx(names[stiff])


@pytest.mark.parametrize("units", [(1e3, 1.0), (1.0, 1e-3)])
def test_beliefs_do_not_depend_on_units(units):
    """A length and a second in other units: states and deviations are the same ones."""

    def found(s, tau):
        model = nl.NeuralLagrangian.from_lagrangian(
            lambda t, q, v: 0.5 * (v * tau / s) @ (v * tau / s) + 9 * jnp.cos(q[0] / s),
            nl.integrators.RK4(),
            stepsize_controller=nl.StepsPerSample(1),
        )
        rig = Observed(model, {"place": Sensor(Position(), noise=0.1 * s)})
        guess = jnp.zeros((6, 2)).at[0].set(jnp.asarray([0.3 * s, s / tau]))
        density = 0.5 * s / tau**1.5
        deviation = jnp.asarray([s, s / tau])
        seen = {"place": s * jnp.sin(jnp.arange(6.0))[:, None]}
        states = smooth(rig, 0.1 * tau * jnp.arange(6.0), seen, guess, deviation=deviation, acceleration_noise=density)
        return states.ys / deviation[None], states.deviations / deviation[None]

    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9), found(*units), found(1.0, 1.0))


@pytest.mark.bad_input
def test_bad_input_is_named():
    rig = noisy_rig()
    seen = {"angle": jnp.zeros((3, 1)), "rate": jnp.zeros((3, 1))}
    options = {"deviation": 1.0, "acceleration_noise": 1.0}
    for changed, message in [
        ({"deviation": 0.0}, "`deviation` is 0.0; expected positive"),
        ({"acceleration_noise": jnp.inf}, "`acceleration_noise` is inf; expected positive"),
        ({"controls": jnp.zeros((3, 1))}, "a control is given, and `model` has no ControlForce"),
    ]:
        with pytest.raises(ValueError, match=message):
            smooth(rig, TS[:3], seen, jnp.zeros((3, 2)), **{**options, **changed})
    with pytest.raises(ValueError, match="`ts` is not strictly increasing"):
        smooth(rig, TS[2::-1], seen, jnp.zeros((3, 2)), **options)
    with pytest.raises(ValueError, match=r"sensors \['rate'\] have no channel"):
        smooth(rig, TS[:3], {"angle": seen["angle"]}, jnp.zeros((3, 2)), **options)
    with pytest.raises(ValueError, match=r"`model` is a NeuralLagrangian; expected an `observation.Observed`"):
        ExtendedKalmanFilter(rig.model, acceleration_noise=1.0)
    driven = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v, force=ControlForce())
    ekf = ExtendedKalmanFilter(Observed(driven, {"place": Sensor(Position(), noise=1.0)}), acceleration_noise=1.0)
    with pytest.raises(ValueError, match="the control is None, and `model` has a ControlForce without a control"):
        ekf(ekf.begin(0.0, jnp.zeros(2), deviation=1.0), 1.0, {"place": jnp.zeros(1)})
