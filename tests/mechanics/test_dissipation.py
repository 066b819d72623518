"""Forces that take energy away: they do so at any weights, along the motion too, and are what is derived by hand."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.mechanics import AbstractForce, AtJoints, LinearDamping, RayleighDissipation, SmoothFriction

from ..helpers import DOUBLE, DTYPE, random_like, states

DRAWS = 1000
KEY = jax.random.key(0)
JOINTS = [[1, 0], [-1, 1]]


def network(outputs, key):
    return eqx.nn.MLP(4, outputs, 6, 1, activation=jnp.tanh, key=key)


def damping(key):
    return LinearDamping(network(3, key), of="state")


def friction(key):
    strength, width = jnp.exp(0.5 * jax.random.normal(key, (2, 2), DTYPE))
    return SmoothFriction(strength, 0.5 + width)


PASSIVE = {
    "linear damping": damping,
    "dry friction": friction,
    "both, at joints": lambda key: AtJoints(damping(key) + friction(key), JOINTS),
}


class Unrestricted(AbstractForce):
    network: eqx.nn.MLP

    def __call__(self, t, q, v):
        return self.network(jnp.concatenate([q, v]))


class Mixture(AbstractForce):
    """One function for all of them, compiled once: weights of 0 or 1."""

    forces: dict
    weights: dict

    def __call__(self, t, q, v):
        return sum(self.weights[name] * force(t, q, v) for name, force in self.forces.items())


@cache
def rises():
    """The largest rise of the energy from one sample to the next, in each of `DRAWS` rollouts of random models."""
    ts = jnp.linspace(0, 0.3, 61, dtype=DTYPE)
    make = {**PASSIVE, "unrestricted": lambda key: Unrestricted(network(2, key))}

    @jax.jit
    @jax.vmap
    def one(key, y0, weights):
        keys = jax.random.split(key)
        L = nl.MechanicalLagrangian.from_mlp(2, 6, 1, floor=0.5, key=keys[0])
        force = Mixture({name: make[name](keys[1]) for name in make}, weights)
        model = nl.NeuralLagrangian.from_lagrangian(L, force=force, stepsize_controller=nl.StepsPerSample(1))
        energies = jax.vmap(lambda y: model.energy(0.0, *jnp.split(y, 2)))(model(ts, y0))
        return jnp.max(jnp.diff(energies))

    keys, y0s = jax.random.split(KEY, DRAWS), jax.random.normal(KEY, (DRAWS, 4), DTYPE)
    alone = {name: {other: jnp.full(DRAWS, float(other == name), DTYPE) for other in make} for name in make}
    return {name: np.asarray(one(keys, y0s, weights)) for name, weights in alone.items()}


@pytest.mark.parametrize("name", PASSIVE)
def test_energy_never_rises_along_the_motion(name):
    """Beyond the integration error: 1e-8 of energies of order one, or round-off in single precision."""
    assert rises()[name].shape == (DRAWS,)
    assert np.max(rises()[name]) < (1e-8 if DOUBLE else 2e-5)


def test_an_unrestricted_force_raises_it():
    assert np.mean(rises()["unrestricted"] > 1e-5) > 0.3


@pytest.mark.parametrize("name", PASSIVE)
def test_power_is_never_positive_at_wild_weights(name):
    t, q, v = states(2, DRAWS, scale=3.0)
    params, static = eqx.partition(PASSIVE[name](KEY), eqx.is_inexact_array)

    @jax.jit
    def powers():
        wild = [eqx.combine(jax.tree.map(lambda x: 5 * x, random_like(params, seed)), static) for seed in range(5)]
        return jnp.stack([jax.vmap(lambda *x, Q=Q: jnp.dot(Q(*x), x[2]))(t, q, v) for Q in wild])

    values = np.asarray(powers())
    assert np.max(values) <= 0
    assert np.mean(values) < 0


def test_linear_damping_is_its_matrix():
    t, q, v = (x[0] for x in states(3, 1))
    C = jnp.asarray([[1.0, 0, 0], [2.0, 3.0, 0], [4.0, 5.0, 6.0]], DTYPE)
    rtol = 1e-12 if DOUBLE else 1e-5
    for force, D in (
        (LinearDamping(jnp.arange(1.0, 7.0, dtype=DTYPE)), C @ C.T),
        (LinearDamping(lambda q: q), jnp.diag(q**2)),
        (LinearDamping(lambda v: v, of="velocities"), jnp.diag(v**2)),
        (LinearDamping(lambda y: y[1:4], of="state"), jnp.diag(jnp.append(q[1:], v[0]) ** 2)),
    ):
        np.testing.assert_allclose(force.damping_matrix(q, v), D, rtol=rtol)
        np.testing.assert_allclose(force(t, q, v), -D @ v, rtol=rtol)


def test_rayleigh_gives_linear_damping_and_quadratic_drag():
    t, q, v = (x[0] for x in states(2, 1))
    rtol = 1e-12 if DOUBLE else 1e-5
    quadratic = RayleighDissipation(lambda q, v: 0.5 * 0.3 * (1 + q[0] ** 2) * jnp.dot(v, v))
    np.testing.assert_allclose(quadratic(t, q, v), -0.3 * (1 + q[0] ** 2) * v, rtol=rtol)
    drag = RayleighDissipation(lambda t, q, v: t * jnp.sum(jnp.abs(v) ** 3) / 3)
    np.testing.assert_allclose(drag(t, q, v), -t * v * jnp.abs(v), rtol=rtol)


def test_dry_friction_is_coulomb_s_far_from_rest_and_viscous_near_it():
    mu, w = jnp.asarray([0.3, 2.0], DTYPE), 0.05
    force = SmoothFriction(mu, w)
    np.testing.assert_allclose(force.strength, mu, rtol=1e-6)
    np.testing.assert_allclose(force.width, [w, w], rtol=1e-6)
    far, near = jnp.asarray([7.0, -3.0], DTYPE), jnp.asarray([1e-4, -2e-4], DTYPE)
    np.testing.assert_allclose(force(0.0, far, far), -mu * jnp.sign(far), rtol=1e-6)
    np.testing.assert_allclose(force(0.0, near, near), -mu / w * near, rtol=1e-4)


def test_a_slider_stops_where_coulomb_s_law_says():
    """m a = -mu sign v from v0: at rest after v0 m / mu, at v0^2 m / 2 mu. A width of 1e-3 v0 leaves a creep."""
    m, mu, v0 = 2.0, 0.5, 1.0
    model = nl.NeuralLagrangian.from_lagrangian(
        lambda t, q, v: 0.5 * m * v[0] ** 2,
        dof=1,
        force=SmoothFriction(jnp.asarray([mu], DTYPE), 1e-3),
        stepsize_controller=nl.StepsPerSample(1),
    )
    ys = eqx.filter_jit(model)(jnp.linspace(0.0, 5.0, 10_001, dtype=DTYPE), jnp.asarray([0.0, v0], DTYPE))
    np.testing.assert_allclose(ys[6000], [v0 * 3.0 - mu / m * 4.5, v0 - mu / m * 3.0], rtol=1e-3)
    np.testing.assert_allclose(ys[-1], [v0**2 * m / (2 * mu), 0.0], atol=1e-2)


def test_joint_friction_of_a_chain_of_absolute_angles():
    """R = k1 v1^2 / 2 + k2 (v1 - v2)^2 / 2 (Kaheman et al. 2022), by joints and by Rayleigh's function."""
    t, q, v = (x[0] for x in states(2, 1))
    k = jnp.asarray([0.3, 0.7], DTYPE)
    joints = AtJoints(LinearDamping(jnp.sqrt(k)), JOINTS)
    rayleigh = RayleighDissipation(lambda q, v: 0.5 * (k[0] * v[0] ** 2 + k[1] * (v[0] - v[1]) ** 2))
    np.testing.assert_allclose(joints(t, q, v), rayleigh(t, q, v), rtol=1e-12 if DOUBLE else 1e-5)
    assert jax.tree.leaves(eqx.filter(joints, eqx.is_inexact_array))[0].shape == (2,)  # the joints are not trained


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda q: LinearDamping(q, of="rates"), "`of` is 'rates'; expected 'coordinates', 'velocities' or 'state'"),
        (lambda q: LinearDamping(jnp.arange(3)), "`factor` has dtype int"),
        (lambda q: LinearDamping(jnp.zeros(4))(0.0, q, q), r"`factor` returned shape \(4,\); expected \(3,\)"),
        (lambda q: RayleighDissipation(3.0), "`dissipation` is 3.0; expected a callable"),
        (lambda q: RayleighDissipation(lambda q: q), "expected a callable"),
        (lambda q: RayleighDissipation(lambda q, v: v)(0.0, q, q), r"`dissipation` returned shape \(2,\)"),
        (lambda q: SmoothFriction([1.0, -1.0]), r"`strength` is .*; expected positive numbers"),
        (lambda q: SmoothFriction([1.0], 0.0), r"`width` is .*; expected positive numbers"),
        (lambda q: SmoothFriction([1.0], [1.0, 1.0]), r"`width` has shape \(2,\); expected \(\) or \(1,\)"),
        (lambda q: SmoothFriction([1.0])(0.0, q, q), r"`strength` has shape \(1,\); expected \(2,\)"),
        (lambda q: AtJoints(LinearDamping(q), [1, 2]), "`joints` is .*; expected finite numbers"),
        (lambda q: AtJoints(3.0, JOINTS), "`force` is 3.0; expected a callable"),
        (lambda q: AtJoints(LinearDamping(q), [[1, 2, 3]])(0.0, q, q), r"`joints` has shape \(1, 3\)"),
        (lambda q: AtJoints(lambda t, q, v: v[0], JOINTS)(0.0, q, q), r"`force` returned shape \(\)"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make(jnp.ones(2, DTYPE))


def test_the_damping_matrix_of_a_sum_at_joints():
    """Minus the derivative of the linear part, in the coordinates themselves; the dry part has none."""
    q, v = jnp.asarray([[0.1, 0.2], [0.3, -0.4]], DTYPE)
    linear = LinearDamping(jnp.asarray([0.3, 0.4], DTYPE))
    dry = SmoothFriction(jnp.asarray([0.05, 0.07], DTYPE), 0.1)
    for damped, alone in (
        (AtJoints(linear + dry, JOINTS), AtJoints(linear, JOINTS)),
        (AtJoints(linear, JOINTS) + dry + linear, AtJoints(linear, JOINTS) + linear),
    ):
        expected = -jax.jacfwd(lambda v, alone=alone: alone(0.0, q, v))(v)
        np.testing.assert_allclose(damped.damping_matrix(q, v), expected, rtol=1e-6)
    for without in (AtJoints(dry, JOINTS), dry + dry):
        with pytest.raises(ValueError, match=r"expected a (sum that contains a )?LinearDamping"):
            without.damping_matrix(q, v)


def test_forces_print_their_constants():
    linear = LinearDamping(jnp.asarray([0.5, 2.0], DTYPE))
    dry = SmoothFriction(jnp.asarray([0.05, 0.07], DTYPE), 0.125)
    damped = "LinearDamping([0.5, 2. ], damping_matrix=diag([0.25, 4.  ]))"
    assert repr(linear + dry) == f"{damped} + SmoothFriction(strength=[0.05, 0.07], width=[0.125, 0.125])"
    assert repr(AtJoints(dry, JOINTS)).endswith("width=[0.125, 0.125]), joints=[[1.0, 0.0], [-1.0, 1.0]])")
    assert jax.eval_shape(lambda force: jnp.zeros(len(repr(force))), linear + dry).shape > (20,)  # traced, too
