"""Each block of windows is predicted by constants that were fitted to the others."""

from typing import NamedTuple

import numpy as np
import pytest

from neural_lagrangian.identification.candidates import cross_validation
from neural_lagrangian.identification.candidates.contest import Candidate
from neural_lagrangian.identification.candidates.cross_validation import BLOCKS, cross_validated, errors_of_windows
from neural_lagrangian.identification.families.fit_windows import FitWindows

pytestmark = pytest.mark.bad_input  # the family of these tests is none of the package


class Mean(NamedTuple):
    """A family of one constant, which is fitted to the mean of all samples."""

    value: float
    noise: np.ndarray
    squares: np.ndarray


def refitted(fit, motion):
    counts = motion.counts[..., None]
    return fit._replace(value=float((counts * motion.ys).sum() / counts.sum()))


def held_out(fit, motion):
    relative = (motion.ys - fit.value) / fit.noise
    return fit._replace(squares=np.sum(motion.counts[..., None] * relative**2, axis=(1, 2)))


def windows_of(ys):
    ys = np.asarray(ys)[..., None]
    ts = np.zeros(ys.shape[:2])
    return FitWindows(ts, np.zeros((*ts.shape, 0)), ys, ys[:, 0], np.ones(ts.shape), np.ones(1), 1)


@pytest.fixture
def means(monkeypatch):
    monkeypatch.setattr(cross_validation, "refitted", refitted)
    monkeypatch.setattr(cross_validation, "held_out", held_out)


@pytest.mark.parametrize("count", [2, 5, 13])
def test_errors_are_those_of_other_blocks(count, means):
    rng = np.random.default_rng(count)
    training, validation = rng.normal(size=(count, 4)), rng.normal(size=(2, 4))
    fit = Mean(training.mean(), np.array([0.5]), np.zeros(count))
    found = errors_of_windows(fit, windows_of(training), windows_of(validation).padded(max(count, 2)))
    expected = []
    for block in np.array_split(np.arange(count), min(BLOCKS, count)):
        others = np.delete(training, block, axis=0).mean()
        expected += [np.mean((training[k] - others) ** 2) / 0.25 for k in block]
    expected += [np.mean((one - training.mean()) ** 2) / 0.25 for one in validation]
    np.testing.assert_allclose(found, expected)
    inside = np.mean((training - training.mean()) ** 2, axis=1) / 0.25
    assert found[:count].mean() > inside.mean()  # constants never fit motion that they have not seen as well


def test_only_families_that_are_not_far_behind_are_cross_validated(means):
    training = windows_of(np.random.default_rng(0).normal(size=(6, 4)))
    fit = Mean(0.0, np.ones(1), np.zeros(6))

    class Titled(Candidate):
        title = property(lambda self: self.name)

    def tested(*misfits, over=lambda: False):
        rows = [Candidate(f"family {k}", 1, misfit, 0.0, fit=fit) for k, misfit in enumerate(misfits)]
        rows = [Titled(*row) for row in rows]
        found = cross_validated(rows, np.ones(1), training, training, over)
        return [one.errors is not None for one in found]

    assert tested(1.0, 1.5, 4.0, np.inf) == [True, True, False, False]
    assert tested(1.0, 4.0) == [False, False]  # there is nothing to decide
    assert tested(1.0, 1.1, over=lambda: True) == [False, False]
    assert tested(np.inf, np.inf) == [False, False]
