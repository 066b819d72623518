"""Parts that do not act on each other: the ratio of their scales is free, and is said to be."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.discovery import Library, UndeterminedWarning, sparse_lagrangian
from neural_lagrangian.discovery.uniform_motion import uniform_coordinates
from neural_lagrangian.integrators import RK4

from ..helpers import slow
from .cases import noisy_states

pytestmark = pytest.mark.double


def thrown_ball():
    rng, t = np.random.default_rng(3), np.linspace(0, 1.5, 61)
    rows = []
    for x, y, u, w in rng.uniform(-1, 1, (10, 4)) * [1, 1, 3, 6]:
        rows.append(np.column_stack([x + u * t, y + w * t - 4.905 * t**2, u + 0 * t, w - 9.81 * t]))
    return nl.Trajectories(t, np.stack(rows)), Library.coordinates(2, 2) * Library.velocities(2, 2)


def motion_of(lagrangian, dof, noise=0.0, accelerations=False):
    """Twelve motions of 4 s."""
    rng, t = np.random.default_rng(0), np.linspace(0, 4, 121)
    model = nl.NeuralLagrangian.from_lagrangian(lagrangian, RK4(), dof=dof, stepsize_controller=nl.StepsPerSample(4))
    ys = np.asarray(jax.jit(jax.vmap(model, (None, 0)))(jnp.asarray(t), jnp.asarray(rng.uniform(-1, 1, (12, 2 * dof)))))
    a = None
    if accelerations:
        q, v = jnp.split(jnp.asarray(ys.reshape(-1, 2 * dof)), 2, axis=1)
        a = np.asarray(jax.jit(jax.vmap(lambda q, v: nl.acceleration(lagrangian, 0.0, q, v)))(q, v))
        a = a.reshape(*ys.shape[:2], dof) + noise * rng.normal(size=(*ys.shape[:2], dof))
    return nl.Trajectories(t, ys, accelerations=a)


def uncoupled(t, q, v):
    return 0.5 * v[0] ** 2 + 1.5 * v[1] ** 2 - 2.0 * q[0] ** 2 - 0.75 * q[1] ** 2


def two_and_one(t, q, v):
    """Two masses on a spring, and a third by itself."""
    pair = 0.5 * v[0] ** 2 + 1.0 * v[1] ** 2 - 0.5 * q[0] ** 2 - 1.5 * (q[0] - q[1]) ** 2
    return pair + 0.35 * v[2] ** 2 - 0.7 * q[2] ** 2


def free_of(found):
    """Names of the terms whose standard error is infinite."""
    formula = found.formula
    return {n for n, s in zip(formula.support, formula.standard_errors, strict=True) if np.isinf(s)}


def test_a_thrown_ball():
    motion, library = thrown_ball()
    found = sparse_lagrangian(motion, library)
    assert free_of(found) == {"q1", "v1^2"}
    named = found.formula.named
    assert float(named["q1"] / named["v1^2"]) == pytest.approx(-2 * 9.81, rel=1e-6)
    assert "motion does not determine the ratio of their scales: v0^2; q1, v1^2" in str(found)


@pytest.mark.parametrize("noise", [0.0, slow(0.05)])
def test_oscillators_that_are_not_coupled(noise):
    library = Library.coordinates(2, 2) * Library.velocities(2, 2)
    found = sparse_lagrangian(motion_of(uncoupled, 2, noise, accelerations=True), library)
    assert free_of(found) == {"q1^2", "v1^2"}
    named = found.formula.named
    assert float(named["q1^2"] / named["v1^2"]) == pytest.approx(-0.5, rel=0.02 if noise else 1e-6)
    assert float(named["q0^2"] / named["v0^2"]) == pytest.approx(-4.0, rel=0.02 if noise else 1e-6)


@pytest.mark.slow
def test_a_block_of_a_larger_system():
    """Of three coordinates two are coupled: their ratio is told, with finite errors."""
    library = Library.coordinates(3, 2) + Library.velocities(3, 2)
    found = sparse_lagrangian(motion_of(two_and_one, 3, 0.02, accelerations=True), library)
    assert free_of(found) == {"q2^2", "v2^2"}
    ratio = found.formula.named["v1^2"] / found.formula.named["v0^2"]
    assert float(ratio) == pytest.approx(2.0, rel=0.02)


@pytest.mark.slow
def test_centre_of_mass_and_relative_motion():
    """In coordinates of the centre and of the distance, the ratio of whole and reduced mass is free."""
    found = sparse_lagrangian(
        motion_of(lambda t, q, v: 1.5 * v[0] ** 2 + 0.4 * v[1] ** 2 - 0.8 * q[1] ** 2, 2, 0.02, accelerations=True),
        Library.coordinates(2, 2) + Library.velocities(2, 2),
    )
    assert free_of(found) >= {"q1^2", "v1^2"}


def test_what_is_coupled_has_finite_errors():
    """The negative control."""

    def coupled(t, q, v):
        return uncoupled(t, q, v) - 0.3 * q[0] * q[1]

    library = Library.coordinates(2, 2) * Library.velocities(2, 2)
    found = sparse_lagrangian(motion_of(coupled, 2, 0.01, accelerations=True), library)
    assert not free_of(found)
    assert "do not interact" not in str(found)


SEPARATE = Library.coordinates(2, 2) + Library.velocities(2, 2)


def centre_of_mass(t, q, v):
    """The centre of mass moves uniformly, the distance oscillates."""
    return 1.5 * v[0] ** 2 + 0.4 * v[1] ** 2 - 0.8 * q[1] ** 2


@pytest.mark.parametrize("noise", [0.005, slow(0.02), slow(0.2)])
def test_the_accelerations_of_a_uniform_motion_may_be_noise(noise):
    found = sparse_lagrangian(motion_of(centre_of_mass, 2, noise, accelerations=True), SEPARATE)
    assert set(found.formula.support) == {"v0^2", "v1^2", "q1^2"}
    assert "moves uniformly within the noise, so its accelerations are noise: q0" in str(found)
    error = float(re.search(r"q1\^2: -[\d.]+ \+- ([\d.e-]+)", str(found)).group(1))
    assert abs(found.formula.named["q1^2"] / found.formula.named["v1^2"] + 2) < 2 * error < noise


@pytest.mark.parametrize("seed", [1, slow(2), slow(3)])
def test_a_thrown_ball_with_noise(seed):
    """Its horizontal motion is uniform, and all accelerations come from noisy states."""
    motion, _ = thrown_ball()
    found = sparse_lagrangian(noisy_states(motion, 0.02, seed), SEPARATE)
    assert free_of(found) == {"q1", "v1^2"}
    assert float(found.formula.named["q1"] / found.formula.named["v1^2"]) == pytest.approx(-2 * 9.81, rel=0.02)


@pytest.mark.parametrize("size", [0.1, slow(0.01), 0.001])
def test_a_small_force_that_the_library_lacks_is_no_noise(size):
    """The negative control: an acceleration that is real, and far below the noise of a sample."""

    def driven(t, q, v):
        return centre_of_mass(t, q, v) + size * jnp.cos(3 * q[0])

    with pytest.warns(UndeterminedWarning, match="of the accelerations remain unexplained"):
        found = sparse_lagrangian(motion_of(driven, 2, 0.02, accelerations=True), SEPARATE)
    assert "moves uniformly" not in str(found)


@pytest.mark.parametrize("which", ["velocities", slow("accelerations")])
def test_motion_is_uniform_if_all_that_is_recorded_is(which):
    """A slow wave in one of them alone is seen; without it the motion is uniform in any unit."""
    rng, t = np.random.default_rng(0), np.linspace(0, 4, 121)
    y = np.stack([np.column_stack([q + v * t, v + 0 * t]) for q, v in rng.normal(size=(12, 2))])
    y, a = y + 0.01 * rng.normal(size=y.shape), rng.normal(size=(12, 121, 1))
    wave = 0.02 * np.sin(3 * t)[None, :, None]
    noise = np.array([0.01, 0.01])
    for unit in (1e-9, 1.0, 1e9):
        assert uniform_coordinates(nl.Trajectories(t, unit * y, accelerations=unit * a), unit * noise).all()
    moved = y + wave * [0, 1] if which == "velocities" else y
    pushed = a + 20 * wave if which == "accelerations" else a
    assert not uniform_coordinates(nl.Trajectories(t, moved, accelerations=pushed), noise).any()
    assert uniform_coordinates(nl.Trajectories(t, y), np.array([0.01, np.inf])).all()
    curved = y + [[[1, 0]]] * (0.1 * t**2)[None, :, None]
    assert not uniform_coordinates(nl.Trajectories(t, curved), np.array([0.01, np.inf])).any()
    assert not uniform_coordinates(nl.Trajectories(t[:8], y[:, :8]), noise).any()
