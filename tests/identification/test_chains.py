"""The candidate terms of the command line hold the Lagrangian of a chain of bodies, of up to four angles."""

import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.discovery import sample_equations
from neural_lagrangian.discovery.term_columns import sample_columns
from neural_lagrangian.identification.formulas.candidate_terms import MAX_TERMS, library_for
from neural_lagrangian.identification.recordings.columns import Columns
from neural_lagrangian.systems import NLinkPendulum


def candidates(names, angles):
    return library_for(Columns("t", names, (), None, {}, angles))


def share_outside(lagrangian, library):
    """Of the equations of motion of a Lagrangian, what no combination of the terms has."""
    rng = np.random.default_rng(0)
    states = rng.uniform(-3, 3, (200, 2 * library.dof))
    target, columns = sample_equations(lagrangian, states), sample_columns(library, states)
    y = np.concatenate([target.M.reshape(len(states), -1), target.h], axis=1).reshape(-1)
    X = np.concatenate([columns.M.reshape(*columns.h.shape[:2], -1), columns.h], axis=2)
    X = np.swapaxes(X, 1, 2).reshape(len(y), -1)
    return np.linalg.norm(y - X @ np.linalg.lstsq(X, y, rcond=None)[0]) / np.linalg.norm(y)


@pytest.mark.double
@pytest.mark.parametrize("links", [3, 4])
def test_of_pendulums_in_a_row(links):
    names = tuple("abcd"[:links])
    library = candidates(names, names)
    assert len(library) <= MAX_TERMS
    system = NLinkPendulum((1.0, 0.7, 0.5, 0.4)[:links], (0.5, 0.6, 0.7, 0.8)[:links])
    assert share_outside(system.lagrangian, library) < 1e-9
    lean = candidates(names, ())  # the negative control: powers of coordinates
    assert share_outside(system.lagrangian, lean) > 0.05


@pytest.mark.double
def test_of_three_pendulums_on_a_cart():
    def lagrangian(t, q, v):
        x = [v[0], 0.0]
        L = 0.5 * v[0] ** 2
        height = 0.0
        for i, length in enumerate((0.5, 0.7, 0.9), 1):
            x = [x[0] + length * jnp.cos(q[i]) * v[i], x[1] + length * jnp.sin(q[i]) * v[i]]
            height = height - length * jnp.cos(q[i])
            L = L + 0.5 * (x[0] ** 2 + x[1] ** 2) - 9.81 * height
        return L

    library = candidates(("x", "a", "b", "c"), ("a", "b", "c"))
    assert len(library) <= MAX_TERMS
    assert share_outside(lagrangian, library) < 1e-9
