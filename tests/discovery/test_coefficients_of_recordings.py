"""Coefficients from `Trajectories`: nothing crosses a gap, and recorded controls drive the motion."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.discovery import LagrangianFamily, fit_coefficients
from neural_lagrangian.integrators import RK4
from neural_lagrangian.mechanics import SampledControl

pytestmark = pytest.mark.double


def spring(t, q, v, *, k):
    return 0.5 * v @ v - 0.5 * k * q @ q


FREE = LagrangianFamily(spring, dof=1, k="positive")
DRIVEN = LagrangianFamily(spring, dof=1, force=lambda t, q, v, u, *, g: g * u, k="positive", g="any")


def swing(t):
    return np.stack([np.cos(2 * t), -2 * np.sin(2 * t)], axis=1)


def test_each_stretch_between_gaps_is_a_run():
    """Two stretches, and a sample by itself between them, which tells nothing."""
    stretches = np.arange(0, 2, 0.1), np.arange(5.03, 7.03, 0.1)
    t = np.concatenate([stretches[0], [3.5], stretches[1]])
    motion = nl.Trajectories(t, swing(t))
    assert len(motion.split_at_gaps()) == 3
    fit = fit_coefficients(FREE, motion)
    by_hand = fit_coefficients(FREE, list(stretches), [swing(t) for t in stretches])
    assert fit.converged
    assert fit.y0s.shape == (2, 2)
    assert float(fit.coefficients["k"]) == pytest.approx(float(by_hand.coefficients["k"]), rel=1e-9)
    assert float(fit.coefficients["k"]) == pytest.approx(4, rel=1e-5)


@pytest.mark.slow
def test_across_a_gap_and_without_controls_coefficients_are_wrong():
    """Negative controls."""
    t = np.concatenate([np.arange(0, 2, 0.1), np.arange(5.03, 7.03, 0.1)])
    across = fit_coefficients(FREE, nl.Trajectories(t, swing(t), gap=math.inf))
    assert abs(float(across.coefficients["k"]) - 4) > 0.01
    motion, _ = driven_motion()
    assert fit_coefficients(FREE, nl.Trajectories(motion.ts, motion.ys)).error > 0.05


def driven_motion():
    ts = np.linspace(0, 4, 41)
    us = np.stack([np.sin(3 * ts) + 0.2 * ts, np.cos(5 * ts)])[..., None]
    truth = {"k": 4.0, "g": -1.7}
    ys = []
    for u, y0 in zip(us, ([0.5, 0.0], [0.0, 1.0]), strict=True):
        model = DRIVEN.model(truth, RK4(), control=SampledControl(ts, u), stepsize_controller=nl.StepsPerSample(20))
        ys.append(np.asarray(jax.jit(model)(jnp.asarray(ts), jnp.asarray(y0))))
    return nl.Trajectories(ts, np.stack(ys), controls=us), truth


def test_recorded_controls_drive_the_motion():
    """They tell the scale of the Lagrangian, and the strength of the motor."""
    motion, truth = driven_motion()
    fit = fit_coefficients(DRIVEN, motion)
    assert fit.converged
    assert fit.error < 1e-4
    for name, value in truth.items():
        assert float(fit.coefficients[name]) == pytest.approx(value, rel=1e-4)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda t, y: (FREE, nl.Trajectories(t, y, controls=y[:, :1])), "has no parameter `u`"),
        (lambda t, y: (FREE, nl.Trajectories(t, y, accelerations=y[:, :1])), "with accelerations.*leave them out"),
        (lambda t, y: (DRIVEN, nl.Trajectories(t, y)), "takes a control `u`, but `ts` has no controls"),
        (lambda t, y: (DRIVEN, t, y), "takes a control `u`, but `ts` has no controls"),
        (lambda t, y: (FREE, nl.Trajectories(t, np.tile(y, 2))), "of dof 2; expected 1"),
    ],
)
def test_what_does_not_fit_the_family_is_refused(arguments, message):
    ts = np.linspace(0, 2, 21)
    with pytest.raises(ValueError, match=message):
        fit_coefficients(*arguments(ts, swing(ts)))


@pytest.mark.bad_input
def test_a_control_is_no_coefficient_and_must_be_given():
    with pytest.raises(ValueError, match="`u` is the control of `force`"):
        LagrangianFamily(spring, dof=1, force=lambda t, q, v, u: u, k="any", u="any")
    with pytest.raises(ValueError, match="expected `control`, a callable of t"):
        DRIVEN.model({"k": 1.0, "g": 1.0})
