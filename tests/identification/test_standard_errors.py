"""Standard errors of constants, confirmed by a block bootstrap: windows drawn with replacement, and fitted again."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.signal import lfilter

import neural_lagrangian as nl
from neural_lagrangian.identification.candidates import Contest, known_candidates
from neural_lagrangian.identification.families import FamilyFit, refitted
from neural_lagrangian.identification.inspection import inspected
from neural_lagrangian.identification.preparation import prepared
from neural_lagrangian.identification.recordings import Declared

from ..helpers import slow

pytestmark = pytest.mark.double

TS = np.arange(0.0, 100.0, 0.04)
DRAWN = 60
"""Number of resamples: the standard deviation of so many values has a standard error of 9 %."""


def fitted(stiffness):
    """The best chain of one body, and its windows, for a pendulum with such a torsion spring, and noise."""

    def slope(t, y):
        return [y[1], -12 * np.sin(y[0]) - stiffness * y[0] ** 3 - 0.02 * y[1]]

    angle = solve_ivp(slope, (0, TS[-1]), (1.2, 0.0), t_eval=TS, rtol=1e-9, atol=1e-9).y[0]
    angle += 0.005 * np.random.default_rng(0).normal(size=len(TS))
    motion = nl.Trajectories(TS, np.stack([angle, 0 * angle], axis=1), names=["a"])
    inspection = inspected(motion, Declared(velocities=[], angles=["a"]))
    known = known_candidates(prepared(inspection, structure="mechanical", friction=False, steps=10))
    found = [one for one in known.fitted.candidates if one.name == "rigid chain of 1 body"]
    return Contest.of(found, []).winner, known.trial.fitted


@pytest.mark.parametrize("stiffness", [slow(0.0), 1.0], ids=["the true family", "a family that lacks something"])
def test_a_block_bootstrap_gives_the_same(stiffness):
    """Errors of a family that lacks something depend on the energy; standard errors of white noise are too small."""
    best, windows = fitted(stiffness)
    assert (best.rest > 1.5) == bool(stiffness)
    fit, free = best.fit, np.flatnonzero(best.fit.free)
    rng, drawn = np.random.default_rng(1), []
    for _ in range(DRAWN):
        at = rng.integers(0, len(windows.ts), len(windows.ts))
        resampled = windows._replace(
            ts=windows.ts[at], us=windows.us[at], ys=windows.ys[at], y0s=windows.y0s[at], counts=windows.counts[at]
        )
        drawn.append(refitted(fit._replace(shifts=fit.shifts[at]), resampled).x[free])
    bootstrap = np.std(drawn, axis=0, ddof=1)
    ratio = np.sqrt(np.diagonal(fit.covariance)[free]) / bootstrap
    assert ratio.min() > 0.7
    assert ratio.max() < 1.7
    J = fit.jacobian[..., free]
    white = np.linalg.inv(np.einsum("wrk,wrl->kl", J, J)) * fit.squares.sum() / fit.used
    too_small = (np.sqrt(np.diagonal(white)) / bootstrap).min() < 0.3  # of white noise of the same size
    assert too_small == bool(stiffness)


@pytest.mark.parametrize("correlation", [0.0, 0.97])
@pytest.mark.parametrize("windows", [7, 60])
def test_standard_errors_of_few_windows_are_those_of_many_recordings(windows, correlation):
    """Also if there are hardly more windows than constants: a recording of 40 s of two pendulums has seven."""
    rows, constants, recordings = 60, 6, 400
    rng, used = np.random.default_rng(2), rows * windows
    J = lfilter([1.0], [1.0, -0.9], rng.normal(size=(windows, rows, constants)), axis=1)
    flat = J.reshape(-1, constants)
    fit = FamilyFit(None, np.zeros(constants), np.ones(constants), np.ones(1), np.zeros((windows, 2)), None, J, used)
    estimates, said = [], []
    for _ in range(recordings):
        noise = lfilter([1.0], [1.0, -correlation], rng.normal(size=(windows, rows, 1)), axis=1)
        x = np.linalg.lstsq(flat, noise.ravel(), rcond=None)[0]
        residuals = (noise.ravel() - flat @ x).reshape(noise.shape)
        estimates.append(x)
        said.append(np.sqrt(np.diagonal(fit._replace(residuals=residuals).covariance)))
    ratio = np.median(said, axis=0) / np.std(estimates, axis=0)
    assert ratio.min() > (0.9 if windows > 7 else 0.75)
    assert ratio.max() < (1.25 if windows > 7 else 1.5)
