"""Stages of implicit solvers are found to a tolerance that is relative to the motion."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import AdaptiveSteps
from neural_lagrangian.integrators.implicit_stages import StageChord, with_stages_in_units

from ..helpers import slow


def pendulums(t, q, v):
    return 0.5 * v @ v + jnp.sum(jnp.cos(q)) - 0.2 * q[0] * q[1]


def model(solver):
    return nl.NeuralLagrangian.from_lagrangian(pendulums, solver, dof=2)


TS, Y0 = np.linspace(0.0, 20.0, 201), [1.0, 0.5, 0.0, 0.0]


@pytest.mark.parametrize("solver", [diffrax.Kvaerno5(), slow(diffrax.Kvaerno3())], ids=["kvaerno5", "kvaerno3"])
def test_a_component_that_passes_through_zero_costs_no_steps(solver):
    """In single precision, where a stage cannot be found to a fraction of a number that is nearly zero."""
    ts, y0 = jnp.asarray(TS, jnp.float32), jnp.asarray(Y0, jnp.float32)
    with jax.numpy_dtype_promotion("standard"):
        found = jax.jit(model(solver).solve)(ts, y0)
    assert found.result == diffrax.RESULTS.successful
    assert int(found.stats["num_rejected_steps"]) < 0.3 * int(found.stats["num_steps"])
    np.testing.assert_allclose(found.ys, model(diffrax.Tsit5())(ts, y0), atol=2e-4)


def test_a_tolerance_of_the_root_finder_is_kept():
    """The negative control: what the user chose is used."""
    chosen = diffrax.Kvaerno3(root_finder=diffrax.VeryChord(rtol=1e-3, atol=1e-3))
    steps = AdaptiveSteps(1e-6)
    assert with_stages_in_units(chosen, steps, 1e-16) is chosen
    assert with_stages_in_units(diffrax.Kvaerno3(), diffrax.PIDController(1e-6, 1e-6), 1e-16) == diffrax.Kvaerno3()
    assert isinstance(with_stages_in_units(diffrax.Kvaerno3(), steps, 1e-16).root_finder, StageChord)
