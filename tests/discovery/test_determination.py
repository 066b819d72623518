"""What tells a formula: states all over do, those of one orbit do not, and what no motion tells is counted."""

import numpy as np
import pytest

from neural_lagrangian.discovery import Library
from neural_lagrangian.discovery.determination import disagreement, distinguishability
from neural_lagrangian.discovery.equations import Scales

pytestmark = pytest.mark.double
LIBRARY = Library.velocities(1, 2) * Library.coordinates(1, 6)
KINETIC, POTENTIAL = ("v^2", "v^2 q", "v^2 q^2"), ("q", "q^2", "q^3", "q^4", "q^5", "q^6")
KEPT = [LIBRARY.names.index(name) for name in (*KINETIC, *POTENTIAL)]
SUPPORT = [LIBRARY.names.index(name) for name in ("v^2", "q^2", "q^4")]
C = np.array([0.5, -1.0, -0.25])


def acceleration(q):
    return -2.0 * q - q**3


def spread_out():
    return np.random.default_rng(0).uniform(-1.5, 1.5, (600, 2))


def orbit():
    """Of one energy, q'^2 / 2 + q^2 + q^4 / 4 = 1.3."""
    q = np.random.default_rng(0).uniform(-0.99, 0.99, 600)
    v = np.sqrt(2 * (1.3 - q**2 - q**4 / 4)) * np.where(np.arange(600) % 2, 1, -1)
    return np.stack([q, v], axis=1)


def told(states):
    scales = Scales.of(states, acceleration(states[:, :1]))
    return distinguishability(LIBRARY, KEPT, SUPPORT, C, states, states, np.zeros(len(states)), scales)


def test_states_all_over_tell_an_oscillator_and_one_orbit_does_not():
    (all_over, more), (one_orbit, _) = told(spread_out()), told(orbit())
    assert all_over == pytest.approx(1.0, abs=0.2)
    assert one_orbit < 1e-6
    assert more == 0


def test_formulas_disagree_by_what_their_accelerations_differ():
    states = spread_out()
    scales = Scales.of(states, acceleration(states[:, :1]))
    other = np.array([0.5, -1.01, -0.25])  # acceleration changes by 0.02 q
    found = disagreement(LIBRARY, SUPPORT, C, other, states, np.zeros(len(states)), scales)
    expected = 0.02 * np.sqrt(np.mean(states[:, 0] ** 2)) / float(scales.acceleration[0])
    assert found == pytest.approx(expected, rel=0.05)
    assert disagreement(LIBRARY, SUPPORT, C, 3 * C, states, np.zeros(len(states)), scales) < 1e-12  # scale is free
