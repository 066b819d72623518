"""Recorded controls enter the search for a formula: in both forms, with damping, and with motors that mix."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.discovery import Library, UndeterminedWarning, sparse_lagrangian
from neural_lagrangian.models import with_control

from ..helpers import slow
from .cases import largest_error

pytestmark = pytest.mark.double
TS = np.arange(0, 5, 0.02)


def driven_pendulum(damping=0.0, matrix=((1.0,),), m=1):
    """Twelve motions under sums of sines, with accelerations and the controls that made them."""
    rng = np.random.default_rng(0)
    w, p, size = rng.uniform(1, 6, (12, 3, m)), rng.uniform(0, 6, (12, 3, m)), rng.uniform(0, 2, (12, 3, m))
    us = np.sum(size[:, None] * np.sin(w[:, None] * TS[:, None, None] + p[:, None]), axis=2)
    y0s = np.column_stack([rng.uniform(-2, 2, 12), np.zeros(12)])
    G = jnp.asarray(matrix)

    def one(y0, w, p, size):
        def field(t, y, _):
            u = jnp.sum(size * jnp.sin(w * t + p), axis=0)
            return jnp.concatenate([y[1:], -9.81 * jnp.sin(y[:1]) - damping * y[1:] + G @ u])

        import diffrax

        return diffrax.diffeqsolve(
            diffrax.ODETerm(field),
            diffrax.Dopri8(),
            0.0,
            TS[-1],
            0.01,
            y0,
            saveat=diffrax.SaveAt(ts=jnp.asarray(TS)),
            stepsize_controller=diffrax.PIDController(rtol=1e-9, atol=1e-9),
        ).ys

    ys = np.asarray(jax.jit(jax.vmap(one))(*map(jnp.asarray, (y0s, w, p, size))))
    a = -9.81 * np.sin(ys[..., :1]) - damping * ys[..., 1:] + us @ np.asarray(matrix).T
    return nl.Trajectories(TS, ys, accelerations=a, controls=us)


LIBRARY = Library.waves(1, 2) * Library.velocities(1, 2)
POLYNOMIALS = Library.coordinates(1, 4) * Library.velocities(1, 4)


@pytest.mark.parametrize("method", ["accelerations", "weak"])
def test_a_driven_pendulum(method):
    found = sparse_lagrangian(driven_pendulum(), LIBRARY, method=method)
    assert largest_error(found.formula, {"v^2": 0.5, "cos(q)": 9.81}) < 1e-4
    np.testing.assert_allclose(found.control, [[1.0]], rtol=1e-4)
    assert found.damping is None
    model = with_control(nl.NeuralLagrangian(found.formula, force=found.force), TS, np.ones((len(TS), 1)))
    np.testing.assert_allclose(model.acceleration(0.0, jnp.zeros(1), jnp.zeros(1)), [1.0], rtol=1e-4)


@pytest.mark.parametrize("method", [slow("accelerations"), "weak"])
def test_damping_beside_controls_that_mix(method):
    """Two motors on one joint, one of which does nothing."""
    found = sparse_lagrangian(driven_pendulum(0.4, ((-0.7, 0.0),), 2), LIBRARY, method=method)
    assert largest_error(found.formula, {"v^2": 0.5, "cos(q)": 9.81}) < 1e-3
    np.testing.assert_allclose(found.control, [[-0.7, 0.0]], atol=1e-3)
    np.testing.assert_allclose(found.damping, [[0.4]], rtol=1e-2)


def test_without_the_controls_there_is_no_formula():
    """The negative control: a motion that is driven is not that of its Lagrangian alone."""
    motion = driven_pendulum()
    bare = nl.Trajectories(motion.ts, motion.ys, accelerations=motion.accelerations)
    with pytest.warns(UndeterminedWarning):
        assert sparse_lagrangian(bare, LIBRARY, largest_residual=0.1).formula is None


def test_errors_tell_that_controls_are_unknown_between_samples():
    """Controls that are straight lines between samples, which look like smooth curves."""
    ts = np.arange(0, 20, 0.02)
    us = np.sin(3 * ts)[:, None] + np.sin(1.3 * ts + 1)[:, None]
    spring = nl.NeuralLagrangian.from_lagrangian(
        lambda t, q, v: 0.5 * v @ v - 5 * q @ q, dof=1, force=nl.mechanics.ControlForce([[2.0]])
    )
    pushed = jax.jit(jax.vmap(with_control(spring, ts, us), (None, 0)))
    ys = np.asarray(pushed(jnp.asarray(ts), jnp.asarray(np.random.default_rng(0).normal(size=(4, 2)))))
    found = sparse_lagrangian(nl.Trajectories(ts, ys, controls=np.stack([us] * 4)), POLYNOMIALS)
    errors = dict(zip(found.formula.library.names, found.formula.standard_errors, strict=True))
    assert 1e-5 < abs(found.control[0, 0] - 2) < 2 * found.control_errors[0, 0] < 2e-3
    assert 1e-5 < abs(found.formula.named["q^2"] + 5) < 2 * errors["q^2"] < 2e-3
