"""Polynomial Lagrangians: hand-written sums, a free particle at the start, and motion they learn."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.lagrangians import AdditivePolynomial, ProductPolynomial
from neural_lagrangian.systems import HarmonicOscillator, HenonHeiles
from neural_lagrangian.training import acceleration_mse

from ..helpers import DOUBLE, DTYPE, random_like, slow, states
from .test_parametric import accelerations, trained

RTOL = 1e-10 if DOUBLE else 1e-4
MAKE = {
    "additive": lambda dof, *degrees: AdditivePolynomial(dof, *degrees),
    "product": lambda dof, *degrees: ProductPolynomial(dof, *degrees),
    "products": lambda dof, *degrees: ProductPolynomial(dof, *degrees, rank=2),
}


def drawn(lagrangian):
    dynamic, static = eqx.partition(lagrangian, eqx.is_inexact_array)
    return eqx.combine(random_like(dynamic), static)


def power(name, values):
    """The value of a monomial such as "q0 q1^2 v0"."""
    out = 1.0
    for factor in name.split() if name != "1" else []:
        base, _, exponent = factor.partition("^")
        out *= values[base] ** int(exponent or 1)
    return out


@pytest.mark.parametrize("dof", [1, 2, 3])
@pytest.mark.parametrize("kind", MAKE)
def test_it_is_the_sum_of_its_named_monomials(kind, dof):
    L = drawn(MAKE[kind](dof, 3, 2))
    _, q, v = (x[0] for x in states(dof, 1))
    suffix = range(dof) if dof > 1 else [""]
    values = {f"{letter}{i}": float(x) for letter, xs in (("q", q), ("v", v)) for i, x in zip(suffix, xs, strict=True)}
    expected = sum(float(c) * power(name, values) for name, c in L.coefficients.items())
    np.testing.assert_allclose(L(0.0, q, v), expected, rtol=1e-5, atol=1e-6)


def test_the_formulas_of_one_coordinate():
    """L = sum_k a_k q^k + sum_l b_l v^l, and L = sum_kl a_k b_l q^k v^l."""
    q, v = jnp.asarray([0.7], DTYPE), jnp.asarray([-1.2], DTYPE)
    additive, product = drawn(AdditivePolynomial(1, 4, 3)), drawn(ProductPolynomial(1, 4, 3))
    a, b = np.asarray(additive.potential), np.asarray(additive.kinetic)
    expected = sum(a[k] * 0.7**k for k in range(5)) + sum(b[i - 1] * (-1.2) ** i for i in range(1, 4))
    np.testing.assert_allclose(additive(0.0, q, v), expected, rtol=1e-5)
    a, b = np.asarray(product.a[0]), np.asarray(product.b[0])
    expected = sum(a[k] * b[i] * 0.7**k * (-1.2) ** i for k in range(5) for i in range(4))
    np.testing.assert_allclose(product(0.0, q, v), expected, rtol=1e-5)
    assert list(additive.coefficients) == ["1", "q", "q^2", "q^3", "q^4", "v", "v^2", "v^3"]
    assert list(product.coefficients)[:5] == ["1", "v", "v^2", "v^3", "q"]
    assert "v^2" in AdditivePolynomial(1).coefficients
    assert "q0 q1^2 v0^2" in ProductPolynomial(2).coefficients


@pytest.mark.parametrize("kind", MAKE)
def test_it_starts_at_a_free_particle_and_is_smooth_at_the_origin(kind):
    L = MAKE[kind](2, 3, 2)
    zero = jnp.zeros(2, DTYPE)
    _, q, v = (x[0] for x in states(2, 1))
    np.testing.assert_allclose(L(0.0, q, v), 0.5 * v @ v, rtol=1e-5)
    loss = eqx.filter_jit(eqx.filter_grad(lambda L: jnp.sum(nl.acceleration(L, 0.0, zero, v) - q)))
    assert all(jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(loss(L)))


def relative_error(lagrangian, system):
    test = accelerations(system, 100)
    q, v = np.split(test.ys[0], 2, axis=1)
    model = eqx.filter_jit(
        eqx.filter_vmap(nl.NeuralLagrangian.from_lagrangian(lagrangian).acceleration, in_axes=(None, 0, 0))
    )
    a = test.accelerations[0]
    return float(np.linalg.norm(model(0.0, q, v) - a) / np.linalg.norm(a))


@pytest.mark.optax
@pytest.mark.slow
def test_a_sum_learns_an_oscillator_and_leaves_gauge_terms_alone():
    system = HarmonicOscillator(mass=1.0, stiffness=4.0)
    found = trained(AdditivePolynomial(1, 3, 2), accelerations(system), loss=acceleration_mse)
    c = found.coefficients
    assert float(c["q^2"] / c["v^2"]) == pytest.approx(-4.0, rel=1e-3)
    assert abs(c["q^3"]) < 1e-2
    assert c["1"] == c["v"] == 0
    assert "kinetic" in repr(found)


@pytest.mark.slow
@pytest.mark.optax
def test_a_sum_learns_coupled_motion():
    system = HenonHeiles()
    found = trained(AdditivePolynomial(2, 3, 2), accelerations(system), 500, 0.03, loss=acceleration_mse)
    assert relative_error(found, system) < 1e-2
    assert float(found.coefficients["q0^2 q1"] / found.coefficients["v0^2"]) == pytest.approx(-2.0, rel=0.05)


@pytest.mark.optax
@pytest.mark.parametrize(("rank", "tolerance"), [slow(1, 0.1), slow(2, 1e-4)])
def test_products_learn_an_oscillator(rank, tolerance):
    """Two of them hold its Lagrangian; one holds another whose motion is close where the data are."""
    system = HarmonicOscillator(mass=1.0, stiffness=1.0)
    start = ProductPolynomial(1, 4, 2, rank=rank)
    found = trained(start, accelerations(system), 1000, 0.03, loss=acceleration_mse)
    assert relative_error(found, system) < tolerance < relative_error(start, system)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AdditivePolynomial(0), "`dof` is 0"),
        (lambda: AdditivePolynomial(1, 0), "`degree_q` is 0"),
        (lambda: ProductPolynomial(1, 2, 1), "`degree_v` is 1; expected at least 2"),
        (lambda: ProductPolynomial(1, rank=0), "`rank` is 0"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
