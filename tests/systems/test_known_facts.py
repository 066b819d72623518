"""What the textbooks say of each system."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import Integration
from neural_lagrangian.systems import (
    CartPole,
    ChargedParticle,
    CoupledPendulums,
    DoublePendulum,
    DrivenPendulum,
    Duffing,
    NBody,
    NLinkPendulum,
    Pendulum,
    PoyntingRobertson,
    SpringPendulum,
    WaveEquation,
)

from ..helpers import DOUBLE, DTYPE
from .cases import CASES, TS, motion, states


def assert_close(actual, expected):
    """To 1e-11 of the largest entry in double precision, to 1e-4 in single."""
    scale = max(np.max(np.abs(expected)), np.max(np.abs(actual)))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=(1e-11 if DOUBLE else 1e-4) * scale)


def squared_frequencies(system, rest):
    """Of small oscillations about a position of rest, ascending."""
    rest = jnp.asarray(rest, DTYPE)
    stiffness = -jax.jit(jax.jacfwd(lambda q: system.acceleration(0.0, q, jnp.zeros_like(q))))(rest)
    return np.sort(np.linalg.eigvals(np.asarray(stiffness, float)).real)


M, MASS, LENGTH, SPRING, G = 1.3, 0.7, 0.8, 12.0, 9.81
STRETCHED = LENGTH + MASS * G / SPRING
SMALL_OSCILLATIONS = [
    (Pendulum(MASS, LENGTH, G), [0.0], [G / LENGTH]),
    (DoublePendulum(), [0.0, 0.0], [G * (2 - 2**0.5), G * (2 + 2**0.5)]),
    (NLinkPendulum((1.0,) * 4, (1.0,) * 4, G), [0.0] * 4, G * np.polynomial.laguerre.lagroots([0, 0, 0, 0, 1])),
    (CoupledPendulums(MASS, LENGTH, SPRING, G), [0.0, 0.0], [G / LENGTH, G / LENGTH + 2 * SPRING / (MASS * LENGTH**2)]),
    (SpringPendulum(MASS, LENGTH, SPRING, G), [STRETCHED, 0.0], [G / STRETCHED, SPRING / MASS]),
    (CartPole(M, MASS, LENGTH, G), [0.0, 0.0], [0, (M + MASS) * G / (M * LENGTH)]),
]


@pytest.mark.parametrize(
    ("system", "rest", "expected"), SMALL_OSCILLATIONS, ids=[type(s).__name__ for s, _, _ in SMALL_OSCILLATIONS]
)
def test_small_oscillations(system, rest, expected):
    assert_close(squared_frequencies(system, rest), np.sort(expected))


@pytest.mark.parametrize("ends", ["periodic", "fixed"])
def test_standing_waves_of_the_lattice(ends):
    density, tension, spacing, sites = 0.8, 1.7, 0.3, 6
    half_waves = 2 * np.ceil(np.arange(sites) / 2) if ends == "periodic" else np.arange(1, sites + 1)
    span = sites if ends == "periodic" else sites + 1
    expected = 4 * tension / (density * spacing**2) * np.sin(np.pi * half_waves / (2 * span)) ** 2
    system = WaveEquation(density, tension, spacing, sites, ends)
    assert_close(squared_frequencies(system, np.zeros(sites)), np.sort(expected))


@pytest.mark.parametrize(
    ("chain", "other"),
    [
        (NLinkPendulum((1.0, 1.4), (0.8, 1.1), 9.7), DoublePendulum((1.0, 1.4), (0.8, 1.1), 9.7)),
        (NLinkPendulum((1.3,), (0.8,), 9.7), Pendulum(1.3, 0.8, 9.7)),
    ],
)
def test_short_chains_are_the_known_pendulums(chain, other):
    arguments = states(chain, 10)

    @jax.jit
    @jax.vmap
    def both(t, q, v):
        return [(s.acceleration(t, q, v), s.energy(t, q, v), s.lagrangian(t, q, v)) for s in (chain, other)]

    for ours, theirs in zip(*both(*arguments), strict=True):
        assert_close(ours, theirs)


def test_gauges_differ_by_a_total_derivative():
    symmetric, landau = ChargedParticle(1.3, 0.7, 2.0), ChargedParticle(1.3, 0.7, 2.0, gauge="landau")
    t, q, v = states(symmetric, 10)
    difference = jax.vmap(landau.lagrangian)(t, q, v) - jax.vmap(symmetric.lagrangian)(t, q, v)
    (x, y), (u, w) = q.T, v.T
    assert_close(difference, -0.5 * 0.7 * 2.0 * (x * w + u * y))


@pytest.mark.double
def test_larmor_frequency():
    """After a turn of the vector by omega t, clockwise for e B > 0; after 2 pi / omega everything is as before."""
    system = CASES["ChargedParticle"]
    omega = system.charge * system.field / system.mass
    y0s = system.sample_states(jax.random.key(1), 2)
    turns = nl.simulate(system, jnp.linspace(0, 2 * jnp.pi / omega, 10), y0s)
    np.testing.assert_allclose(turns.ys[:, -1], y0s, atol=1e-10)
    velocity = turns.ys[..., 2] + 1j * turns.ys[..., 3]
    np.testing.assert_allclose(velocity, velocity[:, :1] * np.exp(-1j * omega * turns.ts), atol=1e-10)


@pytest.mark.double
def test_keplers_third_law():
    system = CASES["Kepler"]
    y = system.sample_states(jax.random.key(2), 1)[0]
    turned = jnp.stack([-y[1], y[0], -y[3], y[2]])
    axis = -system.pull * system.mass / (2 * system.energy(0.0, *jnp.split(y, 2)))
    period = 2 * jnp.pi * jnp.sqrt(axis**3 / system.pull)
    orbit = nl.simulate(system, jnp.linspace(0, period, 10), jnp.stack([y, turned]))
    np.testing.assert_allclose(orbit.ys[:, -1], orbit.ys[:, 0], atol=1e-9)
    assert np.abs(orbit.ys[:, -2] - orbit.ys[:, 0]).max() > 0.1


@pytest.mark.double
def test_free_fall_never_reaches_the_speed_of_light():
    system = CASES["RelativisticParticle"]
    m, c, F = system.mass, system.light_speed, system.load
    fall = nl.simulate(system, jnp.linspace(0.0, 100.0, 10), jnp.zeros((2, 2)))
    at = F * np.asarray(fall.ts[0]) / (m * c)
    np.testing.assert_allclose(fall.ys[0, :, 1], c * at / np.sqrt(1 + at**2), atol=1e-10)
    np.testing.assert_allclose(fall.ys[0, :, 0], m * c**2 / F * (np.sqrt(1 + at**2) - 1), rtol=1e-10, atol=1e-10)
    assert np.all(np.abs(fall.ys[..., 1]) < c)


@pytest.mark.double
def test_damped_oscillation_in_closed_form():
    system, simulated = CASES["DampedOscillator"], motion()["DampedOscillator"]
    decay = 0.5 * system.damping / system.mass
    omega = np.sqrt(system.stiffness / system.mass - decay**2)
    t, (q0, v0) = np.asarray(TS), simulated[0, 0]
    q = np.exp(-decay * t) * (q0 * np.cos(omega * t) + (v0 + decay * q0) / omega * np.sin(omega * t))
    np.testing.assert_allclose(simulated[0, :, 0], q, atol=1e-11)


@pytest.mark.double
def test_drag_takes_angular_momentum_by_the_radian():
    system = CASES["PoyntingRobertson"]
    x, y, u, w = np.moveaxis(motion()["PoyntingRobertson"], -1, 0)
    h = x * w - y * u
    start, end = np.arctan2(y, x)[:, 0], np.arctan2(y, x)[:, -1]
    loss = (h[:, 0] - h[:, -1]) / (system.radiation * system.pull / system.light_speed)
    turns = (loss - (end - start)) / (2 * np.pi)
    assert np.all(np.round(turns) >= 1)
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-5)


@pytest.mark.slow
@pytest.mark.double
def test_published_decay_of_a_dust_orbit():
    """Six thousand years from periapsis, a = 1 au, e = 0.2."""
    integration = Integration(CASES["Kepler"].integration.solver, max_steps=10**6)
    system = PoyntingRobertson(integration=integration)
    speed = np.sqrt((1 - system.radiation) * system.pull * 1.2 / 0.8)
    y0 = jnp.asarray([0.8, 0.0, 0.0, speed])
    end = nl.simulate(system, jnp.asarray([0.0, 6000.0]), y0[None]).ys[0, -1]
    energies = [system.energy(0.0, *jnp.split(jnp.asarray(y), 2)) for y in (y0, end)]
    assert float(energies[1] / energies[0]) == pytest.approx(1.112691, abs=1e-6)
    assert (end[0] * end[3] - end[1] * end[2]) / (0.8 * speed) - 1 == pytest.approx(-4.772e-2, abs=1e-5)


def test_two_bodies_are_keplers_problem():
    system = NBody((1.3, 0.6), 2.0)
    t, q, v = states(system, 10)
    a = jax.vmap(system.acceleration)(t, q, v)
    separation = q[:, :2] - q[:, 2:]
    distance = jnp.linalg.norm(separation, axis=1, keepdims=True)
    assert_close(a[:, :2] - a[:, 2:], -2.0 * 1.9 * separation / distance**3)


def test_equal_bodies_turn_as_a_rigid_polygon():
    system = NBody((1.3,) * 5, 2.0)
    q, v = jnp.split(system.sample_states(jax.random.key(0), 1, radius=0.8, disorder=0.0)[0], 2)
    rate = np.sum(v**2) / np.sum(q**2)
    assert_close(system.acceleration(0.0, q, v), -rate * q)


def test_saddles_of_henon_and_heiles():
    system = CASES["HenonHeiles"]
    scale = system.stiffness / system.coupling
    for angle in np.pi * np.array([1 / 2, 7 / 6, 11 / 6]):
        q = jnp.asarray(scale * np.array([np.cos(angle), np.sin(angle)]), DTYPE)
        np.testing.assert_allclose(system.acceleration(0.0, q, 0 * q), 0, atol=1e-6)
        np.testing.assert_allclose(system.energy(0.0, q, 0 * q), system.escape_energy, rtol=1e-5)
    sampled = system.sample_states(jax.random.key(3), 200)
    energy = jax.vmap(lambda y: system.energy(0.0, *jnp.split(y, 2)))(sampled)
    assert np.all(energy < system.escape_energy)


def test_wells_of_duffings_oscillator():
    system = Duffing(stiffness=-1.3, hardening=0.6, drive=0.0)
    bottom = jnp.asarray([(1.3 / 0.6) ** 0.5], DTYPE)
    np.testing.assert_allclose(system.acceleration(0.0, bottom, 0 * bottom), 0, atol=1e-6)
    assert_close(squared_frequencies(system, bottom), np.array([2 * 1.3]))


def test_a_pivot_at_rest_or_in_free_fall():
    """Without a drive it is a pendulum; at phase zero a pivot with A w^2 = g falls freely, and nothing swings."""
    t, q, v = states(CASES["DrivenPendulum"], 10)
    still = DrivenPendulum(0.7, 0.8, 9.7, amplitude=0.0)
    assert_close(jax.vmap(still.acceleration)(t, q, v), jax.vmap(Pendulum(0.7, 0.8, 9.7).acceleration)(t, q, v))
    falling = DrivenPendulum(0.7, 0.8, 9.7, amplitude=9.7 / 4, frequency=2.0)
    np.testing.assert_allclose(jax.vmap(falling.acceleration)(0 * t, q, v), 0, atol=1e-5)


def test_the_position_of_the_bob_obeys_newton():
    """The second derivative of the bob's position across the rod is that of the weight: tension acts along it."""
    system = CASES["DrivenPendulum, oblique"]
    t, q, v = (x[0] for x in states(system))
    a = system.acceleration(t, q, v)

    def bob(h):
        theta = q[0] + h * v[0] + 0.5 * h**2 * a[0]
        pivot = system.amplitude * jnp.cos(system.frequency * (t + h))
        x = pivot * jnp.sin(system.direction) + system.length * jnp.sin(theta)
        return jnp.stack([x, pivot * jnp.cos(system.direction) - system.length * jnp.cos(theta)])

    across = jnp.stack([jnp.cos(q[0]), jnp.sin(q[0])])
    acceleration = jax.jacfwd(jax.jacfwd(bob))(jnp.zeros((), DTYPE))
    assert_close(across @ acceleration, -system.gravity * across[1])


@pytest.mark.double
@pytest.mark.parametrize(("frequency", "upright"), [(60.0, True), (30.0, False)])
def test_a_fast_drive_holds_the_pendulum_upright(frequency, upright):
    """Where A^2 w^2 > 2 g l: with A = 0.1 m and l = 1 m above 44 rad/s."""
    system = DrivenPendulum(amplitude=0.1, frequency=frequency)
    ts = jnp.linspace(0.0, 5.0, 50)
    theta = nl.simulate(system, ts, jnp.asarray([[jnp.pi - 0.1, 0.0]])).ys[0, :, 0]
    assert (np.abs(theta - np.pi).max() < 0.3) == upright
