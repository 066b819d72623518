"""Laws of every rollout: gradients, batching, compilation, agreement of solvers, honest failure."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics import DampedInverse
from neural_lagrangian.models import with_precision
from neural_lagrangian.systems import DoublePendulum

from ..helpers import DOUBLE, DTYPE, SOLVERS, central_difference, inner, random_like, slow, slow_but, small_network

TS = jnp.linspace(0.0, 0.4, 6).astype(DTYPE)
Y0 = jnp.asarray([0.4, -0.3, 0.2, 0.5], DTYPE)
CONSTANT = {"stepsize_controller": diffrax.ConstantStepSize(), "dt0": 0.04}


def lagrangian_model(solver=None, **keywords):
    return nl.NeuralLagrangian(small_network(), solver, **(keywords or CONSTANT))


def node_model(solver=None, **keywords):
    return nl.NeuralODE(small_network(out=2), solver, **(keywords or CONSTANT))


def hamiltonian_model(solver=None, **keywords):
    return nl.HamiltonianNetwork(small_network(), solver, **(keywords or CONSTANT))


MODELS = [lagrangian_model, node_model, hamiltonian_model]


@eqx.filter_jit
def run(model, y0):
    return model(TS, y0)


def loss_of(model):
    """A scalar of (parameters, y0, ts), as a function of their differentiable part."""
    params, static = eqx.partition(model, eqx.is_inexact_array)

    def loss(x):
        params, y0, ts = x
        return jnp.sum(jnp.sin(3 * eqx.combine(params, static)(ts, y0)[1:]))

    return jax.jit(loss), (params, Y0, TS)


def assert_gradient_is_right(model, gradient=jax.grad):
    loss, x = loss_of(model)
    direction = random_like(x)
    with_value = jax.jit(gradient(lambda x: (loss(x),) * 2, has_aux=True))  # compiled once for both sides
    reverse = inner(with_value(x)[0], direction)
    difference = central_difference(lambda x: with_value(x)[1], x, direction, 2e-4)
    assert float(reverse) == pytest.approx(float(difference), rel=1e-6)


@pytest.mark.double
@pytest.mark.parametrize(
    ("make", "adjoint"),
    [
        (lagrangian_model, diffrax.RecursiveCheckpointAdjoint()),
        slow(node_model, diffrax.DirectAdjoint()),
        slow(node_model, diffrax.ForwardMode()),
        slow(lagrangian_model, diffrax.DirectAdjoint()),
        slow(lagrangian_model, diffrax.ForwardMode()),
        slow(node_model, diffrax.RecursiveCheckpointAdjoint()),
    ],
    ids=lambda part: getattr(part, "__name__", type(part).__name__),
)
def test_gradient_in_parameters_state_and_times(make, adjoint):
    gradient = jax.jacfwd if isinstance(adjoint, diffrax.ForwardMode) else jax.grad
    assert_gradient_is_right(make(adjoint=adjoint, **CONSTANT), gradient)


@pytest.mark.double
@pytest.mark.parametrize("make", MODELS)
def test_gradient_of_the_training_rollout(make):
    model = make(stepsize_controller=nl.StepsPerSample(2))
    assert_gradient_is_right(model)
    assert_gradient_is_right(model, jax.jacfwd)


@pytest.mark.double
@pytest.mark.slow
def test_gradient_with_adaptive_steps():
    tight = diffrax.PIDController(rtol=1e-11, atol=1e-11)
    loss, x = loss_of(lagrangian_model(stepsize_controller=tight))
    params, y0, _ = x
    smooth = lambda z: loss((*z, TS))  # noqa: E731 - save times move with accepted steps: not differentiated here
    direction = random_like((params, y0))
    reverse = inner(jax.jit(jax.grad(smooth))((params, y0)), direction)
    assert float(reverse) == pytest.approx(float(central_difference(smooth, (params, y0), direction, 1e-3)), rel=1e-6)


@pytest.mark.double
@pytest.mark.slow
def test_gradient_with_an_implicit_solver():
    assert_gradient_is_right(lagrangian_model(SOLVERS["kvaerno5"], **CONSTANT))


@pytest.mark.double
@pytest.mark.slow
def test_backsolve_adjoint_runs_and_approximates():
    """Its gradients are approximate by nature: they approach the true one with the tolerance."""
    tight = diffrax.PIDController(rtol=1e-9, atol=1e-9)
    loss, (params, y0, _) = loss_of(
        lagrangian_model(stepsize_controller=tight, adjoint=diffrax.BacksolveAdjoint(stepsize_controller=tight))
    )
    direction = random_like(params)
    fixed = lambda p: loss((p, y0, TS))  # noqa: E731
    reverse = inner(jax.jit(jax.grad(fixed))(params), direction)
    assert float(reverse) == pytest.approx(float(central_difference(fixed, params, direction, 1e-3)), rel=1e-4)


@pytest.mark.double
@pytest.mark.parametrize(
    "controller", [nl.StepsPerSample(2), pytest.param(None, marks=pytest.mark.slow)], ids=["scan", "diffrax"]
)
def test_hessian_vector_product_of_a_rollout_loss(controller):
    """Forward over reverse, against central differences of the gradient."""
    keywords = {"stepsize_controller": controller} if controller else {"adjoint": diffrax.DirectAdjoint(), **CONSTANT}
    loss, x = loss_of(lagrangian_model(**keywords))
    direction = random_like(x)
    gradient = jax.jit(jax.grad(loss))
    product = jax.jit(lambda x, d: jax.jvp(jax.grad(loss), (x,), (d,))[1])(x, direction)
    difference = central_difference(gradient, x, direction, 2e-4)
    norm = float(jnp.sqrt(inner(difference, difference)))
    error = jax.tree.map(lambda a, b: a - b, product, difference)
    assert float(jnp.sqrt(inner(error, error))) < 1e-6 * norm


@pytest.mark.parametrize(
    ("make", "controller"),
    [
        *((make, nl.StepsPerSample(1)) for make in MODELS),
        (lagrangian_model, diffrax.ConstantStepSize()),
        slow(node_model, diffrax.ConstantStepSize()),
        slow(hamiltonian_model, diffrax.ConstantStepSize()),
    ],
    ids=lambda part: getattr(part, "__name__", type(part).__name__),
)
def test_vmap_equals_loop_and_jit_equals_eager(make, controller):
    model = make(stepsize_controller=controller, dt0=0.04)
    y0s = Y0[None] + 0.1 * jnp.arange(3, dtype=DTYPE)[:, None]
    batched = eqx.filter_jit(jax.vmap(model, (None, 0)))(TS, y0s)
    tolerance = 1e-12 if DOUBLE else 1e-5
    for i in range(3):
        np.testing.assert_allclose(batched[i], model(TS, y0s[i]), rtol=tolerance, atol=tolerance)


@pytest.mark.double
@pytest.mark.parametrize("name", slow_but(SOLVERS, "heun", "rk4"))
def test_any_solver_approaches_the_same_motion(name):
    step = 1e-4 if name == "euler" else 2e-3
    model = lagrangian_model(SOLVERS[name], stepsize_controller=diffrax.ConstantStepSize(), dt0=step, max_steps=10_000)
    reference = lagrangian_model(stepsize_controller=diffrax.PIDController(rtol=1e-11, atol=1e-11))
    tolerance = {"euler": 1e-3, "heun": 1e-5}.get(name, 1e-9)
    np.testing.assert_allclose(run(model, Y0), run(reference, Y0), atol=tolerance)


@pytest.mark.double
@pytest.mark.slow
def test_stiff_and_non_stiff_solvers_agree_to_tolerance():
    adaptive = {"stepsize_controller": diffrax.PIDController(rtol=1e-8, atol=1e-8)}
    explicit = run(lagrangian_model(diffrax.Tsit5(), **adaptive), Y0)
    implicit = run(lagrangian_model(diffrax.Kvaerno5(), **adaptive), Y0)
    np.testing.assert_allclose(explicit, implicit, atol=1e-6)


@pytest.mark.bad_input
def test_rollout_starts_at_y0_and_defaults_are_adaptive():
    model = nl.NeuralLagrangian(small_network())
    solution = model.solve(TS, Y0)
    assert solution.result == diffrax.RESULTS.successful
    np.testing.assert_array_equal(solution.ys[0], Y0)
    np.testing.assert_allclose(model(TS, Y0), solution.ys, rtol=1e-6)
    assert solution.stats["num_accepted_steps"] != len(TS) - 1


def test_backward_in_time_returns():
    model = nl.NeuralLagrangian(small_network())
    there = model(TS, Y0)[-1]
    np.testing.assert_allclose(model(TS[::-1], there)[-1], Y0, atol=1e-6 if DOUBLE else 1e-3)


def test_a_failed_solve_says_so_and_never_raises():
    model = nl.NeuralLagrangian(small_network(), max_steps=1, stepsize_controller=diffrax.PIDController(1e-9, 1e-9))
    solution = eqx.filter_jit(model.solve)(TS, Y0)
    assert solution.result == diffrax.RESULTS.max_steps_reached
    assert jnp.all(jnp.isinf(solution.ys[-1]))


@pytest.mark.parametrize("controller", [nl.StepsPerSample(1), None], ids=["fixed", "adaptive"])
def test_compiled_once_for_every_network_of_one_shape(controller):
    traces = []

    @eqx.filter_jit
    def run(model, y0):
        traces.append(1)
        return model(TS, y0)

    for seed in range(3):
        run(nl.NeuralLagrangian(small_network(seed=seed), stepsize_controller=controller), Y0 * (1 + seed))
    assert len(traces) == 1


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("ts", "y0", "message"),
    [
        (TS, jnp.zeros(4, int), "`y0` has dtype int"),
        (TS, [0, 0, 1, 1], "`y0` has dtype int"),
        (jnp.arange(4), Y0, "`ts` has dtype int"),
        (TS, jnp.zeros(3), r"`y0` has shape \(3,\)"),
        (TS, jnp.zeros((2, 4)), r"`y0` has shape \(2, 4\)"),
        (TS, jnp.zeros(6), r"`y` has shape \(6,\); expected \(4,\)"),
        (jnp.zeros((2, 3)), Y0, r"`ts` has shape \(2, 3\)"),
        (TS[:1], Y0, "at least two times"),
        (jnp.asarray([0.0, 0.2, 0.1]), Y0, r"ts\[1\] = .*ts\[2\]"),
        (jnp.asarray([0.0, 0.2, 0.2]), Y0, r"not strictly monotonic and finite: ts\[1\]"),
        (jnp.asarray([0.0, jnp.nan, 0.2]), Y0, "not strictly monotonic and finite"),
        (TS, "state", "`y0` cannot be read as an array"),
    ],
)
def test_bad_rollout_arguments_are_named(ts, y0, message):
    with pytest.raises(ValueError, match=message):
        nl.NeuralLagrangian(small_network())(ts, y0)


@pytest.mark.double
@pytest.mark.parametrize("controller", [nl.StepsPerSample(1), None], ids=["scan", "diffrax"])
def test_a_state_of_another_precision_than_the_model_is_named(controller):
    model = nl.NeuralODE(small_network(out=2), stepsize_controller=controller)
    # An old diffrax says that the terms do not fit, and leaves our words to the cause, printed above its own.
    either = "computes in float64|Terms are not compatible"
    with jax.numpy_dtype_promotion("standard"), pytest.raises(ValueError, match=either) as refused:
        model(TS, Y0.astype(jnp.float32))
    said = f"{refused.value.__cause__} {refused.value}"
    assert "`y0` has dtype float32, but the model computes in float64" in said


@pytest.mark.bad_input
@pytest.mark.parametrize("make", [lagrangian_model, hamiltonian_model, node_model, lambda: DoublePendulum()])
def test_args_that_nothing_takes_are_refused(make):
    for call in (lambda m: m.vector_field(0.0, Y0, 99.0), lambda m: m.solve(TS, Y0, 99.0)):
        with pytest.raises(ValueError, match=r"`args` is 99\.0; expected None"):
            call(make())


@pytest.mark.bad_input
@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision_is_refused_by_name(dtype):
    model = nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v, dof=2)
    with pytest.raises(ValueError, match=f"`y0` has dtype {jnp.dtype(dtype)}; expected a real floating dtype, float32"):
        model(TS.astype(dtype), Y0.astype(dtype))
    with pytest.raises(ValueError, match=f"`q` has dtype {jnp.dtype(dtype)}"):
        nl.acceleration(model.lagrangian, 0.0, jnp.ones(3, dtype), jnp.ones(3, dtype), mass_solve=DampedInverse())
    with pytest.raises(ValueError, match=f"`dtype` is {jnp.dtype(dtype)}; expected float32 or float64"):
        with_precision(model, dtype)


def test_forward_mode_names_the_adjoint_that_has_it():
    def last(y0, adjoint=None, solver=None):
        model = nl.NeuralLagrangian.from_lagrangian(
            lambda t, q, v: 0.5 * v @ v + jnp.sum(jnp.cos(q)), solver, dof=2, adjoint=adjoint
        )
        return model(TS, y0)[-1, 0]

    for options in ({"adjoint": diffrax.RecursiveCheckpointAdjoint()}, {"solver": SOLVERS["kvaerno5"]}):
        with pytest.raises(TypeError, match=r"expected adjoint=diffrax.DirectAdjoint\(\)"):
            jax.jacfwd(last)(Y0, **options)
    forward = jax.jit(jax.jacfwd(lambda y0: last(y0, diffrax.DirectAdjoint())))(Y0)
    np.testing.assert_allclose(forward, jax.jit(jax.grad(last))(Y0), rtol=1e-5, atol=1e-5)
