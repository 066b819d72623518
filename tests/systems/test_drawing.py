"""Drawings: shapes, and lengths and positions from plane geometry."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.systems import Drawing

from .cases import CASES, states

COUNT = 20


@cache
def drawn(name):
    """Coordinates, and their drawings with a leading axis."""
    q = states(CASES[name])[1][:COUNT]
    return np.asarray(q), jax.tree.map(np.asarray, jax.jit(jax.vmap(CASES[name].drawing))(q))


@pytest.mark.parametrize("name", CASES)
def test_shapes(name):
    _, drawing = drawn(name)
    assert isinstance(drawing, Drawing)
    assert drawing.bodies.shape[0] == drawing.lines.shape[0] == COUNT
    assert drawing.bodies.shape[1] >= 1
    assert drawing.lines.shape[2] >= 2
    for part in drawing:
        assert part.shape[-1] == 2
        assert np.all(np.isfinite(part))


RODS = {
    "Pendulum": lambda s: [s.length],
    "DrivenPendulum": lambda s: [s.length],
    "DoublePendulum": lambda s: s.length,
    "NLinkPendulum": lambda s: s.length,
    "CoupledPendulums": lambda s: [s.length, s.length, 2 * s.length],
    "CartPole": lambda s: [s.length, 4 * s.length],
}


@pytest.mark.parametrize("name", RODS)
def test_rods_keep_their_length(name):
    _, drawing = drawn(name)
    lengths = np.linalg.norm(drawing.lines[:, :, 1] - drawing.lines[:, :, 0], axis=-1)
    np.testing.assert_allclose(lengths, np.broadcast_to(RODS[name](CASES[name]), lengths.shape), rtol=1e-5)


@pytest.mark.parametrize("name", ["Pendulum", "DoublePendulum", "NLinkPendulum"])
def test_bodies_of_a_chain_are_where_forward_kinematics_says(name):
    q, drawing = drawn(name)
    rods = np.asarray(CASES[name].length) * -1j * np.exp(1j * q)  # -i: hanging down
    bobs = np.cumsum(rods, axis=1)
    np.testing.assert_allclose(drawing.bodies[..., 0] + 1j * drawing.bodies[..., 1], bobs, atol=1e-5)
    np.testing.assert_allclose(drawing.lines[:, :, 1], drawing.bodies, atol=1e-6)


def test_the_pole_hangs_from_the_cart():
    q, drawing = drawn("CartPole")
    bob = q[:, 0] - 1j * CASES["CartPole"].length * np.exp(1j * q[:, 1])
    np.testing.assert_allclose(drawing.bodies[:, 0], np.stack([q[:, 0], 0 * q[:, 0]], 1), atol=1e-6)
    np.testing.assert_allclose(drawing.bodies[:, 1, 0] + 1j * drawing.bodies[:, 1, 1], bob, atol=1e-5)


@pytest.mark.parametrize("name", ["HarmonicOscillator", "SpringPendulum", "DampedOscillator", "Duffing"])
def test_springs_reach_from_the_origin_to_the_body(name):
    _, drawing = drawn(name)
    np.testing.assert_allclose(drawing.lines[:, 0, 0], 0, atol=1e-6)
    np.testing.assert_allclose(drawing.lines[:, 0, -1], drawing.bodies[:, 0], atol=1e-6)


def test_a_spring_without_length_is_drawn_too():
    drawing = CASES["HarmonicOscillator"].drawing(jnp.zeros(1))
    assert np.all(np.isfinite(drawing.lines))


def test_three_dimensions_are_seen_along_z():
    q, drawing = drawn("NBody, 3-D")
    np.testing.assert_allclose(drawing.bodies, q.reshape(COUNT, -1, 3)[..., :2])


@pytest.mark.parametrize(("name", "left", "right"), [("WaveEquation", -2, 1), ("WaveEquation, fixed", None, None)])
def test_the_string_goes_on_beyond_its_ends(name, left, right):
    _, drawing = drawn(name)
    string = np.asarray(drawing.lines[:, 0])
    assert np.all(string[:, 1:-1] == drawing.bodies)
    np.testing.assert_array_equal(string[:, 0, 1], 0 if left is None else string[:, left, 1])
    np.testing.assert_array_equal(string[:, -1, 1], 0 if right is None else string[:, right, 1])
