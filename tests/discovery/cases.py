"""Systems with a library for each, and the formula that is to be found in it."""

from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import neural_lagrangian as nl
from neural_lagrangian.datasets import add_noise
from neural_lagrangian.discovery import Library
from neural_lagrangian.systems import (
    AbstractSystem,
    ChargedParticle,
    ConstantForce,
    DoublePendulum,
    HarmonicOscillator,
    SpringPendulum,
)

POLAR = ("r", "theta")


class Case(NamedTuple):
    system: AbstractSystem
    library: Library
    formula: dict
    duration: float = 3.0

    def motion(self, seed=0, *, count=20, samples=100):
        """Trajectories from random states, with their true accelerations."""
        return _motion(self.system, self.duration, seed, count, samples)


@cache
def _motion(system, duration, seed, count, samples):
    wide = {"limit": 1.0} if isinstance(system, DoublePendulum) else {}
    y0s = system.sample_states(jax.random.key(seed), count, **wide)
    return nl.simulate(system, jnp.linspace(0, duration, samples), y0s, accelerations=True)


_WAVES = Library.waves(2, 2)
BENDS = _WAVES.select(
    [_WAVES.names.index(n) for n in ("1", "cos(q0)", "cos(q1)", "cos(q0 - q1)", "sin(q0 - q1)", "cos(q0 + q1)")]
)
POLYNOMIALS = Library.coordinates(1, 4) * Library.velocities(1, 4)
CASES = {
    "constant force": Case(ConstantForce(), POLYNOMIALS, {"q": -9.81, "v^2": 0.5}, 2.0),
    "oscillator": Case(HarmonicOscillator(), POLYNOMIALS, {"q^2": -5, "v^2": 0.5}),
    "spring pendulum": Case(
        SpringPendulum(),
        Library.coordinates(2, 2, [0], names=POLAR)
        * Library.waves(2, 1, [1], names=POLAR)
        * Library.velocities(2, 2, names=POLAR),
        {"r": 40, "r^2": -20, "r_dot^2": 0.5, "r cos(theta)": 9.81, "r^2 theta_dot^2": 0.5},
    ),
    "double pendulum": Case(
        DoublePendulum(),
        BENDS * Library.velocities(2, 2),
        {"v0^2": 0.5, "v1^2": 0.25, "cos(q0 - q1) v0 v1": 0.5, "cos(q0)": 9.81, "cos(q1)": 4.905},
    ),
    "charged particle": Case(
        ChargedParticle(),
        Library.coordinates(2, 2) * Library.velocities(2, 2),
        {"v0^2": 0.5, "v1^2": 0.5, "q0 v1": 1.0},  # Landau's gauge: one term less than the symmetric one
        6.0,
    ),
}


def noisy_accelerations(motion, noise, seed=0):
    """The same states, with noise on the accelerations alone, relative to the root mean square of each."""
    a = motion.accelerations
    rms = np.sqrt(np.mean(a**2, axis=(0, 1)))
    draw = np.random.default_rng(seed).normal(size=a.shape)
    return nl.Trajectories(motion.ts, motion.ys, accelerations=(a + noise * rms * draw).astype(a.dtype))


def noisy_states(motion, noise, seed=0):
    """Positions and velocities alone, with noise relative to the standard deviation of each."""
    bare = nl.Trajectories(motion.ts, motion.ys)
    return add_noise(bare, relative=noise, key=jax.random.key(seed)) if noise else bare


def largest_error(formula, expected):
    """Of the coefficients, relative; the support must be exact."""
    found = {name: float(c) for name, c in formula.named.items()}
    assert set(found) == set(expected), f"{formula}"
    return max(abs(found[name] / c - 1) for name, c in expected.items())
