import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.integrators import RK4, VariationalMidpoint
from neural_lagrangian.mechanics import Cholesky
from neural_lagrangian.models import ModelFileError, with_precision
from neural_lagrangian.networks import TimeReversible

from ..helpers import small_network


def model_of(**keywords):
    return nl.NeuralLagrangian(small_network(**keywords))


def test_what_is_saved_comes_back(tmp_path):
    model, other = model_of(seed=1), model_of(seed=2)
    nl.save(tmp_path / "model", model)
    loaded = nl.load(tmp_path / "model", other)
    assert eqx.tree_equal(loaded, model)
    assert list(tmp_path.iterdir()) == [tmp_path / "model"]


def test_every_truncation_and_any_flipped_bit_is_detected(tmp_path):
    path = tmp_path / "model"
    model = model_of(width=2)
    nl.save(path, model)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    damaged = [content[:length] for length in range(len(content))]
    for place, bit in zip(rng.integers(0, len(content), 500), rng.integers(0, 8, 500), strict=True):
        flipped = bytearray(content)
        flipped[place] ^= 1 << bit
        damaged.append(bytes(flipped))
    for bytes_ in damaged:
        path.write_bytes(bytes_)
        with pytest.raises(ModelFileError):
            nl.load(path, model)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"width": 9}, r"network.layers\[0\].weight is float.*\[8, 4\] in the file, float.*\[9, 4\] in `like`"),
        ({"dof": 1}, r"network.layers\[0\].weight"),
    ],
)
def test_another_architecture_is_named(tmp_path, other, message):
    nl.save(tmp_path / "model", model_of())
    with pytest.raises(ModelFileError, match=message):
        nl.load(tmp_path / "model", model_of(**other))


@pytest.mark.parametrize(
    "other",
    [
        lambda: nl.NeuralLagrangian(small_network(activation=jnp.tanh)),
        lambda: nl.NeuralLagrangian(small_network(), kinetic_prior=0.0),
        lambda: nl.NeuralLagrangian(TimeReversible(small_network())),
        lambda: nl.NeuralLagrangian(small_network(), mass_solve=Cholesky()),
    ],
    ids=["activation", "prior", "wrapper", "mass_solve"],
)
def test_the_same_arrays_in_another_model_are_refused(tmp_path, other):
    nl.save(tmp_path / "model", model_of())
    with pytest.raises(ModelFileError, match="holds another architecture"):
        nl.load(tmp_path / "model", other())


def test_another_solver_is_no_other_architecture(tmp_path):
    nl.save(tmp_path / "model", model_of())
    loaded = nl.load(tmp_path / "model", nl.NeuralLagrangian(small_network(seed=5), RK4(), dt0=0.1))
    assert eqx.tree_equal(loaded.network, model_of().network)
    assert loaded.integration.dt0 == 0.1


def variational(rule, **keywords):
    return nl.NeuralLagrangian(small_network(), rule, **keywords)


@pytest.mark.parametrize(
    ("other", "own"),
    [
        (lambda: variational(VariationalMidpoint(), dt0=0.5), r"VariationalMidpoint\(\), steps of 0.5"),
        (lambda: variational(nl.GalerkinGaussLobatto(1), dt0=0.5), r"GalerkinGaussLobatto\(r=1\), steps of 0.5"),
        (lambda: variational(nl.GalerkinGaussLobatto(2), dt0=0.25), r"GalerkinGaussLobatto\(r=2\), steps of 0.25"),
        (lambda: variational(nl.GalerkinGaussLobatto(2)), r"GalerkinGaussLobatto\(r=2\), 1 to a sample"),
        (model_of, "another kind of solver"),
    ],
    ids=["rule", "order", "step", "no_step", "tsit5"],
)
def test_a_shadow_lagrangian_keeps_to_its_rule_and_step(tmp_path, other, own):
    model = variational(nl.GalerkinGaussLobatto(2), dt0=0.5)
    nl.save(tmp_path / "model", model)
    assert eqx.tree_equal(nl.load(tmp_path / "model", variational(nl.GalerkinGaussLobatto(2), dt0=0.5)), model)
    with pytest.raises(ModelFileError, match=rf"GalerkinGaussLobatto\(r=2\), steps of 0.5, .*`like` has {own}"):
        nl.load(tmp_path / "model", other())


def test_files_without_a_rule_are_read(tmp_path):
    """Those of models whose integrator is no part of what was learned."""
    nl.save(tmp_path / "model", model_of())
    loaded = nl.load(tmp_path / "model", nl.NeuralLagrangian(small_network(seed=5), VariationalMidpoint()))
    assert eqx.tree_equal(loaded.network, model_of().network)


def test_another_kind_of_file_is_refused(tmp_path):
    (tmp_path / "pickle").write_bytes(b"\x80\x04.")
    with pytest.raises(ModelFileError, match="is not a model file"):
        nl.load(tmp_path / "pickle", model_of())


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model"
    nl.save(path, model_of())
    before = path.read_bytes()

    def no_space(_):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="no space left"):
        nl.save(path, model_of(seed=3))
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_precision_is_changed_throughout():
    single = with_precision(model_of(), jnp.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(eqx.filter(single, eqx.is_inexact_array))} == {jnp.dtype("float32")}
