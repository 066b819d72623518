"""Energy shaping: the energy approaches that of the target as it says, and the pole is swung up and caught."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.control import (
    Catch,
    ControlError,
    ControlLimits,
    EnergyShaping,
    Limited,
    attraction_level,
    closed_loop,
    control_report,
    lqr,
)
from neural_lagrangian.models import with_control

from ..helpers import DTYPE
from .machines import UPRIGHT, L, arm, array, cart_pole, m

pytestmark = pytest.mark.double


def test_the_energy_changes_as_it_says():
    """E' = -k_E E (M_mp v_p)^2 for every state, so E^2 never grows; with the opposite control it grows somewhere."""
    model = cart_pole()
    controller = EnergyShaping(model, array(*UPRIGHT), 0, 1.7, 0.0, 0.0)

    @jax.jit
    @jax.vmap
    def rates(y):
        u, E = controller(0.0, y), controller.excess(0.0, y)

        def along(sign):
            f = with_control(model, array(0.0, 1.0), jnp.stack([sign * u, sign * u])).vector_field(0.0, y)
            return jax.jvp(lambda y: controller.excess(0.0, y) ** 2, (y,), (f,))[1]

        coupling = m * L * jnp.cos(y[1]) * y[3]
        return along(1.0), along(-1.0), -2 * 1.7 * E**2 * coupling**2

    rate, opposite, expected = rates(jnp.asarray(np.random.default_rng(0).normal(size=(50, 4)), DTYPE))
    np.testing.assert_allclose(rate, expected, rtol=1e-7, atol=1e-7)
    assert np.any(np.asarray(opposite) > 0.1)


def test_the_pole_is_swung_up_and_caught():
    model, limits = cart_pole(), ControlLimits(-20.0, 20.0)
    options = {"state_cost": np.array([1.0, 10.0, 1.0, 1.0]), "control_cost": np.array([0.1])}
    hold = lqr(model, array(*UPRIGHT), periodic=[1], limits=limits, **options)
    level = attraction_level(model, hold, key=jax.random.key(0))
    ts, y0 = jnp.arange(0.0, 15.0, 0.02), array(0.0, 0.3, 0.0, 0.0)

    @jax.jit
    def run(shaping):
        return closed_loop(model, Catch(Limited(shaping, limits), hold, level), ts, y0)

    shaping = EnergyShaping(model, array(*UPRIGHT), 0, 3.0, 4.0, 3.0, extra_energy=0.2)
    motion = run(shaping)
    report = control_report(motion, array(*UPRIGHT), tolerance=0.05, periodic=[1], limits=limits)
    assert bool(report.settled)
    assert np.abs(motion.us).max() <= 20.0
    idle = run(EnergyShaping(model, array(*UPRIGHT), 0, 0.0, 4.0, 3.0))  # without energy shaping it only brakes
    assert not bool(control_report(idle, array(*UPRIGHT), tolerance=0.05, periodic=[1]).settled)


def test_two_motors_are_refused():
    with pytest.raises(ControlError, match="2 controls; expected one"):
        EnergyShaping(arm(), array(*UPRIGHT), 0, 3.0, 4.0, 3.0)(0.0, array(0.0, 0.0, 0.0, 0.0))
