"""No answer about recorded motion depends on units, nor on when the clock began."""

import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian import trajectories
from neural_lagrangian.datasets import add_noise
from neural_lagrangian.trajectories import Scaling, Windows

from ..helpers import DTYPE
from ..units import check, every, unregistered

TS = np.cumsum(np.random.default_rng(0).choice([0.0625, 0.125], 40)) + np.where(np.arange(40) < 20, 0, 2)
"""Uneven steps, exact in binary, and one gap: between the samples 19 and 20."""
YS = np.stack([np.sin(TS), 0.3 * TS**2, np.cos(TS), 0.6 * TS], axis=1)


def motion(u):
    return nl.Trajectories(u.times(TS.astype(DTYPE)), u.state(np.stack([YS, YS + 0.5]).astype(DTYPE)))


def differentiated(u):
    found = trajectories.differentiate(u.times(TS), u.state(YS)[:, :2], accelerations=True)
    return {"ys": u.natural(found.ys), "a": found.accelerations / u.acceleration_unit}


def in_parts(u):
    """The same trajectories in the same parts, split at the same gap."""
    parts = trajectories.split(motion(u), (0.5, 0.5), key=jax.random.key(0))
    first = parts[0].split_at_gaps()
    ts, qs = trajectories.without_velocities(first)
    return {"samples": first.lengths, "t": ts[1] / u.tau - u.clock, "q": qs[1] / u.s}


def written(u):
    names = {"trajectory": "run", "positions": ["a", "b"], "velocities": ["c", "d"]}
    with tempfile.TemporaryDirectory() as folder:
        trajectories.write_trajectories(Path(folder) / "motion.csv", motion(u), **names)
        found = trajectories.read_trajectories(Path(folder) / "motion.csv", **names)
    return {"samples": found.lengths, "ys": u.natural(found.ys)}


def scaled(u, centre):
    """Natural units are natural whatever a recording is written in."""
    found = Scaling.of(motion(u), centre=centre)
    natural = found.scale(motion(u))
    again = found.unscale(natural).ys
    return {"ys": natural.ys, "steps": np.diff(natural.ts, axis=1), "again": u.natural(again)}


def windows(u):
    found = Windows(motion(u), horizon=6)
    window = found.gather(found.evenly(5))
    return {"count": len(found), "ys": u.natural(np.asarray(window.ys)), "steps": np.diff(window.ts) / u.tau}


CASES = {
    "differentiate": differentiated,
    "noise_gain": lambda u: {"gain": trajectories.noise_gain(u.times(TS)) * np.array([1.0, u.tau, u.tau**2])},
    "split, without_velocities": in_parts,
    "write_trajectories, read_trajectories": written,
    "Scaling": lambda u: scaled(u, centre=False),
    "Scaling, centred": lambda u: scaled(u, centre=True),
    "Windows": windows,
    "add_noise": lambda u: {"ys": u.natural(add_noise(motion(u), relative=0.05, key=jax.random.key(0)).ys)},
}


def test_every_function_is_in_the_registry():
    assert unregistered(trajectories, CASES, {}) == set()


@pytest.mark.parametrize(("case", "change"), every(CASES))
def test_the_answer_is_the_same(case, change):
    check(CASES[case], change)
