import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import Integration
from neural_lagrangian.systems import DoublePendulum, DrivenPendulum, HarmonicOscillator

from ..helpers import DOUBLE, DTYPE

SYSTEM = DoublePendulum()
Y0S = SYSTEM.sample_states(jax.random.key(0), 3)
TS = jnp.linspace(0.0, 1.0, 5).astype(DTYPE)


def test_each_row_is_a_rollout_and_accelerations_are_true():
    trajectories = nl.simulate(SYSTEM, TS, Y0S, accelerations=True)
    np.testing.assert_allclose(trajectories.ys[1], SYSTEM(TS, Y0S[1]), atol=1e-4)
    q, v = jnp.split(jnp.asarray(trajectories.ys[2, 3]), 2)
    np.testing.assert_allclose(trajectories.accelerations[2, 3], SYSTEM.acceleration(0.0, q, v), rtol=1e-4)


@pytest.mark.double
def test_accelerations_are_those_at_the_times_asked_for():
    """Of a driven pendulum, on a clock that does not start at zero."""
    system, h = DrivenPendulum(), 0.01
    motion = nl.simulate(system, 3.0 + h * jnp.arange(21.0), jnp.asarray([[0.3, 0.1]]), accelerations=True)
    q, v = np.split(motion.ys[0], 2, axis=1)
    by_hand = jax.vmap(system.acceleration)(motion.ts[0], q, v)
    np.testing.assert_allclose(motion.accelerations[0], by_hand, rtol=1e-12)
    np.testing.assert_allclose(np.gradient(v, h, axis=0)[1:-1], by_hand[1:-1], rtol=1e-3)


@pytest.mark.double
def test_the_truth_is_as_exact_between_steps_as_at_them():
    """The interpolant between the steps of Dopri8 is off by about 1e-9."""
    oscillator = HarmonicOscillator()
    simulated = nl.simulate(oscillator, TS, jnp.asarray([[1.0, 0.0]]))
    np.testing.assert_allclose(simulated.ys[0, :, 0], np.cos(10**0.5 * TS), atol=2e-12)


def test_a_failed_solve_names_its_trajectory():
    system = DoublePendulum(integration=Integration(max_steps=12))
    calm = jnp.zeros_like(Y0S[0])
    with pytest.raises(nl.datasets.SimulationError, match=r"trajectory 1 of 2 .* within 12 steps"):
        nl.simulate(system, TS, jnp.stack([calm, Y0S[0]]), tolerance=1e-12)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("ts", "y0s", "message"),
    [
        (TS, Y0S[0], r"`y0s` has shape \(4,\); expected \(trajectory, 2 dof\)"),
        (TS[::-1].at[0].set(0.3), Y0S, "`ts` is not strictly monotonic"),
        (jnp.arange(3), Y0S, "`ts` has dtype int"),
    ],
)
def test_bad_input_is_named(ts, y0s, message):
    with pytest.raises(ValueError, match=message):
        nl.simulate(SYSTEM, ts, y0s)


@pytest.mark.slow
def test_irregular_times_are_as_good_as_regular_ones():
    """The state at a time does not depend on which other times are asked for."""
    dense = jnp.linspace(0.0, 1.0, 41).astype(DTYPE)
    chosen = np.array([0, 1, 5, 6, 17, 33, 40])
    regular = nl.simulate(SYSTEM, dense, Y0S)
    irregular = nl.simulate(SYSTEM, dense[chosen], Y0S)
    np.testing.assert_array_equal(irregular.ts[0], dense[chosen])
    np.testing.assert_allclose(irregular.ys, regular.ys[:, chosen], atol=1e-10 if DOUBLE else 1e-5)
