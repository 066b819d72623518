from functools import partial

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import RK4, Integration, StormerVerlet
from neural_lagrangian.systems import DoublePendulum

from ..helpers import DOUBLE, DTYPE, slow

TERM = diffrax.ODETerm(DoublePendulum().vector_field)
TS = jnp.asarray([0.0, 0.01, 0.05, 0.06, 0.1], DTYPE)
Y0 = jnp.asarray([0.5, -0.3, 0.2, 0.4], DTYPE)


@pytest.mark.parametrize(
    ("solver", "direction", "extra"),
    [
        (diffrax.Tsit5(), 1, 0),
        (diffrax.Heun(), -1, 5),
        slow(RK4(), -1, 0),
        slow(diffrax.Tsit5(), -1, 3),
        slow(diffrax.Dopri8(), 1, 3),
        slow(diffrax.Dopri8(), -1, 0),
        slow(RK4(), 1, 0),
    ],
    ids=lambda part: str(part) if isinstance(part, int) else type(part).__name__,
)
def test_scan_takes_the_steps_that_diffrax_takes(solver, direction, extra):
    """Values and gradients, forward and backward in time, on unequal samples."""
    integration = Integration(solver, stepsize_controller=nl.StepsPerSample(2, extra))
    ts = direction * TS

    def scanned(y0, ts):
        return integration.rollout(TERM, ts, y0)

    def stepped(y0, ts):
        return integration.solve(TERM, ts, y0).ys

    @partial(jax.jit, static_argnums=0)
    def motion_and_gradient(f, y0, ts):
        ys, pullback = jax.vjp(f, y0, ts)
        return ys, pullback(jnp.cos(ys))

    atol = 1e-11 if DOUBLE else 1e-4
    (ours, our_gradient), (theirs, their_gradient) = (motion_and_gradient(f, Y0, ts) for f in (scanned, stepped))
    np.testing.assert_allclose(ours, theirs, atol=atol)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=100 * atol), our_gradient, their_gradient)


@pytest.mark.parametrize(
    ("dt0", "max_steps", "lands"), [(0.05, 100, True), (0.025, 100, True), (0.04, 100, False), (0.05, 10, False)]
)
def test_constant_steps_that_end_at_known_samples_are_a_scan(dt0, max_steps, lands):
    """The states are those of the constant steps of diffrax, without its loop."""
    constant = {"stepsize_controller": diffrax.ConstantStepSize(), "dt0": dt0, "max_steps": max_steps}
    model = nl.NeuralLagrangian.from_lagrangian(DoublePendulum().lagrangian, RK4(), dof=2, **constant)
    ts = np.linspace(0, 1, 21)
    program = str(jax.make_jaxpr(lambda y0: model(ts, y0))(Y0))
    assert ("while[" not in program) == lands
    np.testing.assert_allclose(model(ts, Y0), model.solve(ts, Y0).ys, atol=1e-11 if DOUBLE else 1e-5)


def test_further_steps_go_to_the_longest_intervals():
    """No other way to deal them out has a shorter longest step."""
    for ts in (TS, -TS[::-1]):
        lengths = np.abs(np.diff(ts))
        counts = np.asarray(nl.StepsPerSample(1, 7).allotted(ts))
        assert counts.sum() == 11
        others = [c for c in np.ndindex(12, 12, 12, 12) if sum(c) == 11 and min(c) >= 1]
        best = min(np.max(lengths / np.asarray(c)) for c in others)
        assert np.max(lengths / counts) == pytest.approx(best)
    np.testing.assert_array_equal(nl.StepsPerSample(3).allotted(TS), [3, 3, 3, 3])


def test_a_variational_solver_takes_further_steps_too():
    term = nl.EulerLagrangeTerm(DoublePendulum().lagrangian)
    integration = Integration(StormerVerlet(), stepsize_controller=nl.StepsPerSample(1, 5))
    np.testing.assert_allclose(
        jax.jit(integration.rollout)(term, TS, Y0), jax.jit(integration.solve)(term, TS, Y0).ys, atol=1e-6
    )


def test_unweighted_stages_are_not_evaluated():
    """Tsit5's seventh stage serves its error estimate only: six evaluations a step."""
    calls = []

    def field(t, y, args):
        jax.debug.callback(lambda: calls.append(1))
        return -y

    integration = Integration(diffrax.Tsit5(), stepsize_controller=nl.StepsPerSample(1))
    jax.block_until_ready(integration.rollout(diffrax.ODETerm(field), TS, Y0))
    jax.effects_barrier()
    assert len(calls) == 6 * (len(TS) - 1)


def test_the_program_is_as_long_for_twenty_steps_a_sample_as_for_two():
    def size(substeps):
        integration = Integration(diffrax.Tsit5(), stepsize_controller=nl.StepsPerSample(substeps))
        gradient = jax.grad(lambda y0: jnp.sum(integration.rollout(TERM, TS, y0)))
        return jax.jit(gradient).lower(Y0).as_text().count("\n")

    assert size(20) == size(2)
    assert size(2) < 2 * size(1)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"stepsize_controller": diffrax.ConstantStepSize()}, "`dt0` is None; expected a step size"),
        ({"solver": diffrax.Euler()}, "`dt0` is None; expected a step size"),
        ({"max_steps": 0}, "`max_steps` is 0"),
        ({"dt0": 0.0}, "`dt0` is 0.0; expected a positive step size"),
        ({"solver": diffrax.Tsit5}, "`solver` is .*Tsit5'>; expected an instance of diffrax.AbstractSolver$"),
        ({"adjoint": "direct"}, "`adjoint` is 'direct'; expected an instance of diffrax.AbstractAdjoint or None$"),
        (
            {"stepsize_controller": 0.1},
            "is 0.1; expected an instance of diffrax.AbstractStepSizeController, StepsPerSample or None$",
        ),
    ],
)
def test_bad_options_are_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        Integration(**keywords)


@pytest.mark.bad_input
@pytest.mark.parametrize("substeps", [0, -1, 1.5])
def test_bad_substeps_are_named(substeps):
    with pytest.raises(ValueError, match="`substeps` is"):
        nl.StepsPerSample(substeps)
