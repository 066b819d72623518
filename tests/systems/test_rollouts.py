"""Simulated motion against SciPy's DOP853."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from .cases import CASES, MOVING, TS, motion

pytestmark = pytest.mark.double


@pytest.mark.parametrize("name", MOVING)
def test_motion_against_scipy(name):
    field = jax.jit(CASES[name].vector_field)
    for ys in motion()[name]:
        reference = solve_ivp(lambda t, y: np.asarray(field(t, y)), (0, 2), ys[0], "DOP853", TS, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(ys, reference.y.T, rtol=0, atol=1e-8 * max(1, np.abs(ys).max()))


def test_the_rollout_of_a_system_is_its_motion():
    ys = CASES["Pendulum"](TS, jnp.asarray(motion()["Pendulum"][0, 0]))
    np.testing.assert_allclose(ys, motion()["Pendulum"][0], atol=1e-6)
