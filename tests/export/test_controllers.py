"""Controllers in the C file give the controls of Python."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian import control
from neural_lagrangian.export import ExportError, to_c
from neural_lagrangian.models import with_precision

from ..control.machines import UPRIGHT, arm, array, cart_pole
from .compiled import exported, needs_compiler

pytestmark = [pytest.mark.double]
LIMITS = control.ControlLimits(-20.0, 20.0)


def swing_up():
    """Energy shaping and a regulator, with limits."""
    options = {"state_cost": np.array([1.0, 10.0, 1.0, 1.0]), "control_cost": np.array([0.1])}
    hold = control.lqr(cart_pole(), array(*UPRIGHT), periodic=[1], limits=LIMITS, **options)
    swing = control.EnergyShaping(cart_pole(), array(*UPRIGHT), 0, 3.0, 4.0, 3.0, extra_energy=0.2)
    return cart_pole(), control.Catch(control.Limited(swing, LIMITS), hold, 3.0)


def tracking():
    return arm(), control.ComputedTorque(arm(), lambda t: jnp.stack([jnp.sin(t), jnp.cos(2 * t)]), 25.0)


@needs_compiler
@pytest.mark.parametrize(
    ("make", "dtype", "tolerance"),
    [(swing_up, "double", 1e-12), (swing_up, "float", 2e-4), (tracking, "double", 1e-12)],
)
def test_a_compiled_controller_computes_what_python_computes(make, dtype, tolerance, tmp_path):
    model, controller = make()
    program = exported(model, tmp_path, dtype=dtype, functions=["control"], controller=controller)
    ys = np.random.default_rng(0).normal(size=(200, 4)) + np.where(np.arange(200)[:, None] % 2, UPRIGHT, 0)
    ys[::4] = UPRIGHT + 0.05 * ys[::4]  # where a regulator acts
    ys = ys.astype(dtype)
    expected = np.asarray(
        jax.jit(jax.vmap(lambda y: with_precision(controller, jnp.float64)(0.3, y)))(jnp.asarray(ys, jnp.float64))
    )
    given = {"t": 0.3}
    found = np.stack([program("control", expected.shape[1:], q=y[:2], v=y[2:], **given) for y in ys])
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())
    assert np.ptp(expected) > 1


def test_a_controller_of_another_size_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"`controller` returned shape \(2,\); expected \(1,\)"):
        to_c(cart_pole(), tmp_path / "model.c", controller=lambda t, y: y[:2])


def test_a_receding_horizon_has_no_c_program(tmp_path):
    cost = control.QuadraticCost(array(*UPRIGHT), array(1.0, 1.0, 1.0, 1.0), array(0.1))
    with pytest.raises(ExportError, match="its control contains"):
        to_c(cart_pole(), tmp_path / "model.c", controller=control.RecedingHorizon(cart_pole(), cost, 0.1, 5))
