"""Sums of Lagrangians, and what counts as one."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.lagrangians import ParametricLagrangian, StateNetwork
from neural_lagrangian.lagrangians.lagrangian import GivenLagrangian
from neural_lagrangian.mechanics import Cholesky, DampedInverse, PseudoInverse
from neural_lagrangian.systems import DoublePendulum

from ..helpers import DOUBLE, DTYPE, small_network, states

KEY = jax.random.key(0)
RTOL = 1e-12 if DOUBLE else 1e-4
MECHANICAL = nl.MechanicalLagrangian.from_mlp(2, 8, key=KEY)


POSITIVE = {  # a formula with positive coefficients, and whether its mass matrix is positive semidefinite
    "rotors": (lambda t, q, v, *, c: 0.5 * jnp.sum(c * v**2) - jnp.sum(jnp.cos(q)), {"c": jnp.ones(2, DTYPE)}, True),
    "one joint": (lambda t, q, v, *, c: c * v[1] ** 2, {"c": jnp.ones((), DTYPE)}, True),
    "geared": (
        lambda t, q, v, *, c, d: c * (v[0] - 50 * v[1]) ** 2 + d * v @ v + jnp.sin(t) * q[0] * v[1],
        {"c": jnp.ones((), DTYPE), "d": jnp.ones((), DTYPE)},
        True,
    ),
    "known and unknown": (lambda t, q, v, *, c: 0.5 * v @ v - c * q @ q, {"c": jnp.ones((), DTYPE)}, True),
    "a difference": (lambda t, q, v, *, c: c * (v[0] ** 2 - v[1] ** 2), {"c": jnp.ones((), DTYPE)}, False),
    "two positive ones": (
        lambda t, q, v, *, c, d: (c - d) * v @ v,
        {"c": jnp.ones((), DTYPE), "d": jnp.ones((), DTYPE)},
        False,
    ),
    "coupled": (lambda t, q, v, *, c: v @ v + c * v[0] * v[1], {"c": jnp.ones((), DTYPE)}, False),
    "coupled too strongly": (
        lambda t, q, v, *, c: c * (v @ v + 3 * v[0] * v[1]),
        {"c": jnp.ones((), DTYPE)},
        False,
    ),
    "by the coordinates": (lambda t, q, v, *, c: c * jnp.sin(q[1]) * v @ v, {"c": jnp.ones((), DTYPE)}, False),
    "by the velocities": (lambda t, q, v, *, c: -c * jnp.cos(v[0]) * v @ v, {"c": jnp.ones((), DTYPE)}, False),
    "of second order": (lambda t, q, v, *, c: (c**2 - c) * v @ v, {"c": jnp.ones((), DTYPE)}, False),
}


class Held(eqx.Module):
    array: jax.Array

    def __call__(self, t, q, v, *, c):
        return c * self.array * v @ v


def drive(t, q, v):
    return jnp.sin(t) * q[0] * v[1]


OTHERS = {"function": drive, "network": StateNetwork(small_network()), "lagrangian": MECHANICAL}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_sum_is_the_sum_of_its_terms(other):
    t, q, v = (x[0] for x in states(2, 1))
    expected = MECHANICAL(t, q, v) + other(t, q, v)
    for total in (MECHANICAL + other, other + MECHANICAL):
        np.testing.assert_allclose(total(t, q, v), expected, rtol=RTOL)
        assert total.dof == 2
        assert len((total + drive).terms) == 3


def test_a_sum_is_solved_as_its_terms_agree():
    assert isinstance((MECHANICAL + MECHANICAL).mass_solve, Cholesky)
    assert isinstance((MECHANICAL + StateNetwork(small_network())).mass_solve, PseudoInverse)
    armature = ParametricLagrangian(lambda t, q, v, *, rotor: rotor * v @ v, dof=2, rotor=jnp.asarray(0.1, DTYPE))
    assert isinstance((MECHANICAL + armature).mass_solve, PseudoInverse)  # the coefficient may become negative


def test_a_term_without_mass_leaves_the_others_positive_definite():
    """A potential, or a term linear in the velocities, trained or not."""
    spring = ParametricLagrangian(lambda t, q, v, *, k: -k * q @ q, dof=2, k=jnp.asarray(0.1, DTYPE))
    for term in (drive, spring):
        for total in (MECHANICAL + term, term + MECHANICAL, MECHANICAL + term + MECHANICAL):
            assert isinstance(total.mass_solve, Cholesky)


@pytest.mark.double
@pytest.mark.parametrize("name", POSITIVE)
def test_positive_coefficients_of_constant_inertias_keep_it_definite(name):
    """Whatever the coefficients become: at a thousand random ones the mass matrix has a Cholesky factor."""
    formula, coefficients, kept = POSITIVE[name]
    term = ParametricLagrangian(formula, dof=2, positive=["c", "d"][: len(coefficients)], **coefficients)
    assert term.has_positive_mass == kept
    for total in (MECHANICAL + term, term + MECHANICAL):
        assert isinstance(total.mass_solve, Cholesky if kept else PseudoInverse)
    draws = jax.tree.map(lambda x: jnp.asarray(np.random.default_rng(1).normal(0, 3, (1000, *x.shape))), term.trained)

    def lowest(trained):
        M = nl.mass_matrix(
            eqx.tree_at(lambda L: L.trained, term, trained), 0.3, *jnp.asarray([[0.7, -2.0], [0.3, 2.0]])
        )
        return jnp.linalg.eigvalsh(M)[0] / jnp.max(jnp.abs(M))

    least = jnp.min(jax.jit(jax.vmap(lowest))(draws))
    assert (least > -1e-12) == kept


def test_what_is_not_declared_or_cannot_be_known_is_not_trusted():
    rotor = jnp.asarray(0.1, DTYPE)
    for formula, keywords in (
        (lambda t, q, v, *, c: c * v @ v, {}),  # may become negative
        (lambda t, q, v, *, c: c * v @ v, {"positive": ["c"], "dof": None}),
        (Held(rotor), {"positive": ["c"]}),  # its own array is trained too
    ):
        term = ParametricLagrangian(formula, **{"dof": 2, **keywords}, c=rotor)
        assert not term.has_positive_mass
        assert isinstance((MECHANICAL + term).mass_solve, PseudoInverse)


def test_a_positive_sum_is_known_inside_a_compiled_function():
    @eqx.filter_jit
    def solve(c):
        term = ParametricLagrangian(POSITIVE["one joint"][0], dof=2, positive=["c"], c=c)
        return nl.NeuralLagrangian(MECHANICAL + term).mass_solve

    assert isinstance(solve(jnp.asarray(0.1, DTYPE)), Cholesky)


def test_terms_must_agree_in_number():
    with pytest.raises(ValueError, match=r"`terms` have \[1, 2\] degrees of freedom"):
        MECHANICAL + nl.MechanicalLagrangian.from_mlp(1, 8, key=KEY)


class Both(eqx.Module):
    """Callable with one argument and with three: what it is has to be said."""

    def __call__(self, *arguments):
        *_, v = arguments
        return v @ v


def test_a_network_and_a_lagrangian_are_told_apart_by_the_caller_alone():
    network, lagrangian = nl.NeuralLagrangian(Both(), dof=2), nl.NeuralLagrangian.from_lagrangian(Both(), dof=2)
    t, q, v = (x[0] for x in states(2, 1))
    np.testing.assert_allclose(network.lagrangian(t, q, v), q @ q + 1.5 * v @ v, rtol=RTOL)
    np.testing.assert_allclose(lagrangian.lagrangian(t, q, v), v @ v, rtol=RTOL)


@pytest.mark.bad_input
def test_one_in_place_of_the_other_is_refused():
    with pytest.raises(ValueError, match=r"`network` takes three arguments.*NeuralLagrangian\.from_lagrangian"):
        nl.NeuralLagrangian(lambda t, q, v: jnp.dot(v, v))
    with pytest.raises(ValueError, match=r"`network` takes three arguments.*HamiltonianNetwork\.from_hamiltonian"):
        nl.HamiltonianNetwork(DoublePendulum().lagrangian, dof=2)
    with pytest.raises(ValueError, match=r"`lagrangian` takes one argument.*StateNetwork"):
        nl.NeuralLagrangian.from_lagrangian(small_network())
    with pytest.raises(ValueError, match=r"`hamiltonian` takes one argument"):
        nl.HamiltonianNetwork.from_hamiltonian(lambda y: y @ y)
    with pytest.raises(ValueError, match=r"`term` takes one argument.*StateNetwork"):
        MECHANICAL + small_network()


def test_a_formula_of_time_and_state_is_a_model():
    system = DoublePendulum()
    model = nl.NeuralLagrangian.from_lagrangian(system.lagrangian, dof=2)
    t, q, v = (x[0] for x in states(2, 1))
    np.testing.assert_allclose(model.acceleration(t, q, v), system.acceleration(t, q, v), rtol=RTOL, atol=RTOL)
    assert model.kinetic_prior == 0


def test_a_model_takes_what_the_lagrangian_says():
    model = nl.NeuralLagrangian(MECHANICAL)
    assert model.dof == 2
    assert model.kinetic_prior == 0
    assert isinstance(model.mass_solve, Cholesky)
    assert isinstance(nl.NeuralLagrangian(MECHANICAL, mass_solve=DampedInverse()).mass_solve, DampedInverse)
    with pytest.raises(ValueError, match="`network` has 2 degrees of freedom; expected `dof` 3"):
        nl.NeuralLagrangian(MECHANICAL, dof=3)


@pytest.mark.bad_input
def test_what_is_not_a_lagrangian_is_refused():
    with pytest.raises(ValueError, match="`term` is 3; expected a callable"):
        MECHANICAL + 3
    with pytest.raises(ValueError, match=r"`network` returned shape \(2,\); expected a scalar"):
        nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: v, dof=2)
    with pytest.raises(ValueError, match="no second derivative in the velocities"):
        nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: jnp.sum(q), dof=2)


def test_explicit_time_reaches_the_motion():
    """L = v^2/2 + q sin t: the acceleration is sin t. A total derivative that grows with time changes nothing."""

    def lagrangian(t, q, v):
        return 0.5 * jnp.dot(v, v) + q[0] * jnp.sin(t)

    gauge = lambda t, q, v: q[0] * v[0] * t + 0.5 * q[0] ** 2  # noqa: E731 - d/dt (t q^2 / 2)
    t, q, v = jnp.asarray(0.7, DTYPE), jnp.asarray([0.3], DTYPE), jnp.asarray([-0.2], DTYPE)
    for total in (lagrangian, GivenLagrangian(lagrangian) + gauge):
        model = nl.NeuralLagrangian.from_lagrangian(total, dof=1)
        np.testing.assert_allclose(model.acceleration(t, q, v), jnp.sin(t)[None], rtol=RTOL)


def strong(tree, seed):
    """The same networks with large random weights."""
    arrays, rest = eqx.partition(tree, eqx.is_inexact_array)
    leaves, structure = jax.tree.flatten(arrays)
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    drawn = [3 * jax.random.normal(k, x.shape, x.dtype) for k, x in zip(keys, leaves, strict=True)]
    return eqx.combine(jax.tree.unflatten(structure, drawn), rest)


def least_mass(lagrangian):
    """The smallest eigenvalue of the mass matrix at random states."""
    t, q, v = states(2, 20)
    M = jax.jit(jax.vmap(lambda t, q, v: nl.mass_matrix(lagrangian, t, q, v)))(t, q, v)
    return np.linalg.eigvalsh(np.asarray(M, np.float64)).min()


def test_a_known_inertia_stays_in_the_mass_of_a_sum():
    """The sum of known links and a mechanical network has at least their mass, at any weights; a free network takes
    mass away."""
    links = DoublePendulum().lagrangian
    known, free = least_mass(links), StateNetwork(small_network())
    assert known > 0
    for seed in range(3):
        rest = strong(nl.MechanicalLagrangian.from_mlp(2, 8, 1, floor=0.0, key=KEY), seed)
        assert least_mass(rest + links) > (1 - 1e-3) * known
        model = nl.NeuralLagrangian.from_lagrangian(rest + links, dof=2, mass_solve=Cholesky())
        t, q, v = (x[0] for x in states(2, 1))
        expected = nl.acceleration(model.lagrangian, t, q, v, mass_solve=PseudoInverse())
        np.testing.assert_allclose(model.acceleration(t, q, v), expected, rtol=1e5 * RTOL if DOUBLE else 1e-2)
    assert min(least_mass(strong(free, seed) + links) for seed in range(3)) < 0
