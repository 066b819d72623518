"""How sure an identification is: coverage of bands, the missing force, and what to record next."""

import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.identification.candidates.fitted_families import fitted_families, ranked
from neural_lagrangian.identification.candidates.trial import Trial
from neural_lagrangian.identification.evidence.advice import weakest, what_next
from neural_lagrangian.identification.evidence.diagnosis import NO_PATTERN
from neural_lagrangian.identification.evidence.examination import examined
from neural_lagrangian.identification.families.known_families import Springs, families_for
from neural_lagrangian.identification.inspection import inspected
from neural_lagrangian.identification.preparation import prepared
from neural_lagrangian.identification.recordings.declared import Declared
from neural_lagrangian.identification.reports.figures import correlations, missing_force, prediction_with_band

from .test_families import moving

pytestmark = pytest.mark.double

FORCES = {
    "nothing": (lambda t, q, v: 0.0 * q, "no pattern"),
    "dry friction": (lambda t, q, v: -0.4 * jnp.tanh(v / 0.05), "direction"),
}


@pytest.fixture(scope="module", params=FORCES)
def examination(request):
    """Of a spring with a force, with the family whose only friction is none."""
    force, pattern = FORCES[request.param]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neural_lagrangian.identification.families.family_fit.FRICTIONS", {"no friction": ()})
        motion = moving(lambda t, q, v: 0.5 * v[0] ** 2 - 5.0 * q[0] ** 2, [2.0, 0.0], force=force, seconds=12.0)
        task = prepared(
            inspected(motion, Declared(None, None, None, [], None, None, [], None)),
            structure="mechanical",
            friction=False,
            steps=10,
        )
        trial = Trial.of(task)
        family = Springs(jnp.eye(1), jnp.ones(1), task.columns.coordinates, False)
        fitted = fitted_families([family], trial, lambda: False)
        contest = ranked(fitted.candidates, fitted.refused, task, trial)
    return examined(contest, task), task, pattern


def test_what_is_missing_is_named(examination):
    found, task, pattern = examination
    (sentence,) = found.diagnosis.sentences
    assert pattern in sentence
    force = found.diagnosis.force[:, 0]
    if pattern == "direction":
        moves = np.abs(found.diagnosis.velocity[:, 0]) > 0.5
        signs = np.sign(found.diagnosis.velocity[moves, 0])
        size = np.mean(force[moves] * signs) / task.scaling.t_scale**2 * task.scaling.q_scale[0]
        assert abs(size) == pytest.approx(0.4, rel=0.2)
    figures = (missing_force(found.diagnosis), prediction_with_band(found.bands, task.columns))
    for png in (*figures, correlations(found.whiteness)):
        assert png.startswith(b"\x89PNG")


def test_the_bias_of_smoothing_is_no_missing_force():
    """Of a noisy pendulum: smoothed positions are too small at the ends of each swing, in every swing the same."""
    motion = moving(lambda t, q, v: 0.5 * v[0] ** 2 + 9.81 * jnp.cos(q[0]), [1.5, 0.0], seconds=20.0)
    task = prepared(
        inspected(motion, Declared(None, None, None, [], None, None, ["a"], None)),
        structure="mechanical",
        friction=False,
        steps=10,
    )
    trial, families = Trial.of(task), families_for(task.columns)
    fitted = fitted_families(families, trial, lambda: False)
    found = examined(ranked(fitted.candidates, fitted.refused, task, trial), task)
    assert found.candidate.leaves_noise
    assert found.diagnosis.sentences == (NO_PATTERN,)


def test_errors_are_white_in_time_only_if_nothing_is_missing(examination):
    found, _, pattern = examination
    white = found.whiteness
    (sentence,) = white.sentences
    assert ("white in time: they are noise" in sentence) == (pattern == "no pattern")
    assert white.correlation[0] == pytest.approx(1.0)
    beyond = np.mean(np.abs(white.correlation[1:]) > white.band)
    assert beyond < 0.15 if pattern == "no pattern" else beyond > 0.5
    assert sentence in dict(found.facts())["unexplained"]


def test_a_band_holds_the_share_of_samples_that_it_says(examination):
    """Of the true family; a wrong one is not called more certain than its validation set shows."""
    found, _, pattern = examination
    assert 0.8 < found.bands.coverage <= 1.0
    assert found.bands.factor < (1.5 if pattern == "no pattern" else 50)
    assert f"{found.bands.coverage:.0%} of the held-out samples are in the 90% band" in str(found.bands)
    assert np.all(found.bands.half > 0)


def test_constants_are_told_with_their_errors(examination):
    found, _, pattern = examination
    assert found.constants()[0] == ["constant", "value", "standard error", "unit"]
    assert found.constants()[1][0] == "k_11"
    assert any("free motion cannot determine the scale" in line for line in found.certainty)
    if pattern == "no pattern":
        assert "All constants are known to better than 2 %" in found.next


def test_the_least_certain_constants_are_named(examination):
    """Of a covariance in which dry friction is hardly known."""
    found, _, _ = examination
    fit = found.candidate.fit
    at = fit.family.slices
    free = np.zeros_like(fit.free)
    free[[0, at.dry.start]] = 1.0
    columns = np.zeros_like(fit.jacobian)
    rng = np.random.default_rng(0)
    sizes = np.array([1e3, 1e-2])[:, None, None]
    columns[..., 0], columns[..., at.dry.start] = sizes * rng.normal(size=(2, *columns.shape[:2]))
    other = fit._replace(free=free, jacobian=columns)
    assert weakest(other) == ("dry", [at.dry.start])
    text = what_next(found.candidate._replace(fit=other))
    assert "dry friction at a" in text
    assert "slow swings until the system stops" in text
