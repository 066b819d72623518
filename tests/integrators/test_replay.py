"""The derivative of an explicit solve is that of its steps, whose stages are kept or computed again on the way back."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import RK4, replay
from neural_lagrangian.integrators.linearised_field import LinearisedField
from neural_lagrangian.integrators.replay import MAX_KEPT_STEPS, MIN_SPAN_STEPS
from neural_lagrangian.integrators.save_times import SaveTimes

from ..helpers import DOUBLE, DTYPE, slow, small_network

UNEVEN = jnp.asarray([0.0, 0.1, 0.13, 0.5, 0.9, 1.7, 2.0]).astype(DTYPE) + 3
Y0S = jax.random.normal(jax.random.key(1), (3, 4), DTYPE)
TOLERANCE = 1e-11 if DOUBLE else 1e-3
STEPS = {
    "adaptive": {},
    "rk4": {"solver": RK4(), "dt0": 0.03},
    "constant": {"stepsize_controller": diffrax.ConstantStepSize(), "dt0": 0.03},
    "dopri8": {"solver": diffrax.Dopri8()},
    "heun": {"solver": diffrax.Heun(), "stepsize_controller": diffrax.PIDController(rtol=1e-4, atol=1e-4)},
    "to given times": {"stepsize_controller": diffrax.StepTo(jnp.linspace(3.0, 5.0, 41).astype(DTYPE))},
}


def model_of(**options):
    return nl.NeuralLagrangian(small_network(), **options)


@eqx.filter_jit
def value_and_gradient(model, ts, y0s):
    """Of a number that every row has a part in, in weights and states."""
    weights, static = eqx.partition(model.network, eqx.is_inexact_array)
    shares = jax.random.normal(jax.random.key(2), (len(y0s), len(ts), y0s.shape[1]), y0s.dtype)

    def value(weights, y0s):
        whole = eqx.tree_at(lambda m: m.network, model, eqx.combine(weights, static))
        return jnp.sum(shares * jnp.sin(jax.vmap(whole, (None, 0))(ts, y0s)))

    return jax.value_and_grad(value, (0, 1))(weights, y0s)


@pytest.mark.parametrize("backward", [False, slow(True)], ids=["forward", "backward"])
@pytest.mark.parametrize("name", ["adaptive", *(slow(name) for name in list(STEPS)[1:])])
def test_the_gradient_is_that_of_the_adjoint_of_diffrax(name, backward):
    ts, options = UNEVEN, dict(STEPS[name])
    if backward:
        if name == "to given times":
            options["stepsize_controller"] = diffrax.StepTo(jnp.linspace(5.0, 3.0, 41).astype(DTYPE))
        ts = UNEVEN[::-1]
    ours = value_and_gradient(model_of(**options), ts, Y0S)
    theirs = value_and_gradient(model_of(**options, adjoint=diffrax.RecursiveCheckpointAdjoint()), ts, Y0S)
    for one, two in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(one, two, rtol=TOLERANCE, atol=TOLERANCE * float(jnp.abs(two).max()))


@pytest.mark.double
def test_derivatives_of_second_order_and_forward():
    """Of a rollout of several spans."""
    model = model_of(stepsize_controller=diffrax.ConstantStepSize(), dt0=0.05)
    assert model.solve(UNEVEN, Y0S[0]).stats["num_accepted_steps"] > 2 * MIN_SPAN_STEPS
    last = jax.jit(lambda y0: jnp.sum(jnp.sin(model(UNEVEN, y0)[-1])))
    gradient, h = jax.jit(jax.grad(last)), 1e-4
    units = h * jnp.eye(4)
    differences = jnp.stack([(gradient(Y0S[0] + e) - gradient(Y0S[0] - e)) / (2 * h) for e in units])
    for hessian in (jax.jacfwd(jax.grad(last)), jax.jacfwd(jax.jacfwd(last))):
        np.testing.assert_allclose(jax.jit(hessian)(Y0S[0]), differences, rtol=1e-6, atol=1e-6)


@pytest.mark.double
def test_the_derivative_in_weights_of_that_in_states():
    """The second derivative varies other arrays than the first."""
    model = model_of()
    weights, static = eqx.partition(model.network, eqx.is_inexact_array)
    direction = jax.tree.map(lambda x: jax.random.normal(jax.random.key(3), x.shape, x.dtype), weights)

    @jax.jit
    def gradient(s):
        moved = jax.tree.map(lambda x, d: x + s * d, weights, direction)
        whole = eqx.tree_at(lambda m: m.network, model, eqx.combine(moved, static))
        return jax.grad(lambda y0: jnp.sum(jnp.sin(whole(UNEVEN, y0))))(Y0S[0])

    h = 1e-5
    differences = (gradient(jnp.asarray(h)) - gradient(jnp.asarray(-h))) / (2 * h)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(gradient))(jnp.asarray(0.0)), differences, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["adaptive", slow("dopri8"), slow("constant")])
def test_the_value_beside_a_gradient_is_that_of_the_rollout(name):
    """The steps that keep their stages are the steps of the plain solve."""
    model = model_of(**STEPS[name])

    def rollout(y0s):
        return jax.vmap(model, (None, 0))(UNEVEN, y0s)

    beside, _ = jax.jit(lambda y0s: jax.vjp(rollout, y0s))(Y0S)
    np.testing.assert_allclose(beside, jax.jit(rollout)(Y0S), rtol=1e-13 if DOUBLE else 1e-5)


@pytest.mark.parametrize(("name", "samples"), [("adaptive", 7), slow("rk4", 3), slow("dopri8", 7)])
def test_the_stages_that_a_solve_keeps_are_those_of_its_steps_taken_again(name, samples):
    """No field is evaluated again on the way back. Places beyond the last step hold finite values."""
    integration, y0 = nl.integrators.Integration(**STEPS[name]), Y0S[0]
    ts = UNEVEN[:samples] - UNEVEN[0]
    clock = SaveTimes.of(ts, DTYPE)
    vf = eqx.filter_closure_convert(lambda t, y: model_of().vector_field(t, y), ts[0], y0)
    field = LinearisedField.of(vf, jax.tree.map(lambda _: None, vf), ts[0], y0)
    solve = integration._steps(clock, DTYPE, diffrax.ForwardMode())
    options = {"max_steps": integration.max_steps, "solver": integration.solver, "solve": solve}
    found, kept = eqx.filter_jit(replay._found)(vf, field, ts, y0, **options)
    again = replay._taken_again(found, integration.solver, jnp.zeros_like(found.count), field, y0)
    count = int(found.count)
    assert 2 < count < MIN_SPAN_STEPS <= MAX_KEPT_STEPS
    for one, two in zip(jax.tree.leaves(kept), jax.tree.leaves(again), strict=True):
        np.testing.assert_allclose(one[:count], two[:count], rtol=1e-10 if DOUBLE else 1e-3, atol=1e-10)
        np.testing.assert_array_equal(one[count:], jnp.broadcast_to(one[count - 1], one[count:].shape))


def test_rows_that_were_not_reached_are_infinite_and_leave_the_others_their_gradient():
    short = model_of(max_steps=8, stepsize_controller=diffrax.ConstantStepSize(), dt0=0.1)
    whole = model_of(stepsize_controller=diffrax.ConstantStepSize(), dt0=0.1)
    reached = short(UNEVEN, Y0S[0])
    np.testing.assert_array_equal(jnp.isfinite(reached).all(axis=1), UNEVEN < 3.81)

    @eqx.filter_jit
    def gradient(model):
        return jax.grad(lambda y0: jnp.sum(jnp.sin(model(UNEVEN, y0)[:4])))(Y0S[0])

    np.testing.assert_allclose(gradient(short), gradient(whole), rtol=1e-5)


def test_a_batch_whose_members_take_steps_of_their_own():
    """Slow and fast oscillations side by side have the gradients that each has alone."""
    model = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v + jnp.sum(jnp.cos(q)), dof=1)
    y0s = jnp.asarray([[0.01, 0.0], [3.1, 0.0], [1.0, 30.0]], DTYPE)
    steps = [int(model.solve(UNEVEN, y0).stats["num_accepted_steps"]) for y0 in y0s]
    assert max(steps) > 2 * min(steps)
    together = jax.jit(jax.grad(lambda y0s: jnp.sum(jax.vmap(model, (None, 0))(UNEVEN, y0s)[:, -1])))(y0s)
    alone = jax.jit(jax.grad(lambda y0: jnp.sum(model(UNEVEN, y0)[-1])))
    for one, y0 in zip(together, y0s, strict=True):
        np.testing.assert_allclose(one, alone(y0), rtol=1e-9 if DOUBLE else 1e-3)


@pytest.mark.double
def test_second_derivatives_through_a_loop_are_right_or_refused():
    """In a `lax.scan` that is differentiated twice, JAX drops what a function says of its own derivative."""
    model = nl.NeuralODE(lambda y: -jnp.sin(y[:1]), dof=1, dt0=0.1, stepsize_controller=diffrax.ConstantStepSize())
    ts = jnp.asarray([0.0, 0.25, 0.5])

    def last(y0, adjoint=None):
        wrapped = eqx.tree_at(lambda m: m.integration.adjoint, model, adjoint, is_leaf=lambda x: x is None)
        return jnp.sum(jnp.sin(jax.lax.scan(lambda y, _: (wrapped(ts, y)[-1], None), y0, length=2)[0]))

    y0 = jnp.asarray([1.0, 0.5])
    expected = jax.jit(jax.jacfwd(jax.grad(lambda y0: last(y0, diffrax.DirectAdjoint()))))(y0)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(jax.grad(last)))(y0), expected, rtol=1e-8)
    with pytest.raises(ValueError, match="Reverse-mode differentiation"):
        jax.jit(jax.jacrev(jax.grad(last)))(y0)
