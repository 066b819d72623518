"""Implicit solvers find their stages to a tolerance that the precision allows."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import AdaptiveSteps
from neural_lagrangian.integrators.implicit_stages import with_attainable_tolerance

from ..helpers import slow


def pendulums(t, q, v):
    return 0.5 * v @ v + jnp.sum(jnp.cos(q)) - 0.2 * q[0] * q[1]


def model(solver):
    return nl.NeuralLagrangian.from_lagrangian(pendulums, solver, dof=2)


TS, Y0 = np.linspace(0.0, 20.0, 201), [1.0, 0.5, 0.0, 0.0]


@pytest.mark.parametrize("solver", [diffrax.Kvaerno5(), slow(diffrax.Kvaerno3())], ids=["kvaerno5", "kvaerno3"])
def test_stages_are_found_in_single_precision(solver):
    """Few steps are rejected, although coordinates and velocities pass through zero."""
    ts, y0 = jnp.asarray(TS, jnp.float32), jnp.asarray(Y0, jnp.float32)
    with jax.numpy_dtype_promotion("standard"):
        found = jax.jit(model(solver).solve)(ts, y0)
    assert found.result == diffrax.RESULTS.successful
    assert int(found.stats["num_rejected_steps"]) < 0.3 * int(found.stats["num_steps"])
    np.testing.assert_allclose(found.ys, model(diffrax.Tsit5())(ts, y0), atol=2e-4)


def test_a_tolerance_of_the_root_finder_is_kept():
    """The negative control: what the user chose is used."""
    chosen = diffrax.Kvaerno3(root_finder=diffrax.VeryChord(rtol=1e-3, atol=1e-3))
    steps, default = AdaptiveSteps(1e-6), diffrax.Kvaerno3()
    assert with_attainable_tolerance(chosen, steps, jnp.float32) is chosen
    assert with_attainable_tolerance(default, diffrax.PIDController(1e-6, 1e-6), jnp.float32) is default
    assert with_attainable_tolerance(default, steps, jnp.float32).root_finder.rtol > 1e-6
    assert with_attainable_tolerance(default, steps, jnp.float64).root_finder.rtol == 1e-6
