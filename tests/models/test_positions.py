import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import StormerVerlet, VariationalMidpoint
from neural_lagrangian.mechanics import HolonomicConstraint, LinearDamping
from neural_lagrangian.models import recovered_velocities
from neural_lagrangian.training import discrete_euler_lagrange_mse
from neural_lagrangian.trajectories import Scaling, Window

from ..helpers import DOUBLE, DTYPE, slow, small_network

H = 0.25
TS = (H * jnp.arange(6)).astype(DTYPE)
Y0 = jnp.asarray([0.4, -0.2, 0.3, 0.5], DTYPE)
ROUND_OFF = 1e-12 if DOUBLE else 2e-5
RULES = {"r0": StormerVerlet(), "r2": nl.GalerkinGaussLobatto(2), "midpoint": VariationalMidpoint()}


def model_of(rule, **keywords):
    return nl.NeuralLagrangian(small_network(), rule, force=LinearDamping(jnp.asarray([0.3, 0.2], DTYPE)), **keywords)


@pytest.mark.parametrize("name", [slow("r0"), "r2", "midpoint"])
def test_velocities_of_a_rollout_are_recovered_from_its_positions(name):
    model = model_of(RULES[name])
    ys = eqx.filter_jit(model)(TS, Y0)
    recovered = eqx.filter_jit(recovered_velocities)
    np.testing.assert_allclose(recovered(model, TS, ys[:, :2]), ys[:, 2:], atol=ROUND_OFF)
    slopes = jnp.gradient(ys[:, 0], H)
    assert jnp.max(jnp.abs(slopes - ys[:, 2])) > 1e-3  # differences are no such velocities


@pytest.mark.slow
def test_a_rollout_from_two_positions_passes_through_them():
    model = model_of(RULES["r2"])
    qs = jnp.asarray([[0.1, 0.2], [0.2, 0.1]], DTYPE)
    v = eqx.filter_jit(recovered_velocities)(model, TS[:2], qs)
    ys = eqx.filter_jit(model)(TS[:2], jnp.concatenate([qs[0], v[0]]))
    np.testing.assert_allclose(ys[:, :2], qs, atol=ROUND_OFF)
    np.testing.assert_allclose(ys[1, 2:], v[1], atol=ROUND_OFF)


@pytest.mark.slow
def test_a_scaled_model_recovers_physical_velocities():
    """The discrete motion does not depend on units."""
    scaling = Scaling(jnp.asarray([2.0, 0.5], DTYPE), jnp.asarray([0.1, 0.2], DTYPE), jnp.asarray(3.0, DTYPE))
    model = nl.Scaled(model_of(RULES["midpoint"], dt0=H / 3), scaling)
    ys = eqx.filter_jit(model)(TS, Y0)
    recovered = eqx.filter_jit(recovered_velocities)(model, TS, ys[:, :2])
    np.testing.assert_allclose(recovered, ys[:, 2:], atol=100 * ROUND_OFF)
    with pytest.raises(ValueError, match=r"`ts` has a step of 0.5; expected 0.25"):
        recovered_velocities(model, 2 * TS, ys[:, :2])


def test_another_step_is_refused_where_it_is_seen_and_spoils_the_result_where_it_is_not():
    model = model_of(RULES["midpoint"], dt0=H)
    qs = jnp.zeros((6, 2), DTYPE) + 0.1 * TS[:, None]
    assert jnp.all(jnp.isfinite(recovered_velocities(model, TS, qs)))
    uneven = TS.at[-1].add(0.01)
    with pytest.raises(ValueError, match=r"`ts` has a step of 0.26; expected 0.25, as `dt0`"):
        recovered_velocities(model, uneven, qs)
    assert jnp.all(jnp.isnan(eqx.filter_jit(recovered_velocities)(model, uneven, qs)))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: nl.NeuralLagrangian(small_network()), r"`model` has the solver Tsit5.*expected a variational solver"),
        (lambda: model_of(RULES["r0"], stepsize_controller=nl.StepsPerSample(2)), r"StepsPerSample\(substeps=2\)"),
        (
            lambda: model_of(RULES["r0"], stepsize_controller=diffrax.PIDController(rtol=1e-3, atol=1e-3)),
            "PIDController",
        ),
        (lambda: nl.NeuralODE(small_network(out=2)), "NeuralODE, which has no lagrangian"),
        (
            lambda: nl.NeuralLagrangian(
                small_network(), RULES["r0"], constraint=HolonomicConstraint(lambda t, q: q[:1])
            ),
            "`model` has a constraint",
        ),
    ],
    ids=["solver", "substeps", "controller", "no_lagrangian", "constraint"],
)
def test_models_without_a_discrete_motion_are_refused(model, message):
    ys = jnp.zeros((6, 4), DTYPE)
    with pytest.raises(ValueError, match=message):
        recovered_velocities(model(), TS, ys[:, :2])
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda ys: discrete_euler_lagrange_mse(model(), Window(TS, ys)), ys)
