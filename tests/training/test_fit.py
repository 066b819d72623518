import re
import warnings

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import Integration
from neural_lagrangian.mechanics import ControlForce, LinearDamping, SampledControl
from neural_lagrangian.models import with_control
from neural_lagrangian.training import acceleration_mse
from neural_lagrangian.training.stages import stages_of
from neural_lagrangian.training.step import MAX_STEPS_TOGETHER

from ..helpers import DTYPE, slow, small_network

pytestmark = pytest.mark.optax
KEY = jax.random.key(0)
ADAM = optax.adam(3e-3)  # one for all: training compiles anew for another optimiser, loss, horizon or shape of data


@pytest.fixture(scope="module")
def oscillations():
    """A harmonic oscillator of unit frequency, exactly."""
    ts = jnp.linspace(0.0, 1.0, 21).astype(DTYPE)
    angles = ts[None] + jnp.linspace(0.0, 6.0, 8).astype(DTYPE)[:, None]
    ys = jnp.stack([jnp.cos(angles), -jnp.sin(angles)], axis=-1)
    return nl.Trajectories(ts, ys, accelerations=-ys[..., :1])


def without_accelerations(trajectories):
    return nl.Trajectories(trajectories.ts, trajectories.ys)


def true_error(model):
    ts = jnp.linspace(0.0, 5.0, 20).astype(DTYPE)
    small_steps = Integration(stepsize_controller=nl.StepsPerSample(4))
    model = eqx.tree_at(lambda m: m.integration, model, small_steps)
    ys = eqx.filter_jit(model)(ts, jnp.asarray([1.0, 0.0], DTYPE))
    return float(jnp.abs(ys[:, 0] - jnp.cos(ts)).max())


def model_of(cls=nl.NeuralLagrangian, **keywords):
    return cls(small_network(1, 16, out="scalar" if cls is nl.NeuralLagrangian else 1), **keywords)


@pytest.mark.parametrize("cls", [nl.NeuralLagrangian, slow(nl.NeuralODE)])
def test_the_plain_use_learns(cls, oscillations):
    """Two lines, all defaults: an untrained model errs by order one, a trained one by little, far from the data."""
    model = model_of(cls)
    data = without_accelerations(oscillations)
    result = nl.fit(model, data, steps=600, key=KEY)
    assert true_error(model) > 0.5
    assert true_error(result.model) < 0.15
    assert result.history.loss[-20:].mean() < 0.02 * result.history.loss[:5].mean()
    np.testing.assert_array_equal(result.history.failures, 0)
    np.testing.assert_array_equal(np.unique(result.history.horizon), [2, 8])
    assert jax.tree.structure(result.model) == jax.tree.structure(model)  # its own controller again


@pytest.mark.slow
@pytest.mark.bad_input
def test_the_default_optimiser_learns(oscillations):
    result = nl.fit(model_of(), without_accelerations(oscillations), steps=400, horizon=4, key=KEY)
    assert true_error(result.model) < 0.05


def test_accelerations_can_be_matched(oscillations):
    model = model_of()
    result = nl.fit(model, oscillations, loss=acceleration_mse, horizon=0, steps=400, key=KEY)
    assert true_error(result.model) < 0.05
    with pytest.raises(ValueError, match="`accelerations` is None"):
        nl.fit(model, without_accelerations(oscillations), loss=acceleration_mse, steps=2, key=KEY)


def driven_mass(m=2.0, friction=0.5):
    """A mass on a damped spring, pushed by a force that is known."""
    return nl.NeuralLagrangian(
        nl.MechanicalLagrangian(lambda q: q @ q, jnp.asarray([m**0.5 - 1], DTYPE), dof=1, floor=0.0),
        force=LinearDamping(jnp.asarray([friction], DTYPE)) + ControlForce(),
        stepsize_controller=nl.StepsPerSample(1),
    )


@pytest.fixture(scope="module")
def pushes():
    """Its motion, recorded with the push."""
    ts = jnp.linspace(0.0, 2.0, 21).astype(DTYPE)
    us = jnp.sin(3 * ts)[None, :, None] * jnp.asarray([1.0, -2.0, 4.0], DTYPE)[:, None, None]
    moved = jax.vmap(lambda u: with_control(driven_mass(), ts, u)(ts, jnp.asarray([0.5, 0.0], DTYPE)))
    return nl.Trajectories(np.asarray(ts), np.asarray(jax.jit(moved)(us)), controls=np.asarray(us))


def test_controls_reach_the_loss_and_fix_the_scale(pushes):
    """Starting from half the mass and other friction, `fit` finds both: the push says how heavy it is."""
    result = nl.fit(driven_mass(1.0, 0.7), pushes, optimizer=optax.adam(1e-2), steps=300, horizon=8, key=KEY)
    np.testing.assert_allclose(result.model.network.mass, driven_mass().network.mass, rtol=2e-2)
    np.testing.assert_allclose(result.model.force.terms[0].factor, [0.5], rtol=5e-2)


def test_recorded_controls_are_not_trained(pushes):
    control = SampledControl(jnp.asarray([0.0, 9.0], DTYPE), jnp.asarray([[1.0], [2.0]], DTYPE))
    force = LinearDamping(jnp.asarray([0.7], DTYPE)) + ControlForce(None, control)
    model = eqx.tree_at(lambda m: m.force, driven_mass(), force)
    result = nl.fit(model, without_accelerations(pushes), optimizer=optax.sgd(1e-2), steps=3, horizon=2, key=KEY)
    assert eqx.tree_equal(result.model.force.terms[1], model.force.terms[1])
    assert not eqx.tree_equal(result.model.force.terms[0], model.force.terms[0])


def test_the_same_key_gives_the_same_weights_and_another_does_not(oscillations):
    data = without_accelerations(oscillations)

    def weights(key, steps=MAX_STEPS_TOGETHER + 3):
        trained = nl.fit(model_of(), data, optimizer=ADAM, steps=steps, horizon=2, key=key).model
        return np.concatenate([np.ravel(x) for x in jax.tree.leaves(eqx.filter(trained, eqx.is_inexact_array))])

    first = weights(KEY)
    np.testing.assert_array_equal(first, weights(KEY))
    assert np.any(first != weights(jax.random.key(1)))


@pytest.mark.bad_input
def test_one_bad_trajectory_is_left_out_and_counted(oscillations):
    """A recording of nonsense that makes rollouts overflow does not stop the training on the others."""
    ys = np.array(oscillations.ys)
    ys[-1] = 1e30 if jnp.float32 == DTYPE else 1e200
    data = nl.Trajectories(oscillations.ts[0], ys)
    with pytest.warns(UserWarning, match="windows diverged and were left out"):
        result = nl.fit(model_of(), data, optimizer=ADAM, steps=400, horizon=2, key=KEY)
    assert result.history.failures.sum() > 0
    assert not result.history.skipped.any()
    assert true_error(result.model) < 0.3


def test_nothing_usable_skips_the_step_and_leaves_the_weights(oscillations):
    ys = np.full_like(oscillations.ys, 1e30 if jnp.float32 == DTYPE else 1e200)
    model = model_of()
    with pytest.warns(UserWarning, match="3 of 3 steps had nothing usable"):
        result = nl.fit(model, nl.Trajectories(oscillations.ts[0], ys), optimizer=ADAM, steps=3, horizon=2, key=KEY)
    assert eqx.tree_equal(eqx.filter(model, eqx.is_array), eqx.filter(result.model, eqx.is_array))
    np.testing.assert_array_equal(result.history.failures, [128] * 3)
    history = r"History\(3 steps in .* s, last loss nan, 384 windows diverged, 3 steps skipped\)"
    assert re.fullmatch(rf"FitResult\(a NeuralLagrangian, {history}\)", repr(result))


@pytest.mark.slow
def test_the_model_s_own_controller_can_be_kept(oscillations):
    own = {"stepsize_controller": diffrax.PIDController(1e-5, 1e-5), "max_steps": 64}
    model = model_of(nl.NeuralODE, **own)
    result = nl.fit(model, without_accelerations(oscillations), optimizer=ADAM, steps=20, horizon=4, key=KEY)
    assert result.history.loss[-1] < result.history.loss[0]


def test_data_are_cast_to_the_model_s_precision(oscillations):
    if jnp.float64 != DTYPE:
        pytest.skip("one precision only")
    single = jax.tree.map(lambda x: x.astype(jnp.float32) if eqx.is_inexact_array(x) else x, model_of())
    result = nl.fit(single, without_accelerations(oscillations), optimizer=ADAM, steps=3, horizon=1, key=KEY)
    assert {x.dtype for x in jax.tree.leaves(eqx.filter(result.model, eqx.is_inexact_array))} == {jnp.dtype("float32")}


@pytest.mark.slow
def test_a_step_size_is_not_trained(oscillations):
    own = {"stepsize_controller": diffrax.ConstantStepSize(), "dt0": jnp.asarray(0.05, DTYPE)}
    model = model_of(nl.NeuralODE, solver=diffrax.Euler(), **own)
    result = nl.fit(model, without_accelerations(oscillations), optimizer=ADAM, steps=3, horizon=2, key=KEY)
    assert float(result.model.integration.dt0) == float(model.integration.dt0)
    assert not eqx.tree_equal(result.model.network, model.network)


def test_no_progress_bar_outside_a_terminal(oscillations, capfd):
    nl.fit(model_of(), without_accelerations(oscillations), optimizer=ADAM, steps=2, horizon=2, key=KEY)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"horizon": ()}, "`horizon` is empty"),
        ({"horizon": 50}, "`horizon` is 50 intervals of 1 samples"),
        ({"steps": 0}, "`steps` is 0"),
        ({"horizon": 2.5}, "`horizon` is 2.5; expected an integer"),
        ({"steps": (5,), "horizon": (1, 2)}, r"`steps` is \(5,\); expected at least 2, or 2 positive integers"),
        ({"optimizer": "adam"}, "`optimizer` is"),
        ({"batch_size": 0}, "`batch_size` is 0"),
    ],
)
def test_bad_options_are_named(keywords, message, oscillations):
    with pytest.raises(ValueError, match=message):
        nl.fit(model_of(), without_accelerations(oscillations), **{"key": KEY, "steps": 4, **keywords})


def test_steps_that_do_not_divide_go_to_the_first_stages():
    stages = stages_of(None, (1, 2, 3), 8, ADAM)
    assert [stage.steps for stage in stages] == [3, 3, 2]


@pytest.mark.bad_input
def test_models_without_weights_and_misfit_data_are_named(oscillations):
    with pytest.raises(ValueError, match="without floating-point arrays"):
        nl.fit(nl.NeuralODE(lambda y: y), oscillations, key=KEY)
    with pytest.raises(ValueError, match=r"`y` has shape \(2,\); expected \(4,\)"):
        nl.fit(nl.NeuralLagrangian(small_network(2)), without_accelerations(oscillations), steps=2, key=KEY)
    warnings.simplefilter("error")
