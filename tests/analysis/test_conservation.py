import jax.numpy as jnp
import numpy as np

from neural_lagrangian import analysis

from ..helpers import DTYPE
from .test_metrics import TS, swings


def square(t, q, v):
    return 2 * q[0] ** 2 + 0.5 * v[0] ** 2


def test_energy_error_is_the_largest_so_far():
    grown = swings() * jnp.where(TS < 6, 1.0, 1.1).astype(DTYPE)[None, :, None]
    error = analysis.energy_error(square, grown, TS, 2.0, at=[5.0, 10.0])
    np.testing.assert_allclose(error[:, 0], [0.0, 0.21], atol=1e-5)
    lost = grown.at[:, -1].set(jnp.nan)
    assert jnp.isinf(analysis.energy_error(lambda t, q, v: q[0], lost, TS, 1.0, at=[10.0]))


def test_drift_is_a_slope_and_ignores_oscillation():
    growing = swings() * jnp.sqrt(1 + 0.01 * TS)[None, :, None]
    np.testing.assert_allclose(analysis.energy_drift(square, growing, TS, 2.0), 0.01, rtol=1e-3)
    wobble = swings() * (1 + 0.01 * jnp.sin(40 * TS))[None, :, None]
    assert jnp.abs(analysis.energy_drift(square, wobble, TS, 2.0)) < 2e-4
    assert jnp.max(analysis.energy_error(square, wobble, TS, 2.0)) > 0.01
    assert jnp.isnan(analysis.energy_drift(square, growing.at[0, -1].set(jnp.nan), TS, 2.0))
