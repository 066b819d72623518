"""No measure depends on when the clock was started."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian import analysis
from neural_lagrangian.integrators import RK4, Integration
from neural_lagrangian.systems import Pendulum

from ..helpers import DTYPE

pytestmark = pytest.mark.double

LATE = 40.0
TS = jnp.linspace(0.0, 10.0, 201).astype(DTYPE)


def swing(lag=0.0, grows=0.0):
    x = 2 * TS - lag
    return jnp.exp(grows * TS)[None, :, None] * jnp.stack([jnp.sin(x), 2 * jnp.cos(x)], axis=1)[None]


def energy(t, q, v):
    return 2 * q[0] ** 2 + 0.5 * v[0] ** 2


MEASURES = {
    "valid time": lambda ts: analysis.valid_time(swing(grows=0.02), swing(), ts, tolerance=0.05),
    "angle error": lambda ts: analysis.angle_rmse(swing(0.1), swing(), ts, [float(ts[0]) + 5.0, float(ts[0]) + 10.0]),
    "relative error": lambda ts: analysis.relative_rollout_error(swing(grows=0.02), swing(), ts),
    "energy error": lambda ts: analysis.energy_error(energy, swing(grows=0.02), ts, 2.0, at=[float(ts[0]) + 5.0]),
    "energy drift": lambda ts: analysis.energy_drift(energy, swing(grows=0.02), ts, 2.0),
    "phase": lambda ts: analysis.mean_phase_shift(swing(-0.2), swing(), ts),
    "sections": lambda ts: analysis.poincare_section(ts, swing()[0])[0] - np.asarray(ts[0]),
}


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_is_the_same_later(name):
    now, later = MEASURES[name](TS), MEASURES[name](TS + LATE)
    assert np.max(np.abs(now)) > 1e-3
    np.testing.assert_allclose(later, now, rtol=1e-9, atol=1e-9)


class Saddle(Pendulum):
    """Unstable from the first time on, and at rest on any other clock."""

    def acceleration(self, t, q, v):
        return jnp.where((t >= LATE) & (t <= LATE + 6), 4.0, 0.0) * q


def test_a_lyapunov_exponent_counts_from_the_first_time():
    """At the rest state of q'' = 4 q neighbours part as exp(2 t), however far they have parted."""
    integration = Integration(RK4(), stepsize_controller=nl.StepsPerSample(10))
    ts = LATE + jnp.linspace(0.0, 5.0, 11)
    found = analysis.lyapunov_exponent(Saddle(integration=integration), ts, jnp.zeros(2), jax.random.key(0))
    grown = found.running * (ts[1:] - ts[0])
    np.testing.assert_allclose(jnp.diff(grown)[-4:] / 0.5, 2.0, rtol=1e-5)
    np.testing.assert_allclose(found.time, 1 / found.exponent)
