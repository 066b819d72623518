"""A Lagrangian and its forces as a diffrax term: for ordinary solvers, and for variational ones."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import Integration, StormerVerlet
from neural_lagrangian.mechanics import HolonomicConstraint, TangentPoint
from neural_lagrangian.systems import ChargedParticle, DampedOscillator, DoublePendulum, DrivenPendulum

from ..helpers import DOUBLE, DTYPE, LAGRANGIANS, slow, states

TS = jnp.linspace(0.0, 1.0, 6).astype(DTYPE)
TOLERANCE = 1e-12 if DOUBLE else 1e-4


def drag(t, q, v):
    return -0.3 * v + 0.1 * jnp.sin(t) * q


@pytest.mark.parametrize("name", LAGRANGIANS)
@pytest.mark.parametrize("force", [None, drag], ids=["free", "driven"])
def test_vector_field_is_velocity_and_acceleration(name, force):
    lagrangian, dof = LAGRANGIANS[name]
    t, q, v = (x[0] for x in states(dof, 1))
    ours = eqx.filter_jit(nl.EulerLagrangeTerm(lagrangian, force).vf)(t, jnp.concatenate([q, v]), None)
    expected = jnp.concatenate([v, nl.acceleration(lagrangian, t, q, v, force=force)])
    np.testing.assert_allclose(ours, expected, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("name", LAGRANGIANS)
def test_at_a_tangent_point_the_term_gives_momentum_and_force(name):
    lagrangian, dof = LAGRANGIANS[name]
    t, q, v = (x[0] for x in states(dof, 1))
    p, f = eqx.filter_jit(nl.EulerLagrangeTerm(lagrangian, drag).vf)(t, TangentPoint(q, v), None)
    np.testing.assert_allclose(p, nl.momentum(lagrangian, t, q, v), rtol=TOLERANCE, atol=TOLERANCE)
    expected = jax.grad(lagrangian, 1)(t, q, v) + drag(t, q, v)
    np.testing.assert_allclose(f, expected, rtol=TOLERANCE, atol=TOLERANCE)
    assert np.max(np.abs(f - jax.grad(lagrangian, 1)(t, q, v))) > 0.01


@pytest.mark.double
@pytest.mark.slow
def test_a_runge_kutta_solver_on_the_term_gives_the_motion_of_the_acceleration():
    lagrangian, _ = LAGRANGIANS["double_pendulum"]
    y0 = jnp.asarray([0.5, -0.3, 0.2, 0.4], DTYPE)
    term = nl.EulerLagrangeTerm(lagrangian, drag)

    def field(t, y, args):
        q, v = jnp.split(y, 2)
        return jnp.concatenate([v, nl.acceleration(lagrangian, t, q, v) + jnp.linalg.solve(M(t, q, v), drag(t, q, v))])

    def M(t, q, v):
        return nl.mass_matrix(lagrangian, t, q, v)

    @jax.jit
    def run():
        keywords = {"saveat": diffrax.SaveAt(ts=TS), "max_steps": 200}
        return [
            diffrax.diffeqsolve(term, diffrax.Tsit5(), 0.0, 1.0, 0.01, y0, **keywords).ys
            for term in (term, diffrax.ODETerm(field), nl.EulerLagrangeTerm(lagrangian))
        ]

    ours, theirs, without_force = run()
    np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-12)
    assert np.max(np.abs(ours - without_force)) > 1e-3


@pytest.mark.double
@pytest.mark.parametrize(
    ("make", "y0"),
    [
        slow(DoublePendulum, [0.5, -0.3, 0.2, 0.4]),
        slow(DampedOscillator, [1.0, 0.2]),
        (DrivenPendulum, [0.5, 0.1]),
        slow(ChargedParticle, None),
    ],
    ids=lambda make: getattr(make, "__name__", ""),
)
def test_systems_roll_out_by_a_variational_solver(make, y0):
    """Their Lagrangian and force, against the motion of their hand-derived acceleration."""
    fine = Integration(nl.GalerkinGaussLobatto(2), stepsize_controller=nl.StepsPerSample(20))
    coarse = Integration(StormerVerlet(), stepsize_controller=nl.StepsPerSample(2))
    y0 = make().sample_states(jax.random.key(0), 1)[0] if y0 is None else jnp.asarray(y0)

    @jax.jit
    def run():
        return make()(TS, y0), make(integration=fine)(TS, y0), make(integration=coarse)(TS, y0)

    reference, ours, rough = run()
    np.testing.assert_allclose(ours, reference, rtol=0, atol=2e-7 * np.max(np.abs(reference)))
    assert np.max(np.abs(rough - reference)) > 1e-5


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "message"),
    [((3.0,), "`lagrangian` is 3.0; expected a callable"), ((drag, "drag"), "`force` is 'drag'; expected a callable")],
)
def test_what_is_no_function_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        nl.EulerLagrangeTerm(*arguments)


@pytest.mark.bad_input
def test_a_constraint_is_refused_at_a_tangent_point():
    term = nl.EulerLagrangeTerm(LAGRANGIANS["oscillator"][0], constraint=HolonomicConstraint(lambda t, q: q))
    with pytest.raises(ValueError, match="variational solvers take no constraint"):
        term.vf(0.0, TangentPoint(jnp.ones(1), jnp.ones(1)), None)
