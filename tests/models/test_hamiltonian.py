"""A network as a Hamiltonian: canonical flow at any weights, and what becomes of it in [q, v]."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import RK4
from neural_lagrangian.systems import DoublePendulum, HarmonicOscillator

from ..helpers import DOUBLE, DTYPE, mlp, small_network, states

KEY = jax.random.key(0)
RTOL = 1e-9 if DOUBLE else 2e-3
PENDULUM = DoublePendulum((1.0, 1.4), (0.8, 1.1), 9.81)
TIGHT = {"stepsize_controller": diffrax.PIDController(rtol=1e-10, atol=1e-10)}
TS = jnp.linspace(0.0, 1.0, 3)
Y0 = jnp.asarray([0.4, -0.3, 0.2, 0.5])


def true_momentum(t, q, v):
    return nl.momentum(PENDULUM.lagrangian, t, q, v)


def true_hamiltonian(t, q, p):
    M = nl.mass_matrix(PENDULUM.lagrangian, 0.0, q, q)
    return 0.5 * p @ jnp.linalg.solve(M, p) + PENDULUM.energy(0.0, q, jnp.zeros_like(q))


class Momentum(eqx.Module):
    """Neither symmetric nor autonomous: dP/dv, dP/dq and dP/dt all matter."""

    strength: jax.Array

    def __call__(self, t, q, v):
        mixed = jnp.stack([v[0] + 0.3 * v[1], v[1] * (1.5 + jnp.cos(q[0]))])
        return mixed + self.strength * jnp.sin(t) * q[::-1] ** 2 + 0.1 * v**3


def test_the_true_hamiltonian_and_momentum_are_the_true_motion():
    model = nl.HamiltonianNetwork.from_hamiltonian(true_hamiltonian, momentum=true_momentum, dof=2)
    field = eqx.filter_jit(model.vector_field)
    for t, q, v in zip(*states(2, 3), strict=True):
        y = jnp.concatenate([q, v])
        expected = PENDULUM.vector_field(t, y)
        np.testing.assert_allclose(field(t, y), expected, rtol=RTOL, atol=RTOL * float(jnp.max(jnp.abs(expected))))
        np.testing.assert_allclose(model.energy(t, q, v), PENDULUM.energy(t, q, v), rtol=RTOL)


@pytest.mark.double
@pytest.mark.slow
def test_the_flow_in_q_v_is_the_canonical_flow():
    """Seen through any momentum, one that depends on time included."""
    P = Momentum(jnp.asarray(0.7))
    model = nl.HamiltonianNetwork(small_network(), momentum=P, **TIGHT)
    canonical = nl.HamiltonianNetwork(small_network(), **TIGHT)

    @eqx.filter_jit
    def both(model, canonical):
        seen = jax.vmap(lambda t, y: jnp.concatenate([y[:2], model.momentum(t, *jnp.split(y, 2))]))
        return seen(TS, model(TS, Y0)), canonical(TS, seen(TS[:1], Y0[None])[0])

    through, directly = both(model, canonical)
    np.testing.assert_allclose(through, directly, atol=1e-7)
    driftless = eqx.tree_at(lambda m: m.legendre, model, lambda t, q, v: P(jax.lax.stop_gradient(t), q, v))
    assert np.max(np.abs(both(driftless, canonical)[0] - directly)) > 1e-3  # without dP/dt


def test_a_momentum_that_depends_on_time_and_place():
    """With H = p^2 / 2 and p = v + t q the velocity is v + t q, and changes by -q - t (v + t q)."""
    model = nl.HamiltonianNetwork.from_hamiltonian(
        lambda t, q, p: 0.5 * jnp.dot(p, p), momentum=lambda t, q, v: v + t * q, dof=2
    )
    t, q, v = (x[0] for x in states(2, 1))
    expected = jnp.concatenate([v + t * q, -q - t * (v + t * q)])
    np.testing.assert_allclose(model.vector_field(t, jnp.concatenate([q, v])), expected, rtol=1e-5)


@pytest.mark.double
def test_the_flow_is_symplectic_and_conserves_energy_at_any_weights():
    omega = np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]])
    exact = {"adjoint": diffrax.ForwardMode(), **TIGHT}

    @eqx.filter_jit
    def jacobian(model):
        return jax.jacfwd(lambda y: model(TS, y)[-1])(Y0)

    def departure(model):
        J = np.asarray(jacobian(model))
        return np.max(np.abs(J.T @ omega @ J - omega))

    hamiltonian = nl.HamiltonianNetwork(small_network(), **exact)
    assert departure(hamiltonian) < 1e-7
    assert departure(nl.NeuralODE(small_network(out=2), **exact)) > 1e-3
    q, v = jnp.split(hamiltonian(TS, Y0), 2, axis=1)
    energy = jax.vmap(hamiltonian.energy)(TS, q, v)
    np.testing.assert_allclose(energy, energy[0], rtol=1e-8)


@pytest.mark.double
def test_velocities_that_are_no_momenta_are_beyond_it():
    """A canonical flow keeps the volume of states; that of a double pendulum in (q, v) does not."""

    def divergence(model):
        return float(jnp.trace(jax.jit(jax.jacfwd(lambda y: model.vector_field(0.0, y)))(Y0)))

    assert abs(divergence(PENDULUM)) > 0.1
    assert abs(divergence(nl.HamiltonianNetwork(small_network()))) < 1e-12
    model = nl.HamiltonianNetwork.from_hamiltonian(true_hamiltonian, momentum=true_momentum, dof=2)
    assert divergence(model) == pytest.approx(divergence(PENDULUM), rel=1e-9)


def test_the_kinetic_prior_is_for_networks():
    _, q, v = (x[0] for x in states(2, 1))
    network = small_network()
    plain = nl.HamiltonianNetwork(network, kinetic_prior=0.0)
    np.testing.assert_array_equal(plain.energy(0.0, q, v), network(jnp.concatenate([q, v])))
    default = nl.HamiltonianNetwork(network).energy(0.0, q, v) - plain.energy(0.0, q, v)
    np.testing.assert_allclose(default, 0.5 * v @ v, rtol=1e-5)
    assert nl.HamiltonianNetwork.from_hamiltonian(true_hamiltonian, dof=2).kinetic_prior == 0
    np.testing.assert_array_equal(plain.momentum(0.0, q, v), v)


@pytest.mark.optax
@pytest.mark.slow
def test_it_learns_an_oscillator_and_survives_a_file(tmp_path):
    """Of unit mass, so that velocities are momenta."""
    system = HarmonicOscillator(mass=1.0, stiffness=2.0)
    data = nl.simulate(system, jnp.linspace(0.0, 1.0, 11), system.sample_states(KEY, 50))
    model = nl.HamiltonianNetwork(small_network(1, depth=2), RK4(), stepsize_controller=nl.StepsPerSample(1))
    options = {"optimizer": optax.adam(1e-2), "steps": 200, "horizon": 1, "batch_size": 32}
    result = nl.fit(model, data, key=KEY, **options)
    assert result.history.loss[-50:].mean() < 1e-2 * result.history.loss[0]
    nl.save(tmp_path / "model", result.model)
    again = nl.load(tmp_path / "model", nl.HamiltonianNetwork(small_network(1, seed=1, depth=2)))
    y = jnp.asarray([0.3, -0.2], DTYPE)
    np.testing.assert_array_equal(again.vector_field(0.0, y), result.model.vector_field(0.0, y))


def test_the_arrays_of_the_momentum_train_too():
    model = nl.HamiltonianNetwork(small_network(), momentum=Momentum(jnp.asarray(0.7, DTYPE)))
    y = Y0.astype(DTYPE)
    gradient = eqx.filter_jit(eqx.filter_grad(lambda m: jnp.sum(m.vector_field(0.3, y) ** 2)))(model)
    assert gradient.legendre.strength != 0


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("network", "keywords", "message"),
    [
        (mlp(5), {}, "`network` has in_size 5; expected an even number"),
        (small_network(out=2), {}, r"`network` returned shape \(2,\); expected a scalar"),
        (small_network(), {"dof": 3}, "`network` has in_size 4; expected 6"),
        (small_network(), {"momentum": 2.0}, "`momentum` is 2.0; expected a callable"),
        (small_network(), {"kinetic_prior": -1.0}, "`kinetic_prior` is -1.0"),
        (3.0, {}, "`network` is 3.0; expected a callable"),
    ],
)
def test_bad_input_is_named(network, keywords, message):
    with pytest.raises(ValueError, match=message):
        nl.HamiltonianNetwork(network, **keywords)


@pytest.mark.bad_input
def test_bad_states_and_momenta_are_named():
    model = nl.HamiltonianNetwork(small_network(), momentum=lambda t, q, v: v[:1])
    with pytest.raises(ValueError, match=r"`momentum` returned shape \(1,\); expected \(2,\)"):
        model.vector_field(0.0, Y0)
    with pytest.raises(ValueError, match=r"`y` has shape \(6,\); expected \(4,\)"):
        model.vector_field(0.0, jnp.ones(6))
