import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import neural_lagrangian as nl

from ..helpers import DTYPE

SYSTEM = nl.systems.DoublePendulum((1.0, 1.4), (0.8, 1.1), 9.81)


@pytest.mark.double
def test_rollout_against_scipy():
    y0 = jnp.asarray([1.2, -0.7, 0.3, 0.5])
    ts = jnp.linspace(0.0, 3.0, 10)
    field = jax.jit(SYSTEM.vector_field)
    reference = solve_ivp(lambda t, y: np.asarray(field(t, y)), (0, 3), y0, "DOP853", ts, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(eqx.filter_jit(SYSTEM)(ts, y0), reference.y.T, atol=1e-7)
    np.testing.assert_allclose(nl.simulate(SYSTEM, ts, y0[None]).ys[0], reference.y.T, atol=1e-9)


@pytest.mark.double
def test_energy_is_conserved():
    ts = jnp.linspace(0.0, 10.0, 50)
    simulated = nl.simulate(SYSTEM, ts, SYSTEM.sample_states(jax.random.key(0), 3, limit=1.0))
    path = jax.vmap(jax.vmap(lambda t, y: SYSTEM.energy(t, *jnp.split(y, 2))))(simulated.ts, simulated.ys)
    assert jnp.abs(path - path[:, :1]).max() < 1e-9 * SYSTEM.energy_scale


def test_small_swings_have_the_known_frequencies():
    """m = l = 1: omega^2 = (2 -+ sqrt 2) g about hanging down."""
    system = nl.systems.DoublePendulum()
    stiffness = -jax.jacfwd(lambda q: system.acceleration(0.0, q, jnp.zeros(2, DTYPE)))(jnp.zeros(2, DTYPE))
    eigenvalues = np.sort(np.linalg.eigvals(np.asarray(stiffness)).real)
    np.testing.assert_allclose(eigenvalues, 9.81 * np.array([2 - 2**0.5, 2 + 2**0.5]), rtol=1e-5)


def test_parameters_can_be_differentiated():
    y = jnp.asarray([1.2, -0.7, 0.3, 0.5], DTYPE)

    def f(g):
        return nl.systems.DoublePendulum(gravity=g).vector_field(0.0, y)[2]

    assert jax.grad(f)(jnp.asarray(9.81, DTYPE)) != 0


@pytest.mark.bad_input
@pytest.mark.parametrize("keywords", [{"mass": (1.0,)}, {"length": (1.0, 1.0, 1.0)}, {"length": (1.0, -1.0)}])
def test_wrong_numbers_of_links_are_named(keywords):
    with pytest.raises(ValueError, match=f"`{next(iter(keywords))}` (has|is)"):
        nl.systems.DoublePendulum(**keywords)
