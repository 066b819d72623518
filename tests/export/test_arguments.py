"""What an exported file would leave out or compute wrongly is refused, with the name of the argument."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.export import ExportError, to_c, to_stablehlo
from neural_lagrangian.mechanics import ControlForce

from ..helpers import DOUBLE
from .compiled import exported, needs_compiler


def mass(force=None):
    return nl.NeuralLagrangian.from_lagrangian(lambda t, q, v: 0.5 * v @ v, dof=1, force=force)


def ode(function, dof=1):
    return nl.NeuralODE(function, dof=dof)


def with_memory():
    return nl.models.WithMemory(mass(), nl.mechanics.Maxwell([4.0], relaxation_time=[0.5]))


def push(t, y):
    return -y[:1]


def scaled(model):
    return nl.Scaled(model, nl.trajectories.Scaling([0.0], [1.0], 1.0))


BOTH = {
    "controller without a motor": ({"controller": push}, ValueError, "`model` has no ControlForce"),
    "controller that is none": ({"model": mass(ControlForce()), "controller": 3.0}, ValueError, "`controller` is 3.0"),
    "observation that is none": ({"observation": [0]}, ValueError, r"`observation` is \[0\]"),
    "observation of nothing": ({"observation": lambda t, y: y[:0]}, ValueError, "`observation` returned no value"),
    "observations by name": ({"observation": lambda t, y: {"tip": y}}, ValueError, "`observation` returned .*array"),
    "a note": ({"notes": "trained in May"}, ValueError, "`notes` is 'trained in May'"),
    "a number as a note": ({"notes": [2026]}, ValueError, r"`notes` is \[2026\]"),
    "memory": ({"model": with_memory(), "dof": 1}, ExportError, "forces with memory"),
    "memory inside": ({"model": scaled(with_memory())}, ExportError, "forces with memory"),
}

ONLY_C = {
    "quotation mark": ({"path": 'a"b.c'}, ValueError, "`path` is .*; expected a file name"),
    "two lines": ({"path": "a\nb.c"}, ValueError, "`path` is .*; expected a file name"),
    "colon": ({"path": "x.c:y.c"}, ValueError, "`path` is .*; expected a file name"),
    "no path": ({"path": 3}, ValueError, "`path` is 3"),
    "no name": ({"name": 3}, ValueError, "`name` is 3"),
    "no function left": ({"functions": iter(())}, ValueError, "`functions` has"),
    "controller left out": (
        {"model": mass(ControlForce()), "controller": push, "functions": ["energy"]},
        ValueError,
        "`controller` is given, and `functions` has no 'control'",
    ),
    "observation left out": (
        {"observation": lambda t, y: y, "functions": ["energy"]},
        ValueError,
        "`observation` is given, and `functions` has no 'observation'",
    ),
    "random numbers": (
        {"model": ode(lambda y: jax.random.normal(jax.random.key(0), (1,)) * y[:1])},
        ExportError,
        "`model` has no C program: .* random",
    ),
}


@pytest.mark.bad_input
@pytest.mark.parametrize("name", BOTH | ONLY_C)
def test_what_the_file_would_lack_is_refused_by_name(name, tmp_path):
    given, kind, message = (BOTH | ONLY_C)[name]
    given = {"model": mass(), "path": "model.c"} | given
    path = given.pop("path")
    with pytest.raises(kind, match=message):
        to_c(given.pop("model"), tmp_path / path if isinstance(path, str) else path, **given)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.bad_input
@pytest.mark.parametrize("name", BOTH)
def test_a_compiled_program_refuses_the_same(name, tmp_path):
    pytest.importorskip("flatbuffers")
    given, kind, message = BOTH[name]
    given = {"model": mass()} | given
    with pytest.raises(kind, match=message):
        to_stablehlo(given.pop("model"), tmp_path / "model.stablehlo", **given)


@pytest.mark.bad_input
def test_platforms_are_a_sequence(tmp_path):
    pytest.importorskip("flatbuffers")
    for platforms in ("cpu", ("gpu",), ()):
        with pytest.raises(ValueError, match="`platforms` is"):
            to_stablehlo(mass(), tmp_path / "model.stablehlo", platforms=platforms)


@needs_compiler
@pytest.mark.bad_input
def test_functions_may_come_from_an_iterator(tmp_path):
    compiled = exported(mass(), tmp_path, functions=iter(["energy"]))
    assert compiled("energy", None, q=[0.0], v=[2.0]) == 2.0


STATES = np.array([[0.0, 0.0], [1.0, 1.0], [-1.0, 2.0], [3.5, -2.5], [250.0, -1.0], [1e5, -3e5]])

WHOLE = {
    "int32": lambda y: 2 * jnp.floor(y).astype(jnp.int32) + 1,
    "int64": lambda y: (y * 1e7).astype(jnp.int64) * 1000,
    "uint32": lambda y: jnp.abs(y).astype(jnp.uint32) - jnp.uint32(50),
    "uint8": lambda y: jnp.clip(jnp.abs(y), 0, 255).astype(jnp.uint8) + jnp.uint8(200),
    "int8": lambda y: jnp.clip(y, -128, 127).astype(jnp.int8) + jnp.int8(100),
}


@needs_compiler
@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers_have_the_size_that_they_have_in_jax(name, tmp_path):
    """They wrap where those of JAX wrap, and hold what those of JAX hold; also in arrays and branches."""
    if name == "int64" and not jax.config.jax_enable_x64:
        pytest.skip("single precision has no such integers")

    def one(y):
        return WHOLE[name](y[:2]).astype(y.dtype)

    def many(y):
        wide = WHOLE[name](jnp.concatenate([y[:2]] * 8))  # an array, and not plain variables
        return jax.lax.cond(y[0] > 0, lambda x: x, lambda x: x + x, wide)[-2:].astype(y.dtype)

    for k, function in enumerate((one, many)):
        folder = tmp_path / str(k)
        folder.mkdir()
        compiled = exported(ode(function, 2), folder, dtype="double" if DOUBLE else "float")
        for y in STATES:
            found = compiled("acceleration", 2, q=y, v=np.zeros(2))
            np.testing.assert_array_equal(found, function(jnp.concatenate([jnp.asarray(y), jnp.zeros(2)])))


@needs_compiler
@pytest.mark.parametrize("limits", [(-1.0, 1.0), (1.0, -1.0)])
def test_limits_are_those_of_jax_also_when_reversed(limits, tmp_path):
    def clamped(y):
        lower, upper = (jnp.asarray(x, y.dtype) for x in limits)
        return jax.lax.clamp(lower, y[:2], upper)

    compiled = exported(ode(clamped, 2), tmp_path, dtype="double" if DOUBLE else "float")
    for y in [*STATES, np.array([np.nan, 0.5])]:
        found = compiled("acceleration", 2, q=y, v=np.zeros(2))
        np.testing.assert_array_equal(found, clamped(jnp.asarray(y)))
