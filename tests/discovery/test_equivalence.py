"""Two Lagrangians held against each other: scale, gauge and motion."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.discovery import compare_lagrangians
from neural_lagrangian.mechanics import normalize_scale
from neural_lagrangian.systems import ChargedParticle

from ..helpers import DTYPE, LAGRANGIANS, slow, states


def filled(dof, count=200, seed=0):
    return jnp.concatenate(states(dof, count, seed)[1:], axis=1)


def oscillator(t, q, v):
    return 0.5 * v[0] ** 2 - 5 * q[0] ** 2


@pytest.mark.double
def test_the_oscillator_of_the_report():
    """Hamzaogullari (2024), "Symbolic Regression of Lagrangians": -5.29 q^2 + 0.532 v^2 + 1.22."""

    def regressed(t, q, v):
        return -5.29 * q[0] ** 2 + 0.532 * v[0] ** 2 + 1.22

    found = compare_lagrangians(oscillator, regressed, filled(1))
    assert found.kind == "gauge-equivalent"
    assert found.scale == pytest.approx(1.061, abs=5e-4)
    assert found.gauge_residual == pytest.approx(0.0028, abs=5e-5)
    assert found.constant == pytest.approx(1.22, abs=1e-3)
    assert abs(float(found.gauge_function(0.0, jnp.array([0.7])))) < 1e-12
    assert str(found).startswith("gauge-equivalent: L2 = 1.061 L1 + dF/dt + 1.22, gauge residual 0.28 %")


@pytest.mark.double
def test_the_constant_force_of_the_report():
    """Hamzaogullari (2024): -0.592 q + v (0.589 v - 0.0667) + 1.43, whose term linear in v is a total derivative."""

    def regressed(t, q, v):
        return -0.592 * q[0] + v[0] * (0.589 * v[0] - 0.0667) + 1.43

    found = compare_lagrangians(lambda t, q, v: 0.5 * v[0] ** 2 - 0.5 * q[0], regressed, filled(1))
    assert found.scale == pytest.approx(1.181, abs=5e-4)
    assert found.gauge_residual == pytest.approx(0.0025, abs=5e-5)
    F = found.gauge_function
    slope = float(F(0.0, jnp.array([1.5])) - F(0.0, jnp.array([0.5])))
    assert slope == pytest.approx(-0.0667, rel=1e-9)
    assert found.kind == "gauge-equivalent"
    assert found.constant == pytest.approx(1.43, abs=2e-3)


@pytest.mark.double
def test_two_gauges_of_a_magnetic_field_are_one():
    """Their difference is the total derivative of e B x y / 2."""
    symmetric, landau = (ChargedParticle(1.3, 0.7, 2.0, gauge=g) for g in ("symmetric", "landau"))
    ys = filled(2)
    found = compare_lagrangians(symmetric.lagrangian, lambda t, q, v: 2.5 * landau.lagrangian(t, q, v), ys)
    assert found.kind == "gauge-equivalent"
    assert found.scale == pytest.approx(2.5, rel=1e-14)
    assert found.gauge_residual < 1e-15
    mixed = jax.jit(jax.hessian(lambda q: found.gauge_function(0.0, q)))(jnp.array([0.4, -0.9]))
    np.testing.assert_allclose(mixed, -0.5 * 2.5 * 0.7 * 2.0 * np.array([[0, 1], [1, 0]]), atol=1e-12)


@pytest.mark.parametrize("name", [slow("oscillator"), "double_pendulum", slow("charged_particle")])
def test_scale_gauge_and_constant_are_recovered(name):
    lagrangian, dof = LAGRANGIANS[name]
    t, q, v = states(dof, 60)

    def F(t, q):
        return jnp.sum(jnp.sin(q)) * q[0] ** 2 + t * q[-1] ** 3

    def disguised(t, q, v):
        return -2.7 * lagrangian(t, q, v) + jax.jvp(F, (t, q), (jnp.ones_like(t), v))[1]

    ys = jnp.concatenate([q, v], axis=1)
    found = compare_lagrangians(lagrangian, disguised, ys, ts=t, tolerance=1e-3)
    assert found.kind == "gauge-equivalent"
    assert found.scale == pytest.approx(-2.7, rel=1e-6)
    with jax.numpy_dtype_promotion("standard"):
        dF = jax.jit(jax.vmap(jax.grad(lambda t, q: found.gauge_function(t, q) - F(t, q), argnums=1)))(t, q)
    np.testing.assert_allclose(dF, 0, atol=1e-6 if jnp.float64 == DTYPE else 2e-3)


def test_two_scales_have_one_residual():
    """What is different is over the second Lagrangian, which is of a scale of its own."""

    def other(t, q, v):
        return oscillator(t, q, v) + 0.3 * q[0] ** 4

    ys = filled(1)
    one = compare_lagrangians(oscillator, other, ys)
    thousand = compare_lagrangians(oscillator, lambda t, q, v: 1e3 * other(t, q, v), ys)
    assert 0.01 < one.gauge_residual < 0.5
    assert thousand.gauge_residual == pytest.approx(one.gauge_residual, rel=1e-4)


def test_kinds():
    ys = filled(1)
    twice = compare_lagrangians(oscillator, lambda t, q, v: 2 * oscillator(t, q, v), ys)
    assert compare_lagrangians(oscillator, oscillator, ys).kind == "equal"
    assert twice.kind == "gauge-equivalent"
    other = compare_lagrangians(oscillator, lambda t, q, v: oscillator(t, q, v) + 0.3 * q[0] ** 4, ys)
    assert other.kind == "different"
    assert other.acceleration_residual > 0.05


@pytest.mark.double
def test_the_same_motion_from_another_lagrangian_and_what_that_conserves():
    """A mass equal to the energy, in one dimension: the masses' ratio is conserved (Hojman and Harleston 1981)."""

    def exact(t, q, v):
        return v[0] ** 4 / 24 + 2.5 * q[0] ** 2 * v[0] ** 2 - 12.5 * q[0] ** 4

    ys = filled(1)
    found = compare_lagrangians(oscillator, exact, ys)
    assert found.kind == "solution-equivalent"
    assert found.acceleration_residual < 1e-12
    assert found.gauge_residual > 0.1
    q, v = ys[:, :1], ys[:, 1:]
    energy = 0.5 * v[:, 0] ** 2 + 5 * q[:, 0] ** 2
    np.testing.assert_allclose(jax.vmap(lambda q, v: found.conserved(0.0, q, v)[0])(q, v), energy, rtol=1e-12)


def test_energies_are_reported_of_a_unit_mass():
    ys = filled(1, 20)
    normalized = normalize_scale(lambda t, q, v: -0.034 * oscillator(t, q, v), ys)
    q, v = jnp.asarray([0.3], DTYPE), jnp.asarray([1.1], DTYPE)
    assert float(nl.energy(normalized, 0.0, q, v)) == pytest.approx(0.5 * 1.1**2 + 5 * 0.3**2, rel=1e-5)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compare_lagrangians(oscillator, oscillator, jnp.zeros((4, 3))), r"`states` has shape \(4, 3\)"),
        (lambda: compare_lagrangians(oscillator, oscillator, filled(1), tolerance=2.0), "`tolerance` is 2.0"),
        (
            lambda: compare_lagrangians(oscillator, lambda t, q, v: q[0] * v[0], filled(1)),
            "`second` has M = 0 and h = 0",
        ),
        (lambda: compare_lagrangians(oscillator, lambda t, q, v: v[0] / 0, filled(1)), "not finite at state 0"),
        (lambda: compare_lagrangians(oscillator, oscillator, jnp.full((3, 2), jnp.nan)), "`states` hold NaN"),
        (lambda: normalize_scale(lambda t, q, v: q[0] * v[0], filled(1)), "mean mass 0.0"),
        (lambda: normalize_scale(oscillator, jnp.zeros((4, 3))), r"`states` has shape \(4, 3\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
