"""What is called invariant keeps its value: at each instant along the field, and along simulated motion."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian.systems import SYSTEMS

from ..helpers import DTYPE
from .cases import CASES, along, laws

pytestmark = pytest.mark.double


def invariants_of(name):
    system = CASES[name]
    q = jax.ShapeDtypeStruct((system.dof,), DTYPE)
    return jax.eval_shape(system.invariants, jnp.zeros((), DTYPE), q, q)


CONSERVED = [name for name in CASES if invariants_of(name)]


def change(name, account):
    """Along simulated motion, against the spread from state to state, which is the natural scale."""
    path, values = account(along(name)), account(laws(name)["values"])
    return np.max(np.abs(path - path[:, :1])) / np.std(values)


@pytest.mark.parametrize("name", CONSERVED)
def test_no_rate_of_change(name):
    values = laws(name)
    for key, rate in values["rates"]["invariants"].items():
        assert np.max(np.abs(rate)) < 1e-10 * np.std(values["sizes"]["invariants"][key]), key


@pytest.mark.parametrize("name", [name for name in CONSERVED if name in SYSTEMS])
def test_constant_along_motion(name):
    for key in invariants_of(name):
        assert change(name, lambda accounts, key=key: accounts["invariants"][key]) < 1e-9, key


@pytest.mark.parametrize("name", ["DampedOscillator", "Duffing", "DrivenPendulum", "CartPole, pushed"])
def test_energy_that_is_not_conserved_is_seen_to_change(name):
    assert change(name, lambda accounts: accounts["energy"]) > 1e-2


@pytest.mark.parametrize("name", ["CartPole, pushed", "PoyntingRobertson", "Duffing", "DrivenPendulum"])
def test_nothing_is_promised_where_nothing_is_conserved(name):
    assert invariants_of(name) == {}
