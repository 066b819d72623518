import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian import analysis

from ..helpers import DTYPE
from .test_metrics import TS, swings


@pytest.mark.parametrize("degrees", [-20.0, 0.5, 10.0])
def test_both_measures_read_the_lead_of_a_shifted_sine(degrees):
    led, true = swings(lag=-np.deg2rad(degrees)), swings(amplitude=0.7)
    assert float(analysis.phase_shift(led, true)[0, 0]) == pytest.approx(degrees, abs=0.05)
    assert float(analysis.mean_phase_shift(led, true, TS)[0, 0]) == pytest.approx(degrees, abs=0.1)


def test_two_frequencies_need_the_spectral_measure():
    """Beside the slow motion a fast one, not shifted: the maxima are those of the fast one."""

    def motion(lead):
        q = jnp.sin(2 * TS + np.deg2rad(lead)) + 0.4 * jnp.sin(17 * TS)
        return jnp.stack([q, q], axis=1)[None].astype(DTYPE)

    assert float(analysis.phase_shift(motion(15.0), motion(0.0))[0, 0]) == pytest.approx(15, abs=0.5)
    assert abs(float(analysis.mean_phase_shift(motion(15.0), motion(0.0), TS)[0, 0]) - 15) > 5


def test_failed_and_monotonic_motions_have_no_phase():
    assert np.isnan(analysis.mean_phase_shift(swings() * jnp.nan, swings(), TS)).all()
    line = jnp.stack([TS, TS], axis=1)[None]
    assert np.isnan(analysis.mean_phase_shift(line, line, TS)).all()
