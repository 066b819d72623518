"""The block of the guide that makes a CasADi function of a formula gives the formula's accelerations."""

from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.discovery import Formula, Library

from ..helpers import states
from ..test_guides import blocks_of

pytest.importorskip("casadi")
pytestmark = pytest.mark.double
PAGE = Path(__file__).parents[2] / "docs" / "how_to" / "discovery.md"


def with_every_function():
    """A formula of one coordinate, with powers, waves and a mass that depends on the coordinate."""
    library = Library.velocities(1, 2) * (Library.coordinates(1, 2) + Library.waves(1, 2))
    return Formula(library, jnp.linspace(0.5, 1.0, len(library.names)))


def two_coordinates():
    """Two links: the mass matrix couples both velocities."""
    library = (Library.velocities(2, 2) * Library.waves(2, 2)) + Library.waves(2, 2)
    coefficients = np.zeros(len(library.names))
    links = {"v0^2": 1.0, "v1^2": 0.5, "v0 v1 cos(q0 - q1)": 0.7, "cos(q0)": 9.0, "cos(q1)": 4.0}
    for name, value in links.items():
        coefficients[library.names.index(name)] = value
    return Formula(library, jnp.asarray(coefficients))


@pytest.mark.parametrize("formula", [with_every_function, two_coordinates])
def test_the_block_of_the_guide_gives_the_accelerations(formula):
    found = SimpleNamespace(formula=formula())
    dof = found.formula.dof
    (block,) = blocks_of(PAGE.read_text())[1]
    if dof == 2:
        block = block.replace('"q v"', '"q0 q1 v0 v1"').replace(", 1)", ", 2)")
    names = {"found": found}
    exec(block, names)
    _, q, v = states(dof, 20)
    ours = jax.vmap(lambda q, v: nl.acceleration(found.formula, 0.0, q, v))(q, v)
    pairs = zip(np.asarray(q), np.asarray(v), strict=True)
    theirs = np.stack([names["acceleration"](*pair).full()[:, 0] for pair in pairs])
    np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=1e-9)
    assert np.abs(theirs).max() > 0.1
