"""Standard errors are those of least squares, where these are known in closed form."""

import warnings

import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.discovery import Library, sparse_lagrangian

pytestmark = pytest.mark.double


def test_those_of_a_formula_are_those_of_least_squares():
    """With L = v^2 / 2 + c q^2 and noise sigma in a = 2 c q, that of c is sigma / (2 |q|)."""
    rng = np.random.default_rng(0)
    q, v, sigma = rng.normal(size=(400, 1)), rng.normal(size=(400, 1)), 0.3
    a = -10 * q + sigma * rng.normal(size=q.shape)
    ys = np.concatenate([q, v], axis=1)[:, None]  # states of no one motion: each by itself
    states = nl.Trajectories(np.zeros(1), ys, accelerations=a[:, None])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = Library.coordinates(1, 2) + Library.velocities(1, 2)
        found = sparse_lagrangian(states, library, method="accelerations").candidate
    errors = dict(zip(found.support, found.standard_errors, strict=True))
    slope = np.vdot(q, a) / np.vdot(q, q)
    left = np.sqrt(np.mean((a - slope * q) ** 2))
    assert float(found.named["q^2"]) == pytest.approx(slope / 2, rel=1e-6)
    assert errors["q^2"] == pytest.approx(left / (2 * np.linalg.norm(q)), rel=0.02)
    assert errors["v^2"] == 0  # it sets the scale
