"""The drawing of the report shows the motion, in its time, and in one scale."""

import xml.etree.ElementTree as ET

import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.identification.candidates import Candidate
from neural_lagrangian.identification.evidence import Bands, Examination
from neural_lagrangian.identification.families.family import AbstractFamily
from neural_lagrangian.identification.families.family_fit import FamilyFit
from neural_lagrangian.identification.families.known_families import CoupledPendulums, families_for
from neural_lagrangian.identification.recordings import Columns
from neural_lagrangian.identification.reports.animation import animation

pytestmark = pytest.mark.double

TS = np.linspace(0.0, 4.0, 50)
MOTION = np.stack([0.8 * np.cos(3 * TS), 0.5 * np.sin(2 * TS)], axis=1)
NAMES = {
    "rigid chain of 2 bodies, absolute angles": "ab",
    "rigid chain of 2 bodies, relative angles": "ab",
    "2 masses between linear springs": "",
    "2 pendulums coupled by springs": "ab",
    "cart with a pendulum": "b",
    "pendulum on a spring": "b",
}
"""Families with a drawing, and which of two coordinates are angles."""


def shown(name, offset=0.0, motion=MOTION, ts=TS, constants=(), sizes=(1.0, 1.0)):
    """The polylines of the page by their name, the animations, and the caption."""
    columns = Columns("t", ("a", "b"), (), None, {}, tuple(NAMES.get(name, "ab")))
    (family,) = [one for one in families_for(columns) if one.name == name]
    x = np.zeros(family.slices.drag.stop)
    x[: len(constants)] = constants
    x[family.slices.offset] = offset
    nothing = np.zeros(1)
    fit = FamilyFit(family, x, np.ones(len(x)), nothing, nothing, nothing, nothing, 0)
    predicted = motion + 0.01
    half, sizes = np.ones((1, *motion.shape)), np.array(sizes)
    bands = Bands(ts[None], motion[None], predicted[None], half, sizes, 3, 0.9, 1.0)
    candidate = Candidate(name, len(x), 1.0, fit=fit)
    drawing, caption = animation(Examination(candidate, bands, None, None, [], ""))
    return drawing, caption


def frames_of(drawing):
    """The points of both motions, shape `(motion, frame, point, 2)`, and their animations."""
    root = ET.fromstring(drawing)
    moving = [one for one in root.iter() if one.tag.endswith("animate")]
    values = [[[pair.split(",") for pair in frame.split()] for frame in one.get("values").split(";")] for one in moving]
    return np.array(values, float), moving


def is_drawn(points, expected):
    """Whether points of a page are those of a drawing, up to scale and origin, y downwards."""
    expected = expected * [1, -1]
    scale = np.ptp(points[0, :, :, 0]) / np.ptp(expected[..., 0])
    moved = scale * (expected - expected[:1, :1]) + points[0, :1, :1]
    return np.abs(points[0] - moved).max() < 1.0  # coordinates are rounded to a tenth of a pixel


def bodies_of(system, states):
    return np.array([system.drawing(jnp.asarray(q)).bodies for q in states])


@pytest.mark.parametrize("name", list(NAMES)[:2])
def test_a_chain_is_drawn_as_the_double_pendulum(name):
    points, _ = frames_of(shown(name, offset=0.3)[0])
    angles = (np.cumsum(MOTION, axis=1) if "relative" in name else MOTION) + 0.3
    bodies = bodies_of(nl.systems.DoublePendulum(), angles)
    assert is_drawn(points, np.concatenate([np.zeros((len(TS), 1, 2)), bodies], axis=1))


@pytest.mark.parametrize("turned", [1.0, -1.0])
def test_a_cart_is_drawn_with_the_length_of_its_pole(turned):
    """In units of half a metre; the angle may be counted either way."""
    cart = nl.systems.CartPole(length=0.8)
    inertia = cart.cart_mass + cart.pole_mass
    a, b = cart.pole_mass * 0.8**2 / 0.5**2 / inertia, turned * cart.pole_mass * 0.8 / 0.5 / inertia
    name = "cart with a pendulum"
    drawing, caption = shown(name, offset=0.3, constants=(a, b), sizes=(0.5, 1.0))
    states = (MOTION + np.array([0, 0.3])) * [1, turned]
    expected = bodies_of(cart, states)[:, [0, 0, 1]]
    assert is_drawn(frames_of(drawing)[0], expected)
    other, _ = shown(name, offset=0.3, constants=(a, 2 * b), sizes=(0.5, 1.0))
    assert not is_drawn(frames_of(other)[0], expected)
    assert shown(name, constants=(a, 0.0)) == ("", "")  # not coupled: the motion does not tell the length
    assert "equal" not in caption


def test_a_pendulum_on_a_spring_is_drawn_with_its_length():
    motion = MOTION * [0.2, 1] + [0.7, 0]
    drawing, _ = shown("pendulum on a spring", offset=(0.3, 0.4), motion=motion, sizes=(0.5, 1.0))
    bodies = bodies_of(nl.systems.SpringPendulum(), motion + np.array([0.4 * 0.5, 0.3]))
    assert is_drawn(frames_of(drawing)[0], np.concatenate([0 * bodies, bodies], axis=1))


def test_coupled_pendulums_hang_side_by_side():
    drawing, caption = shown("2 pendulums coupled by springs", offset=0.3)
    bodies = bodies_of(nl.systems.CoupledPendulums(), MOTION + 0.3)
    pivots = np.broadcast_to([[-1.0, 0.0], [1.0, 0.0]], bodies.shape)
    path = np.stack([pivots, bodies, pivots], axis=2).reshape(len(TS), 6, 2)
    assert is_drawn(frames_of(drawing)[0], path)
    assert "all are drawn equal" in caption


def test_masses_keep_their_displacements():
    points, _ = frames_of(shown("2 masses between linear springs")[0])
    masses = points[0, :, 1:, 0]
    scale = np.ptp(masses[:, 0]) / np.ptp(MOTION[:, 0])
    np.testing.assert_allclose(masses - masses[:1], scale * (MOTION - MOTION[:1]), atol=1.0)
    assert np.ptp(points[..., 1]) == 0


@pytest.mark.parametrize(("length", "seconds", "pace"), [(4.0, 4.0, "in real time"), (0.1, 2.0, "0.1 s in 2 s")])
def test_it_takes_the_time_of_the_motion(length, seconds, pace):
    drawing, caption = shown(next(iter(NAMES)), ts=TS * length / 4)
    _, moving = frames_of(drawing)
    times = [float(x) for x in moving[0].get("keyTimes").split(";")]
    assert [one.get("dur") for one in moving] == [f"{seconds:.3f}s"] * 2
    np.testing.assert_allclose(times, np.linspace(0, 1, len(TS)), atol=1e-4)
    assert pace in caption


def test_without_a_known_drawing_there_is_none(monkeypatch):
    monkeypatch.setattr(CoupledPendulums, "drawn", AbstractFamily.drawn)
    assert shown("2 pendulums coupled by springs") == ("", "")
