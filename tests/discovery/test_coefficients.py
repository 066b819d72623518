"""Coefficients from motion: right where the data tell, with honest errors, and said to be open where they do not."""

import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.discovery import LagrangianFamily, fit_coefficients
from neural_lagrangian.integrators import RK4

from ..helpers import DTYPE
from .oscillators import FAMILY, RANGES, TS, drawn, friction, lagrangian, noisy

COUNT = 64


def fitted(data, **keywords):
    fit = fit_coefficients(FAMILY, TS, data, momenta=True, **keywords)
    return fit, np.stack([fit.coefficients[name] for name in FAMILY.names], axis=1)


@pytest.mark.double
def test_exact_motions_give_exact_coefficients_zeros_included():
    """Against the matrix exponential: what is left is the error of the integrator."""
    c, motions = drawn(COUNT)
    fit, found = fitted(motions)
    assert fit.converged.all()
    np.testing.assert_allclose(found, c, rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(fit.y0s[:, 0], motions[:, 0, 0], rtol=1e-6, atol=1e-6)
    assert fit.identifiability.fixed.all()


@pytest.mark.double
def test_errors_under_noise_are_those_that_are_reported():
    """Standard scores of coefficients inside their ranges have variance one; and no coefficient leaves its range."""
    c, motions = drawn(COUNT)
    fit, found = fitted(noisy(motions, 0.01))
    assert fit.converged.all()
    inside = (c > 0).all(axis=1)
    errors = np.stack([fit.standard_errors[name] for name in FAMILY.names], axis=1)
    scores = ((found - c) / errors)[inside]
    np.testing.assert_allclose(np.std(scores, axis=0), 1, atol=0.3)
    assert np.all(np.abs(np.mean(scores, axis=0)) < 0.4)
    assert np.all(found >= 0)
    # With a fourth of the noise, errors are a fourth.
    _, closer = fitted(noisy(motions, 0.0025))
    ratio = np.median(np.abs(closer - c)[inside], axis=0) / np.median(np.abs(found - c)[inside], axis=0)
    np.testing.assert_allclose(ratio, 0.25, atol=0.03)


@pytest.mark.double
@pytest.mark.slow
def test_a_bad_start_that_is_given_is_taken():
    """So far off that the motion is another one; the same result where it converges, and some do not."""
    c, motions = drawn(COUNT)
    fit, found = fitted(motions, start={"c1": 1.0, "c2": 1.0, "c3": 1.0})
    right = np.all(np.abs(found - c) < 1e-4, axis=1)
    assert 0.5 < right.mean() <= 1
    assert np.all(fit.error[right] < 1e-6)


@pytest.mark.double
@pytest.mark.slow
def test_with_a_start_and_without_one_function_is_compiled():
    traces = []

    def counted(t, q, v, *, c1, c2):
        traces.append(t)
        return lagrangian(t, q, v, c1=c1, c2=c2)

    family = LagrangianFamily(counted, dof=1, force=friction, **RANGES)
    c, motions = drawn(1)
    found = fit_coefficients(family, TS, motions, momenta=True)
    once = len(traces)
    started = fit_coefficients(family, TS, motions, momenta=True, start=dict(zip(RANGES, 1.1 * c[0], strict=True)))
    assert len(traces) == once > 0
    for name in RANGES:
        np.testing.assert_allclose(started.coefficients[name], found.coefficients[name], rtol=1e-6)


@pytest.mark.double
@pytest.mark.slow
def test_what_velocities_do_not_tell_is_said():
    """The scale is open, and so is the coefficient of a total derivative: infinite errors, and words for both."""

    def with_gauge(t, q, v, *, c1, c2, c4):
        return lagrangian(t, q, v, c1=c1, c2=c2) + c4 * jnp.dot(q, v)

    family = LagrangianFamily(with_gauge, dof=1, force=friction, **RANGES, c4="any")
    c, motions = drawn(1)
    rows = motions[0] / np.asarray([1, 2 * c[0, 0]])
    fit = fit_coefficients(family, TS, rows)
    assert fit.converged
    assert fit.error < 1e-8
    assert fit.identifiability.rank == 2
    assert all(np.isinf(error) for error in fit.standard_errors.values())
    assert not fit.identifiability.fixed.any()
    found = np.asarray([fit.coefficients[name] for name in RANGES])
    np.testing.assert_allclose(found / found[0], c[0] / c[0, 0], rtol=1e-6)
    assert str(fit).count("not determined by these data") == 2


@pytest.mark.double
@pytest.mark.slow
def test_a_known_mass_fixes_the_scale():
    def of_known_mass(t, q, v, *, c2):
        return 1.5 * jnp.dot(v, v) - c2 * jnp.dot(q, q)

    family = LagrangianFamily(of_known_mass, dof=1, c2=(0.0, 10.0))
    ts = jnp.linspace(0.0, 2.0, 21)
    w = np.sqrt(4.0 / 3.0)
    fit = fit_coefficients(family, ts, np.stack([np.cos(w * ts), -w * np.sin(w * ts)], axis=1), solver=RK4())
    assert float(fit.coefficients["c2"]) == pytest.approx(2.0, rel=1e-4)
    assert np.isfinite(fit.standard_errors["c2"])
    assert "not determined" not in str(fit)


OSCILLATOR = LagrangianFamily(lambda t, q, v, *, k: 0.5 * v @ v - 0.5 * k * q @ q, dof=1, k="positive")


def swings(ts, amplitude=1.0, noise=0.0, seed=0):
    rows = amplitude * np.stack([np.cos(2 * ts), -2 * np.sin(2 * ts)], axis=1)
    return rows + noise * np.random.default_rng(seed).normal(size=rows.shape) * [1, 2]


@pytest.mark.double
def test_several_runs_of_one_system_share_its_coefficients():
    """Of any lengths and any times, as sequences or as `Trajectories`; and with errors that fall with their number."""
    times = [np.linspace(0, 2, 21), np.linspace(5, 8, 31), np.linspace(-1, 1, 11)]
    runs = [swings(t, a, 0.01, i) for i, (t, a) in enumerate(zip(times, (1.0, 0.7, 0.4), strict=True))]
    fit = fit_coefficients(OSCILLATOR, times, runs)
    assert fit.converged
    assert fit.y0s.shape == (3, 2)
    same = fit_coefficients(OSCILLATOR, nl.Trajectories(times, runs))
    assert float(same.coefficients["k"]) == float(fit.coefficients["k"])
    assert abs(float(fit.coefficients["k"]) - 4) < 4 * float(fit.standard_errors["k"])
    np.testing.assert_allclose(fit.y0s, [r[0] for r in runs], atol=0.06)
    alone = fit_coefficients(OSCILLATOR, times[1], runs[1])
    assert float(fit.standard_errors["k"]) < float(alone.standard_errors["k"])


@pytest.mark.double
@pytest.mark.slow
def test_an_axis_in_front_means_systems_as_ever():
    ts = np.linspace(0, 2, 21)
    fit = fit_coefficients(OSCILLATOR, ts, np.stack([swings(ts), swings(ts, 0.5)]))
    np.testing.assert_allclose(fit.coefficients["k"], [4, 4], rtol=1e-6)
    np.testing.assert_allclose(fit.y0s, [[1, 0], [0.5, 0]], atol=1e-6)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda t, y: ([t, t], y), "a sequence of 2 arrays"),
        (lambda t, y: ([t, t], [y]), "holds 2 runs, but `data` holds 1"),
        (lambda t, y: ([t, t[:5]], [y, y]), r"`ts\[1\]` has shape \(5,\)"),
    ],
)
def test_runs_that_do_not_fit_together_are_named(arguments, message):
    ts = np.linspace(0, 2, 21)
    with pytest.raises(ValueError, match=message):
        fit_coefficients(OSCILLATOR, *arguments(ts, swings(ts)))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("ts", "data", "message"),
    [
        (TS, np.zeros((41, 3)), r"`data` has shape \(41, 3\)"),
        (TS[:5], np.ones((41, 2)), r"`ts` has shape \(5,\); expected \(41,\)"),
        (TS[:3], np.ones((3, 2)), "has 6 numbers for 5 unknowns.* at least 4 samples"),
        (TS[::-1], np.ones((41, 2)), "`ts` do not increase"),
        (TS, np.ones((2, 41, 2)), "`data` of system 0 never changes"),
        (TS, np.full((2, 41, 2), np.nan), "`data` of system 0 holds NaN"),
    ],
)
def test_bad_data_are_named(ts, data, message):
    with pytest.raises(ValueError, match=message):
        fit_coefficients(FAMILY, ts, data.astype(DTYPE))
