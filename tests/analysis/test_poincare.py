import numpy as np
import pytest

from neural_lagrangian import analysis


def test_crossings_of_two_oscillators():
    ts = np.linspace(0, 20, 4001)
    ys = np.stack([np.sin(ts), np.cos(3 * ts), np.cos(ts), -3 * np.sin(3 * ts)], axis=1)
    times, points = analysis.poincare_section(ts, ys)
    np.testing.assert_allclose(times, 2 * np.pi * np.arange(1, 4), atol=1e-5)
    np.testing.assert_allclose(points, np.tile([0, 1, 1, 0], (3, 1)), atol=1e-4)
    falling, _ = analysis.poincare_section(ts, ys, rising=False)
    np.testing.assert_allclose(falling, np.pi * (2 * np.arange(3) + 1), atol=1e-5)


@pytest.mark.bad_input
def test_many_motions_at_once_are_refused():
    with pytest.raises(ValueError, match="`ys` has shape"):
        analysis.poincare_section(np.zeros(3), np.zeros((2, 3, 4)))
