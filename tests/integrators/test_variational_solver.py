"""Variational solvers in diffrax: directions, steps, what is saved, jumps, failures, both precisions."""

from functools import partial

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import Integration, StormerVerlet, VariationalMidpoint
from neural_lagrangian.mechanics import HolonomicConstraint

from ..helpers import DOUBLE, DTYPE, slow, small_network
from .motions import TERM, Y0, drag, driven

SOLVERS = [StormerVerlet(), VariationalMidpoint(), nl.GalerkinGaussLobatto(2)]
GGL = nl.GalerkinGaussLobatto(1)
TOLERANCE = 1e-13 if DOUBLE else 2e-5
TS = jnp.asarray([0.0, 0.2, 0.3, 0.7], DTYPE)
SUCCESS = diffrax.RESULTS.successful


@eqx.filter_jit
def solved(term, solver, ts, y0, dt0=None, **keywords):
    return diffrax.diffeqsolve(term, solver, ts[0], ts[-1], dt0, y0, throw=False, **keywords)


@partial(jax.jit, static_argnums=(0, 3))
def scanned(solver, ts, y0, substeps=1):
    return Integration(solver, stepsize_controller=nl.StepsPerSample(substeps)).rollout(TERM, ts, y0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("solver", "direction"),
    [(StormerVerlet(), -1), (VariationalMidpoint(), 1), (GGL, 1), (nl.GalerkinGaussLobatto(2), -1)],
    ids=str,
)
def test_diffrax_takes_the_steps_of_the_scan(solver, direction):
    """Unequal steps, forward and backward in time."""
    ts = direction * TS
    keywords = {"stepsize_controller": diffrax.StepTo(ts), "saveat": diffrax.SaveAt(ts=ts)}
    solution = solved(TERM, solver, ts, Y0, **keywords)
    assert solution.result == SUCCESS
    np.testing.assert_allclose(solution.ys, scanned(solver, ts, Y0), rtol=0, atol=TOLERANCE)
    assert np.max(np.abs(solution.ys - scanned(solver, ts, Y0, 2))) > 1e-6


@pytest.mark.slow
def test_constant_steps_backward_in_time():
    direction = -1.0
    ts = direction * jnp.linspace(0.0, 0.8, 9).astype(DTYPE)
    saveat = diffrax.SaveAt(t0=True, steps=True)
    solution = solved(TERM, GGL, ts, Y0, direction * 0.1, saveat=saveat, max_steps=16)
    np.testing.assert_allclose(solution.ys[:9], scanned(GGL, ts, Y0), rtol=0, atol=4 * TOLERANCE)
    np.testing.assert_allclose(solution.ts[:9], ts, atol=TOLERANCE)
    assert solution.stats["num_steps"] == 8


@pytest.mark.slow
def test_dense_output_meets_the_steps_and_is_the_motion_between_them():
    saveat = diffrax.SaveAt(t0=True, steps=True, dense=True)
    keywords = {"stepsize_controller": diffrax.StepTo(TS), "max_steps": 8}
    solution = solved(TERM, GGL, TS, Y0, saveat=saveat, **keywords)
    dense = jax.vmap(solution.evaluate)
    np.testing.assert_allclose(dense(TS), solution.ys[:4], rtol=0, atol=TOLERANCE)
    between = jnp.asarray([0.05, 0.13, 0.29, 0.5], DTYPE)
    sampled = solved(TERM, GGL, TS, Y0, saveat=diffrax.SaveAt(ts=between), **keywords).ys
    np.testing.assert_allclose(sampled, dense(between), rtol=0, atol=TOLERANCE)
    fine = scanned(nl.GalerkinGaussLobatto(2), jnp.concatenate([TS[:1], between]), Y0, 20)[1:]
    errors = np.abs(sampled - fine)
    assert np.max(errors[:, :2]) < 3e-2
    assert np.max(errors[:, 2:]) < 0.1
    assert np.max(errors) > 1e-3
    difference = solution.evaluate(between[0], between[2])
    np.testing.assert_allclose(difference, sampled[2] - sampled[0], rtol=0, atol=4 * TOLERANCE)


@pytest.mark.double
def test_velocity_between_steps_is_the_slope_of_the_coordinates_where_nothing_is_to_be_met():
    """Of a free particle, exactly: both are straight lines, of the same slope."""
    free = nl.EulerLagrangeTerm(lambda t, q, v: jnp.dot(v, v))
    saveat = diffrax.SaveAt(ts=jnp.asarray([0.13, 0.6]))
    q, v = jnp.split(solved(free, GGL, TS, Y0, saveat=saveat, stepsize_controller=diffrax.StepTo(TS)).ys, 2, axis=1)
    np.testing.assert_allclose(v, jnp.stack([Y0[2:]] * 2), atol=1e-14)
    np.testing.assert_allclose(q, Y0[None, :2] + saveat.subs.ts[:, None] * Y0[None, 2:], atol=1e-14)


def switched_on(t, q, v):
    """A vector potential switched on at a time: the momentum jumps, the velocity does not."""
    potential = jnp.where(t < 0.35, 0.0, 3.0).astype(q.dtype)
    return 0.5 * jnp.dot(v, v) - 0.5 * jnp.dot(q, q) + potential * v[0]


def test_momentum_is_formed_anew_after_a_jump():
    """From the velocity, which is what both sides of the jump have in common."""
    term = nl.EulerLagrangeTerm(switched_on)
    t0, t1 = jnp.asarray(0.4, DTYPE), jnp.asarray(0.5, DTYPE)

    @jax.jit
    def steps():
        before = GGL.init(term, jnp.asarray(0.3, DTYPE), t0, Y0, None)
        after = GGL.init(term, t0, t1, Y0, None)

        def step(state, made_jump):
            return GGL.step(term, t0, t1, Y0, None, state, jnp.asarray(made_jump))[0]

        return step(before, True), step(after, False), step(before, False)

    aware, expected, unaware = steps()
    np.testing.assert_array_equal(aware, expected)
    assert np.max(np.abs(unaware - expected)) > 1


@pytest.mark.bad_input
def test_adaptive_steps_are_refused():
    with pytest.raises(RuntimeError, match="error estimates"):
        diffrax.diffeqsolve(TERM, GGL, 0.0, 1.0, 0.1, Y0, stepsize_controller=diffrax.PIDController(1e-6, 1e-6))


def singular(t, q, v):
    """The second velocity has no mass."""
    return 0.5 * v[0] ** 2 - 0.5 * jnp.dot(q, q)


def relativistic(t, q, v):
    """No momentum leads to a speed above one, and no step to one either: a fast start has no motion."""
    return -jnp.sqrt(1 - jnp.dot(v, v)) - 0.5 * jnp.dot(q, q)


def bounded_momentum(t, q, v):
    """A velocity's momentum is never above one, and the push carries it beyond."""
    return jnp.sum(jnp.sqrt(1 + v**2)) + 5 * jnp.sum(q)


@pytest.mark.parametrize(
    ("lagrangian", "solver"),
    [(singular, StormerVerlet()), slow(relativistic, GGL), slow(bounded_momentum, GGL)],
    ids=lambda part: getattr(part, "__name__", ""),
)
def test_a_step_without_solution_fails_and_never_raises(lagrangian, solver):
    """With infinite rows; and the neighbours in a batch do not notice."""
    ts = jnp.linspace(0.0, 1.0, 5).astype(DTYPE)
    hopeless = jnp.asarray([0.1, 0.2, 0.9, 0.9], DTYPE)

    def mixed(good):
        def one(t, q, v):
            safe = jnp.where(good, v, jnp.zeros_like(v))
            bad = jnp.where(good, jnp.zeros_like(v), v)
            plain = 0.5 * jnp.dot(safe, safe) - 0.5 * jnp.dot(q, q)
            return jnp.where(good, plain, lagrangian(t, q, bad))

        return nl.NeuralLagrangian.from_lagrangian(one, solver, dof=2)

    def run(good):
        solution = mixed(good).solve(ts, hopeless)
        return solution.result == SUCCESS, solution.ys, mixed(good)(ts, hopeless)

    good, solved_rows, scanned_rows = jax.jit(jax.vmap(run))(jnp.asarray([True, False, True]))
    np.testing.assert_array_equal(good, [True, False, True])
    for rows in (solved_rows, scanned_rows):
        np.testing.assert_array_equal(rows[0], rows[2])
        assert np.all(np.isfinite(rows[0]))
        assert not np.any(np.isfinite(rows[1][-1]))
    np.testing.assert_allclose(solved_rows[0], scanned_rows[0], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(scanned_rows[0], jax.jit(lambda: run(True)[2])(), rtol=0, atol=TOLERANCE)


@pytest.mark.slow
def test_vmap_equals_loop_and_jit_equals_eager():
    model = nl.NeuralLagrangian.from_lagrangian(driven, GGL, dof=2, stepsize_controller=nl.StepsPerSample(2))
    y0s = Y0[None] + 0.1 * jnp.arange(3, dtype=DTYPE)[:, None]
    together = jax.jit(jax.vmap(model, (None, 0)))(TS, y0s)
    alone = jax.jit(model)
    for rows, y0 in zip(together, y0s, strict=True):
        np.testing.assert_allclose(rows, alone(TS, y0), rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(together[0], model(TS, y0s[0]), rtol=0, atol=TOLERANCE)


def test_known_formulas_of_separable_systems():
    """Velocity Verlet, and the implicit midpoint rule, written out."""
    h = 0.1

    def pendulum(t, q, v):
        return 0.5 * jnp.dot(v, v) + jnp.sum(jnp.cos(q))

    q, v = verlet = np.asarray([1.0, -0.2]), np.asarray([0.3, 0.5])
    y0, ts = jnp.asarray(np.concatenate(verlet), DTYPE), jnp.asarray([0.0, h], DTYPE)
    half = v - h / 2 * np.sin(q)
    q1 = q + h * half
    expected = np.concatenate([q1, half - h / 2 * np.sin(q1)])
    verlet = nl.NeuralLagrangian.from_lagrangian(pendulum, StormerVerlet(), dof=2)(ts, y0)[-1]
    np.testing.assert_allclose(verlet, expected, atol=TOLERANCE)
    q1, v1 = np.split(
        np.asarray(nl.NeuralLagrangian.from_lagrangian(pendulum, VariationalMidpoint(), dof=2)(ts, y0)[-1]), 2
    )
    np.testing.assert_allclose(q1, q + h * (v + v1) / 2, atol=TOLERANCE)
    np.testing.assert_allclose(v1, v - h * np.sin((q + q1) / 2), atol=TOLERANCE)
    assert np.max(np.abs(np.concatenate([q1, v1]) - expected)) > 1e-4


def test_single_precision_is_kept():
    """To its round-off, of a motion computed in the precision of the state."""
    rows = jax.jit(lambda y0: nl.NeuralLagrangian.from_lagrangian(driven, GGL, dof=2, force=drag)(TS, y0))(
        Y0.astype(jnp.float32)
    )
    assert rows.dtype == jnp.float32
    np.testing.assert_allclose(rows, scanned(GGL, TS, Y0), atol=2e-5)


def test_a_network_is_compiled_once():
    traces = []

    @eqx.filter_jit
    def run(model, y0):
        traces.append(1)
        return model(TS, y0)

    for seed in range(2):
        model = nl.NeuralLagrangian(small_network(seed=seed), GGL, stepsize_controller=nl.StepsPerSample())
        run(model, jnp.ones(4, DTYPE))
    assert len(traces) == 1


@pytest.mark.bad_input
@pytest.mark.parametrize("r", [-1, 1.5, True, "2"])
def test_bad_numbers_of_nodes_are_named(r):
    with pytest.raises(ValueError, match=r"`r` is .*; expected an integer >= 0"):
        nl.GalerkinGaussLobatto(r)


@pytest.mark.bad_input
@pytest.mark.parametrize("solver", SOLVERS, ids=str)
@pytest.mark.parametrize("controller", [nl.StepsPerSample(), None], ids=["scan", "diffrax"])
def test_models_without_a_lagrangian_are_refused(solver, controller):
    model = nl.NeuralODE(small_network(out=2), solver, stepsize_controller=controller)
    with pytest.raises(ValueError, match=r"`solver` is .*, which needs a Lagrangian"):
        model(TS, Y0)
    with pytest.raises(ValueError, match=r"`solver` is .*, which needs a Lagrangian"):
        model.solve(TS, Y0)


@pytest.mark.bad_input
def test_a_plain_vector_field_is_refused():
    with pytest.raises(ValueError, match="EulerLagrangeTerm"):
        diffrax.diffeqsolve(diffrax.ODETerm(lambda t, y, args: -y), GGL, 0.0, 1.0, 0.1, Y0)


@pytest.mark.bad_input
def test_constraints_are_refused():
    constraint = HolonomicConstraint(lambda t, q: jnp.dot(q, q)[None] - 1)
    model = nl.NeuralLagrangian.from_lagrangian(driven, GGL, dof=2, constraint=constraint)
    for run in (model, model.solve):
        with pytest.raises(ValueError, match="take no `constraint`"):
            run(TS, Y0)
    with pytest.raises(ValueError, match="variational solvers take no constraint"):
        diffrax.diffeqsolve(model.term(Y0), GGL, 0.0, 1.0, 0.1, Y0)
