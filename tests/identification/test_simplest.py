"""The best candidate has no constants that the motion does not show, whichever friction it has."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import neural_lagrangian as nl
from neural_lagrangian.identification.candidates import Contest, fitted_families, known_candidates
from neural_lagrangian.identification.inspection import inspected
from neural_lagrangian.identification.preparation import prepared
from neural_lagrangian.identification.recordings import Declared

TS = np.arange(0.0, 24.0, 0.02)

pytestmark = pytest.mark.double


def slope(t, y):
    friction = 0.03 * y[1] + 0.01 * y[1] * abs(y[1]) + 0.02 * np.tanh(y[1] / 0.02)
    return [y[1], -12 * np.sin(y[0]) - friction]


@pytest.fixture(scope="module")
def swing():
    return solve_ivp(slope, (0, TS[-1]), (1.2, 0.0), t_eval=TS, rtol=1e-8, atol=1e-8).y[0]


def best_of(angle, monkeypatch):
    """The best candidate for an angle with noise, and how often the best one was simplified after the comparison."""
    again = []
    simpler = fitted_families._simpler
    monkeypatch.setattr(fitted_families, "_simpler", lambda *given: again.append(simpler(*given)) or again[-1])
    angle = angle + 0.005 * np.random.default_rng(16).normal(size=len(TS))
    motion = nl.Trajectories(TS, np.stack([angle, 0 * angle], axis=1), names=["a"])
    inspection = inspected(motion, Declared(velocities=[], angles=["a"]))
    known = known_candidates(prepared(inspection, structure="mechanical", friction=False, steps=10))
    return Contest.of(known.fitted.candidates, known.fitted.refused).winner, len(again)


@pytest.mark.parametrize("offset", [0.0, 0.02])
def test_an_offset_is_kept_if_the_motion_shows_it(swing, monkeypatch, offset):
    """The friction with the best criterion is not the one that predicts best."""
    best, again = best_of(swing + offset, monkeypatch)
    assert again == 1
    assert ("offset" in best.title) == bool(offset)
