"""The acceleration derived from the Lagrangian and the force is the one derived by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.systems import SYSTEMS

from .cases import CASES, laws, states

pytestmark = pytest.mark.double


def disagreement(derived, by_hand):
    size = np.linalg.norm(by_hand, axis=1)
    return np.max(np.linalg.norm(derived - by_hand, axis=1) / (size + np.median(size)))


@pytest.mark.parametrize("name", CASES)
def test_derived_is_by_hand(name):
    values = laws(name)
    assert disagreement(values["derived"], values["acceleration"]) < 1e-10


def test_a_wrong_lagrangian_is_noticed():
    """The spring pendulum of published code, with a second weight along the spring and twice its stiffness."""
    system = SYSTEMS["SpringPendulum"](length=1.0)

    def published(t, q, v):
        (r, theta), (r_dot, theta_dot) = q, v
        potential = system.gravity * r * (1 - jnp.cos(theta)) + system.stiffness * (r - 1) ** 2
        return 0.5 * (r_dot**2 + r**2 * theta_dot**2) - potential

    arguments = states(system)
    derived = jax.jit(jax.vmap(lambda t, q, v: nl.acceleration(published, t, q, v)))(*arguments)
    assert disagreement(derived, jax.jit(jax.vmap(system.acceleration))(*arguments)) > 0.1


@pytest.mark.parametrize("name", ["DrivenPendulum", "DrivenPendulum, oblique"])
def test_an_acceleration_without_its_time_term_is_noticed(name):
    """The pivot drives the momentum: without d2L/dv dt the drive would act by d2L/dv dq alone, which cancels."""
    system, arguments = CASES[name], states(CASES[name])

    def frozen(t, q, v):
        return nl.acceleration(lambda _, q, v: system.lagrangian(t, q, v), t, q, v)

    derived = jax.jit(jax.vmap(frozen))(*arguments)
    assert disagreement(derived, laws(name)["acceleration"]) > 0.1


def test_a_drag_of_the_wrong_sign_is_noticed():
    """As printed by Roberts, eq. 26."""
    system, values = CASES["PoyntingRobertson, strong"], laws("PoyntingRobertson, strong")
    _, q, v = states(system)
    printed = values["acceleration"] - 2 * jax.vmap(lambda q, v: system.force(0.0, q, v))(q, v) / system.mass
    assert disagreement(values["derived"], printed) > 0.1
