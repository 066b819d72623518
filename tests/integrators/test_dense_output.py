"""Dense output of variational solvers: meets the steps, has a derivative everywhere, and finds events."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import StormerVerlet, VariationalMidpoint

from ..helpers import DTYPE, slow

SOLVERS = [StormerVerlet(), VariationalMidpoint(), nl.GalerkinGaussLobatto(2)]
TERM = nl.EulerLagrangeTerm(lambda t, q, v: 0.5 * jnp.dot(v, v) + jnp.sum(jnp.cos(q)))
Y0 = jnp.asarray([1.0, 0.3], DTYPE)
TS = jnp.linspace(0.0, 1.0, 9).astype(DTYPE)
PLACES = jnp.asarray([0.0, 0.05, 0.125, 0.2, 0.5, 1.0], DTYPE)
"""Ends of steps, the first and the last among them, and times between."""


def dense(solver, ts=TS):
    saveat = diffrax.SaveAt(t0=True, steps=True, dense=True)
    keywords = {"saveat": saveat, "stepsize_controller": diffrax.StepTo(ts), "max_steps": 16}
    return diffrax.diffeqsolve(TERM, solver, ts[0], ts[-1], None, Y0, **keywords)


@pytest.mark.parametrize("solver", SOLVERS, ids=str)
def test_it_meets_the_steps_to_the_last_bit_and_its_derivative_is_the_vector_field(solver):
    @jax.jit
    def run():
        solution = dense(solver)
        rates = jax.vmap(solution.derivative)(PLACES)
        fields = jax.vmap(lambda t: TERM.vf(t, solution.evaluate(t), None))(PLACES)
        return jax.vmap(solution.evaluate)(TS), solution.ys[: len(TS)], rates, fields

    met, ys, rates, fields = run()
    np.testing.assert_array_equal(met[1:], ys[1:])
    tolerance = 2e-5 if isinstance(solver, nl.GalerkinGaussLobatto) else 5e-2
    np.testing.assert_allclose(rates, fields, rtol=0, atol=tolerance)
    assert np.max(np.abs(fields)) > 0.5


@pytest.mark.double
@pytest.mark.parametrize("solver", SOLVERS, ids=str)
def test_its_velocity_is_the_slope_of_its_coordinates(solver):
    @jax.jit
    def run():
        solution = dense(solver)
        return jax.vmap(solution.derivative)(PLACES)[:, 0], jax.vmap(solution.evaluate)(PLACES)[:, 1]

    slope, velocity = run()
    np.testing.assert_allclose(slope, velocity, rtol=0, atol=1e-12)


@pytest.mark.parametrize("solver", [*map(slow, SOLVERS[:-1]), SOLVERS[-1]], ids=str)
def test_a_row_moves_with_its_save_time_at_the_velocity(solver):
    """Whether it falls on the end of a step, as 0.5 and 1.0 do, or not; and against the starting time."""
    model = nl.NeuralLagrangian.from_lagrangian(
        TERM.lagrangian, solver, dof=1, dt0=0.125, stepsize_controller=diffrax.ConstantStepSize()
    )
    ts = jnp.asarray([0.0, 0.3, 0.5, 1.0], DTYPE)
    rows, moved = jax.jit(lambda: (model(ts, Y0), jax.jacrev(lambda ts: model(ts, Y0)[:, 0])(ts)))()
    tolerance = 1e-4 if isinstance(solver, nl.GalerkinGaussLobatto) else 2e-2
    np.testing.assert_allclose(np.diag(moved)[1:], rows[1:, 1], rtol=0, atol=tolerance)
    np.testing.assert_allclose(moved[1:, 0], -rows[1:, 1], rtol=0, atol=tolerance)


@pytest.mark.parametrize("solver", SOLVERS, ids=str)
def test_an_event_is_where_the_motion_says(solver):
    """A ball dropped from 1 m: the root finder starts at the end of a step."""
    term = nl.EulerLagrangeTerm(lambda t, q, v: 0.5 * jnp.dot(v, v) - 9.81 * q[0])
    tolerance = 1e-10 if jnp.float64 == DTYPE else 1e-5
    event = diffrax.Event(lambda t, y, args, **keywords: y[0], optx.Newton(tolerance, tolerance))

    @jax.jit
    def impact(height):
        y0 = jnp.stack([height, jnp.zeros_like(height)])
        t0, t1, dt0 = (jnp.asarray(t, DTYPE) for t in (0.0, 2.0, 0.05))
        return diffrax.diffeqsolve(term, solver, t0, t1, dt0, y0, event=event, throw=False, max_steps=64)

    solution = impact(jnp.asarray(1.0, DTYPE))
    assert solution.result == diffrax.RESULTS.event_occurred
    np.testing.assert_allclose(solution.ts[-1], np.sqrt(2 / 9.81), rtol=1e-8 if tolerance < 1e-6 else 1e-4)
