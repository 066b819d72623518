"""Learning from positions alone."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import StormerVerlet, VariationalMidpoint
from neural_lagrangian.lagrangians import ParametricLagrangian
from neural_lagrangian.mechanics import ControlForce, LinearDamping
from neural_lagrangian.models import recovered_velocities, with_control
from neural_lagrangian.systems import CartPole
from neural_lagrangian.training import discrete_euler_lagrange_mse
from neural_lagrangian.training.loss import evaluated
from neural_lagrangian.trajectories import Window, differentiate

from ..helpers import DOUBLE, DTYPE, central_difference, inner, random_like, slow_but, small_network

H = 0.2
TS = jnp.asarray([0.0, 0.2, 0.45, 0.6, 0.85], DTYPE)
RULES = {"r0": StormerVerlet(), "r2": nl.GalerkinGaussLobatto(2), "midpoint": VariationalMidpoint()}


def observed(dof=2, seed=0):
    """Positions that are no motion of any model here, and velocities that are nonsense."""
    rng = np.random.default_rng(seed)
    qs = np.cos(np.asarray(TS)[:, None] + np.arange(dof)) + 0.01 * rng.normal(size=(5, dof))
    return jnp.asarray(np.concatenate([qs, 1e3 * rng.normal(size=qs.shape)], axis=1), DTYPE)


@pytest.mark.parametrize("name", slow_but(RULES, "r2"))
def test_the_scale_of_the_lagrangian_does_not_matter_nor_do_velocities(name):
    network = small_network()

    @jax.jit
    def loss(scale, ys):
        model = nl.NeuralLagrangian(
            lambda y: scale * (network(y) + 0.5 * jnp.sum(y[2:] ** 2)), RULES[name], dof=2, kinetic_prior=0.0
        )
        return discrete_euler_lagrange_mse(model, Window(TS, ys))

    ys = observed()
    one = loss(jnp.asarray(1.0, DTYPE), ys)
    assert one > 1e-6
    for scale in (1e-3, -40.0):
        np.testing.assert_allclose(loss(jnp.asarray(scale, DTYPE), ys), one, rtol=1e-9 if DOUBLE else 1e-2)
    np.testing.assert_array_equal(loss(jnp.asarray(1.0, DTYPE), ys.at[:, 2:].set(0)), one)
    assert abs(loss(jnp.asarray(1.0, DTYPE), ys.at[2, 0].add(0.1)) / one - 1) > 0.1


@pytest.mark.double
@pytest.mark.parametrize("name", slow_but(RULES, "midpoint"))
def test_gradient_against_differences(name):
    force = LinearDamping(jnp.asarray([0.3, 0.2], DTYPE))
    params, static = eqx.partition(nl.NeuralLagrangian(small_network(), RULES[name], force=force), eqx.is_inexact_array)
    ys = observed()

    def loss(params):
        return discrete_euler_lagrange_mse(eqx.combine(params, static), Window(TS, ys))

    direction = random_like(params)
    value = jax.jit(loss)
    expected = central_difference(value, params, direction, 1e-4)
    np.testing.assert_allclose(inner(jax.jit(jax.grad(loss))(params), direction), expected, rtol=1e-7)


@pytest.mark.double
@pytest.mark.optax
def test_the_shadow_frequency_of_an_oscillator():
    r"""$L = v^2 / 2 - \tilde w^2 q^2 / 2$ by the midpoint rule is the motion of frequency w if and only if
    $\tilde w^2 = (4 / h^2) \tan^2(w h / 2)$."""
    w, h = 1.3, 0.5
    phases = np.linspace(0.0, 6.0, 7)[:, None]
    qs = list(np.cos(w * h * np.arange(5) + phases)[..., None])
    data = differentiate([h * np.arange(5.0)] * 7, qs, window=3, degree=2)

    def oscillator(t, q, v, *, square):
        return 0.5 * jnp.dot(v, v) - 0.5 * square * jnp.dot(q, q)

    def fitted(rule):
        model = nl.NeuralLagrangian(ParametricLagrangian(oscillator, dof=1, square=1.0), rule)
        optimizer = optax.adam(optax.exponential_decay(0.1, 40, 0.5), b2=0.9)
        keywords = {"optimizer": optimizer, "steps": 1000, "horizon": 4, "batch_size": 7, "key": jax.random.key(0)}
        result = nl.fit(model, data, loss=discrete_euler_lagrange_mse, **keywords)
        return float(result.model.network.coefficients["square"])

    shadow = 4 / h**2 * np.tan(w * h / 2) ** 2
    assert fitted(VariationalMidpoint()) == pytest.approx(shadow, abs=1e-8)
    assert abs(shadow - w**2) > 0.1  # it is another than the true one
    # Stormer-Verlet has its own: cos(w h) = 1 - h^2 square / 2.
    assert fitted(StormerVerlet()) == pytest.approx(2 * (1 - np.cos(w * h)) / h**2, abs=1e-8)


def test_zero_on_the_model_s_own_driven_motion():
    us = jnp.asarray([[0.0], [2.0], [-1.0], [0.5], [0.0]], DTYPE)
    system, force = CartPole().lagrangian, ControlForce([[1.0], [0.0]])
    model = nl.NeuralLagrangian.from_lagrangian(system, VariationalMidpoint(), dof=2, force=force)
    ys = eqx.filter_jit(with_control(model, TS, us))(TS, jnp.asarray([0.1, 0.2, 0.3, 0.4], DTYPE))
    loss = eqx.filter_jit(lambda us: evaluated("loss", discrete_euler_lagrange_mse, model, Window(TS, ys, controls=us)))
    assert float(loss(us)) < 1e-10
    assert float(loss(0 * us)) > 1e-5


@pytest.mark.slow
@pytest.mark.optax
def test_a_network_learns_through_fit():
    """A batch of windows, in the rule of Gauss-Lobatto nodes; the rollout is in the same rule and step."""
    times = (H * jnp.arange(9)).astype(DTYPE)
    phases = np.linspace(0.0, 6.0, 8)
    qs = [np.asarray(jnp.cos(times + phase))[:, None].astype(DTYPE) for phase in phases]
    data = differentiate([np.asarray(times)] * 8, qs, window=3, degree=2)
    model = nl.NeuralLagrangian(small_network(1, 8), nl.GalerkinGaussLobatto(1))
    keywords = {"optimizer": optax.adam(1e-2), "steps": 300, "horizon": 4, "batch_size": 16}
    result = nl.fit(model, data, loss=discrete_euler_lagrange_mse, key=jax.random.key(0), **keywords)
    np.testing.assert_array_equal(result.history.failures, 0)
    assert result.history.loss[-20:].mean() < 0.02 * result.history.loss[:5].mean()
    assert jax.tree.structure(result.model) == jax.tree.structure(model)
    two = jnp.asarray(data.ys[0, :2, :1])
    v = recovered_velocities(result.model, times[:2], two)
    ys = eqx.filter_jit(result.model)(times, jnp.concatenate([two[0], v[0]]))
    np.testing.assert_allclose(ys[:, 0], jnp.cos(times), atol=0.02)


def test_a_step_that_is_not_the_model_s_teaches_nothing():
    model = nl.NeuralLagrangian(small_network(), VariationalMidpoint(), dt0=0.1)
    with pytest.raises(ValueError, match=r"expected 0.1, as `dt0`"):
        discrete_euler_lagrange_mse(model, Window(TS, observed()))
    assert jnp.isnan(jax.jit(lambda ts: discrete_euler_lagrange_mse(model, Window(ts, observed())))(TS))
