"""An exported program computes what the model computes, without the model; damage is noticed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.control import lqr
from neural_lagrangian.export import ExportError, load_stablehlo, to_stablehlo

from ..control.machines import UPRIGHT, array, cart_pole
from ..helpers import mlp

pytest.importorskip("flatbuffers")
pytestmark = pytest.mark.double


def test_its_functions_are_those_of_the_model(tmp_path):
    model = cart_pole()
    hold = lqr(model, array(*UPRIGHT), state_cost=np.ones(4), control_cost=np.ones(1), periodic=[1])
    path = to_stablehlo(
        model, tmp_path / "cart.stablehlo", dtype="double", controller=hold, notes=["trained on: swings"]
    )
    exported = load_stablehlo(path)
    assert "trained on: swings" in exported.card
    assert "degrees of freedom: 2" in exported.card
    assert set(exported.functions) == {"acceleration", "energy", "torque", "linearization", "control"}
    y, a, u = array(0.1, 2.0, -0.3, 0.7), array(0.3, 0.4), array(1.5)
    q, v, t = y[:2], y[2:], jnp.zeros(())
    driven = nl.models.with_control(model, array(0.0, 1.0), jnp.stack([u, u]))
    expected = {
        "acceleration": (driven.acceleration(0.0, q, v), (t, q, v, u)),
        "energy": (model.energy(0.0, q, v), (t, q, v)),
        "torque": (nl.mechanics.inverse_dynamics(model.lagrangian, 0.0, q, v, a), (t, q, v, a)),
        "linearization": (jax.jacfwd(lambda y: driven.vector_field(0.0, y))(y), (t, q, v, u)),
        "control": (hold(0.0, y), (t, q, v)),
    }
    for name, (value, arguments) in expected.items():
        np.testing.assert_allclose(exported.functions[name](*arguments), value, rtol=1e-12, atol=1e-12)
        assert len(exported.arguments[name]) == len(arguments)


def test_a_network_in_single_precision(tmp_path):
    model = nl.NeuralLagrangian(mlp(4))
    exported = load_stablehlo(to_stablehlo(model, tmp_path / "net.stablehlo"))
    q, v = jnp.asarray([0.3, -0.2], jnp.float32), jnp.asarray([0.1, 0.4], jnp.float32)
    found = jax.jit(exported.functions["acceleration"])(jnp.float32(0.0), q, v)
    assert found.dtype == jnp.float32
    np.testing.assert_array_equal(exported.functions["acceleration"](0.0, *map(np.asarray, (q, v))), found)
    np.testing.assert_allclose(found, model.acceleration(0.0, q.astype(float), v.astype(float)), rtol=1e-3, atol=1e-4)


def test_a_damaged_or_foreign_file_is_refused(tmp_path):
    path = to_stablehlo(nl.NeuralLagrangian(mlp(2)), tmp_path / "net.stablehlo")
    content = path.read_bytes()
    path.write_bytes(content[:-10] + b"0123456789")
    with pytest.raises(ExportError, match="damaged"):
        load_stablehlo(path)
    path.write_bytes(b"another file")
    with pytest.raises(ExportError, match="is not a stablehlo file"):
        load_stablehlo(path)


def test_double_precision_that_is_disabled_is_refused(tmp_path):
    path = to_stablehlo(nl.NeuralLagrangian(mlp(2)), tmp_path / "net.stablehlo", dtype="double")
    with jax.enable_x64(False), pytest.raises(ExportError, match="float64, which JAX disables"):
        load_stablehlo(path)


@pytest.mark.bad_input
def test_another_dtype_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`dtype` is 'half'"):
        to_stablehlo(nl.NeuralLagrangian(mlp(2)), tmp_path / "net.stablehlo", dtype="half")
