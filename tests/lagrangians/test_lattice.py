"""Fields on a line: the wave equation is a special case, the continuum the limit, and any number of sites will do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.lagrangians import LatticeLagrangian
from neural_lagrangian.mechanics import structure_error
from neural_lagrangian.systems import WaveEquation

from ..helpers import DOUBLE, mlp, states

ENDS = ["periodic", "fixed"]


def wave_density(x):
    return 0.5 * 1.3 * x[1] ** 2 - 0.5 * 0.7 * x[2] ** 2


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("sites", [2, 20])  # one Lagrangian, any number of sites
def test_equals_the_wave_equation(ends, sites):
    system = WaveEquation(density=1.3, tension=0.7, spacing=0.25, sites=sites, ends=ends)
    L = LatticeLagrangian(wave_density, 0.25, ends)
    _, q, v = (s[0] for s in states(sites, 1))
    rtol = 1e-11 if DOUBLE else 1e-4
    np.testing.assert_allclose(L(0.0, q, v), system.lagrangian(0.0, q, v), rtol=rtol)
    a = nl.acceleration(L, 0.0, q, v, mass_solve=L.mass_solve)
    np.testing.assert_allclose(a, system.acceleration(0.0, q, v), rtol=rtol, atol=100 * rtol)


@pytest.mark.parametrize("ends", ENDS)
def test_a_learned_density_has_a_diagonal_mass_matrix(ends):
    network = mlp(3, activation=jnp.tanh)
    L = LatticeLagrangian(network, 0.5, ends)
    t, q, v = (s[0] for s in states(7, 1))
    M, error = jax.jit(lambda *x: (nl.mass_matrix(L, *x), structure_error(L, L.mass_solve, *x)))(t, q, v)
    assert jnp.abs(M - jnp.diag(jnp.diag(M))).max() < 1e-7
    assert jnp.abs(jnp.diag(M)).min() > 1e-4
    assert error < 1e-5
    if ends == "periodic":
        shifted = L(t, jnp.roll(q, 2), jnp.roll(v, 2))
        np.testing.assert_allclose(shifted, L(t, q, v), rtol=1e-5)


@pytest.mark.double
def test_converges_to_the_field_equation_with_order_two():
    """L = (phi_t^2 - c(phi) phi_x^2) / 2, c = 1 + 0.3 phi^2: phi_tt = (c phi_x)_x - c' phi_x^2 / 2."""
    density = lambda x: 0.5 * x[1] ** 2 - 0.5 * (1 + 0.3 * x[0] ** 2) * x[2] ** 2  # noqa: E731

    def error(sites):
        x = 2 * jnp.pi * jnp.arange(0.0, sites) / sites
        phi, phi_x, phi_xx = jnp.sin(x), jnp.cos(x), -jnp.sin(x)
        expected = (1 + 0.3 * phi**2) * phi_xx + 0.3 * phi * phi_x**2
        L = LatticeLagrangian(density, 2 * np.pi / sites)
        return jnp.abs(nl.acceleration(L, 0.0, phi, phi_x, mass_solve=L.mass_solve) - expected).max()

    assert jnp.log2(error(32) / error(64)) == pytest.approx(2.0, abs=0.1)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LatticeLagrangian(wave_density, 0.0), "`spacing` is 0.0; expected a positive number"),
        (lambda: LatticeLagrangian(wave_density, 0.1, "free"), "`ends` is 'free'"),
        (
            lambda: LatticeLagrangian(lambda x: x, 0.1)(0.0, jnp.ones(4), jnp.ones(4)),
            r"`density` returned shape \(3,\)",
        ),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
