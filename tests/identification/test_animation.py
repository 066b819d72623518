"""The drawing of the report shows the motion, in its time, and in one scale."""

import xml.etree.ElementTree as ET

import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.identification.candidates import Candidate
from neural_lagrangian.identification.evidence import Bands, Examination
from neural_lagrangian.identification.families.family_fit import FamilyFit
from neural_lagrangian.identification.families.known_families import families_for
from neural_lagrangian.identification.recordings import Columns
from neural_lagrangian.identification.reports.animation import animation

pytestmark = pytest.mark.double

TS = np.linspace(0.0, 4.0, 50)
MOTION = np.stack([0.8 * np.cos(3 * TS), 0.5 * np.sin(2 * TS)], axis=1)
NAMES = {
    "rigid chain of 2 bodies, absolute angles": "ab",
    "rigid chain of 2 bodies, relative angles": "ab",
    "2 masses between linear springs": "",
}
"""Families with a drawing, and which of two coordinates are angles."""


def shown(name, offset=0.0, motion=MOTION, ts=TS):
    """The polylines of the page by their name, the animations, and the caption."""
    columns = Columns("t", ("a", "b"), (), None, {}, tuple(NAMES.get(name, "ab")))
    (family,) = [one for one in families_for(columns) if one.name == name]
    x = np.zeros(family.slices.drag.stop)
    x[family.slices.offset] = offset
    nothing = np.zeros(1)
    fit = FamilyFit(family, x, np.ones(len(x)), nothing, nothing, nothing, nothing, 0)
    predicted = motion + 0.01
    bands = Bands(ts[None], motion[None], predicted[None], np.ones((1, *motion.shape)), 3, 0.9, 1.0)
    candidate = Candidate(name, len(x), 1.0, fit=fit)
    drawing, caption = animation(Examination(candidate, bands, None, None, [], ""))
    return drawing, caption


def frames_of(drawing):
    """The points of both motions, shape `(motion, frame, point, 2)`, and their animations."""
    root = ET.fromstring(drawing)
    moving = [one for one in root.iter() if one.tag.endswith("animate")]
    values = [[[pair.split(",") for pair in frame.split()] for frame in one.get("values").split(";")] for one in moving]
    return np.array(values, float), moving


@pytest.mark.parametrize("name", list(NAMES)[:2])
def test_a_chain_is_drawn_as_the_double_pendulum(name):
    """In the frames of the page, up to scale and origin, y downwards."""
    points, _ = frames_of(shown(name, offset=0.3)[0])
    angles = (np.cumsum(MOTION, axis=1) if "relative" in name else MOTION) + 0.3
    system = nl.systems.DoublePendulum()
    bodies = np.array([system.drawing(jnp.asarray(q)).bodies for q in angles])
    expected = np.concatenate([np.zeros((len(TS), 1, 2)), bodies], axis=1) * [1, -1]
    scale = np.ptp(points[0, :, :, 0]) / np.ptp(expected[..., 0])
    moved = scale * (expected - expected[:1, :1]) + points[0, :1, :1]
    np.testing.assert_allclose(points[0], moved, atol=1.0)  # coordinates are rounded to a tenth of a pixel


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


def test_without_a_known_drawing_there_is_none():
    assert shown("2 pendulums coupled by springs") == ("", "")
