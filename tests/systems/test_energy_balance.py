r"""Energy is $p \cdot v - L$, and $\dot E = Q \cdot v - \partial L / \partial t$ along the motion."""

import jax.numpy as jnp
import numpy as np
import pytest

from .cases import CASES, DTYPE, SYSTEMS, along, laws

pytestmark = pytest.mark.double

DISSIPATIVE = ["DampedOscillator", "PoyntingRobertson", "PoyntingRobertson, strong", "CartPole, stiff hinge"]


@pytest.mark.parametrize("name", CASES)
def test_energy_is_the_legendre_transform(name):
    values = laws(name)
    energy = values["values"]["energy"]
    np.testing.assert_allclose(energy, values["legendre"], rtol=1e-12, atol=1e-12 * np.std(energy))


def imbalance(values, power):
    rate, size = values["rates"]["energy"], values["sizes"]["energy"]
    return np.max(np.abs(rate - power + values["explicit"])) / np.std(size)


@pytest.mark.parametrize("name", CASES)
def test_balance(name):
    values = laws(name)
    assert imbalance(values, values["power"]) < 1e-10


@pytest.mark.parametrize("name", ["DampedOscillator", "Duffing", "PoyntingRobertson, strong", "CartPole, pushed"])
def test_the_balance_without_the_force_is_noticed(name):
    assert imbalance(laws(name), 0.0) > 1e-2


@pytest.mark.parametrize("name", ["Duffing", "DrivenPendulum", "DrivenPendulum, oblique"])
def test_the_balance_without_explicit_time_is_noticed(name):
    values = dict(laws(name))
    values["explicit"] = 0.0
    assert imbalance(values, values["power"]) > 1e-2


@pytest.mark.parametrize("name", DISSIPATIVE)
def test_dissipative_forces_take_energy(name):
    power = laws(name)["power"]
    assert np.max(power) <= 0
    assert np.mean(power) < 0


@pytest.mark.parametrize("name", ["DampedOscillator", "PoyntingRobertson"])
def test_energy_falls_along_motion(name):
    assert np.all(np.diff(along(name)["energy"], axis=1) < 0)


def test_friction_of_cart_and_pole():
    """Each friction takes force times rate, beside what the control does."""
    t, q, v = jnp.asarray(0.7, DTYPE), jnp.asarray([0.3, -0.4], DTYPE), jnp.asarray([1.5, -2.0], DTYPE)
    system = SYSTEMS["CartPole"](cart_friction=0.4, pole_friction=0.3, control=lambda t, q, v: 5.0 * t)
    np.testing.assert_allclose(system.force(t, q, v), [5.0 * 0.7 - 0.4 * 1.5, 0.3 * 2.0], rtol=1e-6)
