"""95 % intervals of a formula of noisy motion hold the truth in about 95 % of draws."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.discovery import Library, UndeterminedWarning, sparse_lagrangian
from neural_lagrangian.discovery.formula import NORMAL_95
from neural_lagrangian.systems import HenonHeiles, Pendulum
from neural_lagrangian.trajectories import differentiate

from ..helpers import slow

pytestmark = pytest.mark.double
TS = np.arange(200) * 0.02
PENDULUM = Pendulum(), Library.waves(1, 2) * Library.velocities(1, 2), np.array([[1.5, 0], [0.8, 2], [2, 0], [-1, 3.0]])
STARS = (
    HenonHeiles(),
    Library.coordinates(2, 3) + Library.velocities(2, 2),
    np.random.default_rng(0).uniform(-0.3, 0.3, (10, 4)),
)
TRUE = {
    "Pendulum": {"cos(q)": 9.81},
    "HenonHeiles": {"q0^2": -0.5, "q1^2": -0.5, "v1^2": 0.5, "q0^2 q1": -1.0, "q1^3": 1 / 3},
}


def pulls_of(case, smoothing, seeds):
    """Errors of coefficients over their standard errors, of all draws in which there is a formula."""
    system, library, y0s = case
    ys = np.asarray(nl.simulate(system, jnp.asarray(TS), jnp.asarray(y0s)).ys)
    truth, pulls = TRUE[type(system).__name__], []
    for seed in seeds:
        noisy = ys + 0.02 * ys.std(axis=(0, 1)) * np.random.default_rng(seed).normal(size=ys.shape)
        positions = list(noisy[..., : system.dof])
        motion = differentiate([TS] * len(ys), positions) if smoothing else nl.Trajectories(TS, noisy)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UndeterminedWarning)
            formula = sparse_lagrangian(motion, library).formula
        if formula is None:
            continue
        errors = dict(zip(formula.support, formula.standard_errors, strict=True))
        assert set(truth) == {term for term, s in errors.items() if s > 0}
        pulls.append([(float(formula.named[term]) - true) / errors[term] for term, true in truth.items()])
    return np.array(pulls)


@pytest.mark.parametrize("smoothing", [slow(False), True])
def test_a_pendulum_lies_within_its_intervals(smoothing):
    pulls = pulls_of(PENDULUM, smoothing, range(6))
    assert len(pulls) >= 5
    assert (np.abs(pulls) < 2.5 * NORMAL_95).all()
    assert 0.3 < np.sqrt(np.mean(pulls**2)) < 1.7


@pytest.mark.slow
@pytest.mark.parametrize(("case", "smoothing"), [(PENDULUM, False), (PENDULUM, True), (STARS, False)])
def test_intervals_hold_as_often_as_they_say(case, smoothing):
    pulls = pulls_of(case, smoothing, range(40))
    assert len(pulls) >= 32
    held = np.mean(np.abs(pulls) < NORMAL_95)
    assert 0.88 < held <= 1
    assert np.sqrt(np.mean(pulls**2)) == pytest.approx(1.0, abs=0.25)
    assert (np.abs(pulls.mean(axis=0)) < 0.5).all()
