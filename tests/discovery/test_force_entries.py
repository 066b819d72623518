"""The order of coefficients is the same where they are offered, chosen and simulated."""

import numpy as np
import pytest

from neural_lagrangian.discovery.balance import control_columns, damping_columns
from neural_lagrangian.discovery.force_entries import Candidates


@pytest.mark.parametrize(("dof", "controls"), [(1, 0), (2, 1), (3, 2)])
def test_every_entry_multiplies_the_control_or_velocity_that_it_names(dof, controls):
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(1, controls)), rng.normal(size=(1, dof))
    columns = np.concatenate([control_columns(u, dof), damping_columns(v)], axis=1)[0]
    candidates = Candidates(5, dof, controls)
    entries = candidates.entries(range(5 + len(columns)))
    of_terms, G, D = entries.split(np.concatenate([np.zeros((5, dof)), columns]), 5)
    assert len(of_terms) == 5
    assert candidates.first_damping == 5 + len(G)
    for (i, j), column in zip(entries.controls, G, strict=True):
        np.testing.assert_array_equal(column, -u[0, j] * np.eye(dof)[i])
    for (i, j), column in zip(entries.damping, D, strict=True):
        expected = np.zeros(dof)
        expected[[i, j]] = v[0, [j, i]]
        np.testing.assert_array_equal(column, expected)
    assert candidates.entries([0, 4]) == ((), ())
    assert candidates.entries([candidates.first_damping]) == ((), ((0, 0),))
