"""Equal steps in a transformed time: the same orbits, at the right times, and structure kept."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian import mechanics
from neural_lagrangian.systems import Kepler

pytestmark = pytest.mark.double

ECCENTRICITY, STEPS = 0.9, 800
KEPLER = Kepler()
SOLVER = nl.GalerkinGaussLobatto(1)


def start():
    """At the far end of an orbit of semi-major axis one, of one attracting mass."""
    pull = KEPLER.acceleration(0.0, jnp.array([-1.0, 0.0]), jnp.zeros(2))[0]
    speed = jnp.sqrt(pull * (1 - ECCENTRICITY) / (1 + ECCENTRICITY))
    return jnp.array([1 + ECCENTRICITY, 0.0, 0.0, 0.0]).at[3].set(speed), 2 * np.pi / float(jnp.sqrt(pull))


def energies(ys):
    return np.asarray(jax.vmap(lambda y: mechanics.energy(KEPLER.lagrangian, 0.0, y[:2], y[2:]))(ys))


@eqx.filter_jit
def rollout(model, ts, y0):
    return model(ts, y0)


def transformed_rows(steps):
    """Rows in the transformed time, `steps` of them a revolution; the transformation, the model, the times."""
    y0, _ = start()
    energy = mechanics.energy(KEPLER.lagrangian, 0.0, y0[:2], y0[2:])
    transformation = mechanics.TimeTransformation(KEPLER.lagrangian, lambda q: jnp.linalg.norm(q) ** 1.5, energy)
    term = transformation.term()
    model = nl.NeuralLagrangian.from_lagrangian(term.lagrangian, SOLVER, force=term.force, dof=3)
    # dt = r dE / n with r = 1 - e cos E, so that a revolution takes int r^-1/2 dE / n.
    anomaly = np.linspace(0, 2 * np.pi, 10_000, endpoint=False)
    period = float(np.mean((1 - ECCENTRICITY * np.cos(anomaly)) ** -0.5)) * start()[1]
    tau = jnp.linspace(0.0, STEPS / steps * period, STEPS + 1)
    return rollout(model, tau, transformation.inward(y0)), transformation, model, tau


def test_the_energy_error_is_bounded_and_of_the_order_of_the_method():
    error = {}
    for steps in (40, 80):
        rows, transformation, *_ = transformed_rows(steps)
        _, ys = transformation.outward(rows)
        E = energies(ys)
        off = np.abs(E / E[0] - 1)
        error[steps] = off.max()
        assert off[-steps:].max() < 1.05 * off[: 2 * steps].max()
    assert 3.7 < np.log2(error[40] / error[80]) < 4.3


def test_as_many_equal_steps_in_physical_time_lose_the_orbit():
    rows, transformation, *_ = transformed_rows(80)
    times, ys = transformation.outward(rows)
    equal = nl.NeuralLagrangian.from_lagrangian(KEPLER.lagrangian, SOLVER, dof=2)
    E = energies(rollout(equal, jnp.linspace(0.0, times[-1], len(times)), start()[0]))
    E_transformed = energies(ys)
    assert not np.abs(E / E[0] - 1).max() < 1000 * np.abs(E_transformed / E_transformed[0] - 1).max()


def test_physical_times_and_states_are_those_of_the_motion():
    rows, transformation, *_ = transformed_rows(160)
    times, ys = transformation.outward(rows)
    assert np.all(np.diff(times) > 0)
    # The largest steps are (1 + e)^1.5 / (1 - e)^1.5 = 83 times the smallest.
    assert np.diff(times).max() > 50 * np.diff(times).min()
    chosen = np.arange(0, 2 * 160, 37)
    reference = nl.simulate(KEPLER, np.asarray(times)[chosen], start()[0][None]).ys[0]
    np.testing.assert_allclose(np.asarray(ys)[chosen, :2], reference[:, :2], atol=2e-4)


def test_it_runs_back_to_where_it_began():
    rows, _, model, tau = transformed_rows(40)
    back = rollout(model, tau[::-1], rows[-1])
    np.testing.assert_allclose(back[-1], rows[0], atol=1e-10)
