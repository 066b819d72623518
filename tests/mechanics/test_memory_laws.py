"""What each force with memory is known for: its steady state, loops, step response, and where its energy goes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics import (
    BoucWen,
    ControlForce,
    DeadTime,
    LuGre,
    Maxwell,
    MemoryAtJoints,
    SampledControl,
)
from neural_lagrangian.numerics import trained_and_rest

from ..helpers import DTYPE, MEMORIES

LUGRE = MEMORIES["lugre"]
PASSIVE = ("lugre", "bouc_wen", "maxwell")


def samples(count=400, seed=0):
    """Velocities, and internal states as shares of their largest value."""
    v, share = np.random.default_rng(seed).uniform(-1, 1, (2, count, 1))
    return jnp.asarray(v, DTYPE), jnp.asarray(share, DTYPE)


def along(law, ts, q, v):
    """Forces and internal states along a prescribed motion from rest, by RK4 (NumPy: nothing is compiled twice)."""
    rate = jax.jit(lambda t, z: law.rate(t, q(t), v(t), z))
    zs = [np.zeros(1)]
    for t, h in zip(ts[:-1], np.diff(ts), strict=True):
        z = zs[-1]
        k1 = np.asarray(rate(t, jnp.asarray(z, DTYPE)))
        k2 = np.asarray(rate(t + h / 2, jnp.asarray(z + h / 2 * k1, DTYPE)))
        k3 = np.asarray(rate(t + h / 2, jnp.asarray(z + h / 2 * k2, DTYPE)))
        k4 = np.asarray(rate(t + h, jnp.asarray(z + h * k3, DTYPE)))
        zs.append(z + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4))
    zs = jnp.asarray(np.stack(zs), DTYPE)
    times = jnp.asarray(ts, DTYPE)
    return np.asarray(jax.vmap(lambda t, z: law.force(t, q(t), v(t), z))(times, zs))[:, 0], np.asarray(zs)


def test_lugre_slides_with_stribeck_and_viscous_friction():
    v = jnp.asarray([0.7], DTYPE)
    for velocity in (v, -v, 0.1 * v):
        z = LUGRE.steady_deflection(velocity)
        np.testing.assert_allclose(LUGRE.rate(0.0, v, velocity, z), 0, atol=1e-6)
        stribeck = 0.3 + 0.2 * np.exp(-((np.asarray(velocity) / 0.4) ** 2))
        expected = -(stribeck * np.sign(velocity) + 0.1 * np.asarray(velocity))
        np.testing.assert_allclose(LUGRE.force(0.0, v, velocity, z), expected, rtol=1e-5)


@pytest.mark.double
def test_lugre_below_breakaway_is_a_spring_with_hysteresis():
    """Loops of a hundredth of the break-away deflection are elastic; larger ones enclose an area."""
    ts, omega = np.linspace(0, 4 * np.pi, 401), 1.0
    shares = []
    for size in (8e-5, 4e-3):
        q, v = (
            (lambda t, s=size: jnp.atleast_1d(s * jnp.sin(omega * t))),
            (lambda t, s=size: jnp.atleast_1d(s * omega * jnp.cos(omega * t))),
        )
        law = LuGre([60.0], coulomb=[0.3], breakaway=[0.5], stribeck_velocity=[0.4])
        Q, _ = along(law, ts, q, v)
        last = ts >= 2 * np.pi
        x = size * np.sin(ts[last])
        lost = -np.trapezoid(Q[last], x)
        shares.append(lost / (60.0 * size**2))
    elastic, hysteretic = shares
    assert 0 < elastic < 0.05
    assert hysteretic > 5 * elastic


@pytest.mark.parametrize("name", PASSIVE)
def test_power_is_stored_or_becomes_heat(name):
    law = MEMORIES[name]
    v, share = samples()
    bound = {"lugre": 0.5 / 60.0, "bouc_wen": 1.0, "maxwell": 1.0}[name]
    power = jax.vmap(lambda v, z: law.dissipation(0.0, jnp.zeros_like(v), v, z))(v, bound * share)
    scale = jnp.max(jnp.abs(power))
    assert jnp.min(power) >= -1e-6 * scale
    assert scale > 0


def test_lugre_with_too_much_damping_of_the_bristles_is_not_passive():
    """The negative control: beyond the speed of the condition, the friction gives back more than was stored."""
    damping, g, breakaway = 2.0, 0.3, 0.9
    law = LuGre([60.0], coulomb=[g], breakaway=[breakaway], stribeck_velocity=[0.4], damping=[damping])
    v, share = samples()
    limit = 4 * g / damping
    z = breakaway / 60.0 * share

    def power(speed):
        return jax.vmap(lambda v, z: law.dissipation(0.0, jnp.zeros_like(v), v, z))(speed * v, z)

    assert jnp.min(power(limit)) >= -1e-7
    assert jnp.min(power(4 * limit)) < -1e-3


def test_bouc_wen_dissipates_as_the_formula_says_and_stays_within_its_strength():
    law = MEMORIES["bouc_wen"]
    v, z = samples()
    power = jax.vmap(lambda v, z: law.dissipation(0.0, jnp.zeros_like(v), v, z))(v, z)
    factor = jnp.where(v * z > 0, 1.0, 0.4)
    np.testing.assert_allclose(power, (0.8 * jnp.abs(v) * jnp.abs(z) ** 2.7 * factor)[:, 0], rtol=1e-4, atol=1e-6)
    outward = jax.vmap(lambda s: law.rate(0.0, s, s, jnp.sign(s)) * jnp.sign(s))(v)
    assert jnp.max(outward) < 1e-5


def test_derivatives_exist_where_velocity_and_internal_states_vanish():
    zero = jnp.zeros(1, DTYPE)
    for name in PASSIVE:
        for of in (MEMORIES[name].rate, MEMORIES[name].force):
            name_of = of.__name__
            weights = eqx.filter_jacrev(lambda law, n=name_of: getattr(law, n)(0.0, zero, zero, zero))(MEMORIES[name])
            slopes = jax.jacfwd(of, argnums=(2, 3))(0.0, zero, zero, zero)
            assert all(bool(jnp.all(jnp.isfinite(x))) for x in jax.tree.leaves((weights, slopes)))


def test_forces_at_joints_do_the_work_of_their_law():
    B = [[1.0, 0.0], [-1.0, 1.0]]
    law = Maxwell([3.0, 2.0], relaxation_time=[0.4, 0.7])
    at_joints = MemoryAtJoints(law, B)
    q, v, z = jnp.asarray([[0.1, 0.4], [0.3, -0.5], [0.2, 0.1]], DTYPE)
    rates = jnp.asarray(B, DTYPE) @ v
    np.testing.assert_allclose(at_joints.force(0.0, q, v, z) @ v, law.force(0.0, q, rates, z) @ rates, rtol=1e-6)
    np.testing.assert_allclose(
        at_joints.dissipation(0.0, q, v, z), jnp.sum(jnp.asarray([3 / 0.4, 2 / 0.7], DTYPE) * z**2), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LuGre([-1.0], coulomb=[1.0], breakaway=[1.0], stribeck_velocity=[1.0]), "`stiffness` is"),
        (lambda: LuGre([1.0], coulomb=[1.0, 2.0], breakaway=[1.0], stribeck_velocity=[1.0]), "`coulomb` has shape"),
        (lambda: Maxwell([1.0], relaxation_time=[0.0]), "`relaxation_time` is"),
        (lambda: BoucWen([1.0], yield_displacement=[1.0], exponent=[1.0]), "`exponent` is"),
        (lambda: DeadTime(ControlForce(), -0.1), "`delay` is"),
        (lambda: DeadTime(ControlForce(), float("nan")), "`delay` is"),
        (lambda: MemoryAtJoints(LUGRE, [[1.0, float("inf")]]), "`joints` is"),
        (lambda: LUGRE.force(0.0, jnp.zeros(2), jnp.zeros(2), jnp.zeros(2)), "`stiffness` has shape"),
    ],
)
def test_impossible_constants_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_frozen_constants_are_not_trained():
    frozen = nl.networks.Frozen
    law = LuGre(frozen([60.0]), coulomb=[0.3], breakaway=[0.5], stribeck_velocity=frozen([0.4]))
    np.testing.assert_allclose(law.stiffness, [60.0], rtol=1e-6)
    np.testing.assert_allclose(BoucWen([1.0], yield_displacement=[1.0], exponent=frozen([1.7])).exponent, [1.7])
    trained, _ = trained_and_rest(law)
    assert len(jax.tree.leaves(trained)) == 2


def test_dead_time_shifts_the_command_exactly():
    ts, us = jnp.asarray([0.0, 1.0, 1.5, 3.0], DTYPE), jnp.asarray([[0.0], [2.0], [-1.0], [4.0]], DTYPE)
    late = DeadTime(ControlForce(control=SampledControl(ts, us)), 0.25)
    moved = ControlForce(control=SampledControl(ts + 0.25, us))
    zero = jnp.zeros(1, DTYPE)
    for t in np.linspace(-1, 4, 21):
        np.testing.assert_allclose(late(t, zero, zero), moved(t, zero, zero), atol=1e-6)


def test_a_trained_delay_of_a_held_command_is_refused_since_it_has_no_derivative():
    held = ControlForce(control=SampledControl(jnp.asarray([0.0, 1.0]), jnp.asarray([[0.0], [2.0]]), "hold"))
    zero = jnp.zeros(1, DTYPE)
    with pytest.raises(ValueError, match="`delay` is trained"):
        DeadTime(held, 0.25)(1.1, zero, zero)
    known = nl.networks.unfrozen(DeadTime(held, nl.networks.Frozen(0.25)))
    assert known(1.1, zero, zero) == 0
    assert known(1.3, zero, zero) == 2
