"""Simulated motion against SciPy's DOP853."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import neural_lagrangian as nl
from neural_lagrangian.systems import SYSTEMS

from .cases import CASES, motion

pytestmark = pytest.mark.double


@pytest.mark.parametrize("name", [*SYSTEMS, "CartPole, pushed"])
def test_motion_against_scipy(name):
    simulated, field = motion(name), jax.jit(CASES[name].vector_field)
    ts = np.asarray(simulated.ts[0])
    for ys in np.asarray(simulated.ys):
        reference = solve_ivp(lambda t, y: np.asarray(field(t, y)), (0, 2), ys[0], "DOP853", ts, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(ys, reference.y.T, rtol=0, atol=1e-8 * max(1, np.abs(ys).max()))


def test_the_rollout_of_a_system_is_its_motion():
    simulated = motion("Pendulum")
    ys = CASES["Pendulum"](jnp.asarray(simulated.ts[0]), jnp.asarray(simulated.ys[0, 0]))
    np.testing.assert_allclose(ys, simulated.ys[0], atol=1e-6)


def test_steps_too_few_are_reported():
    system = nl.systems.Kepler(integration=nl.integrators.Integration(max_steps=2))
    with pytest.raises(RuntimeError, match="trajectory 0 of 1"):
        nl.simulate(system, jnp.linspace(0.0, 9.0, 3), system.sample_states(jax.random.key(0), 1))
