"""Expected failures have one base class, and those that users catch as `ValueError` or `RuntimeError` stay so."""

import ast
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian._checks import is_concrete
from neural_lagrangian._errors import MissingPackageError
from neural_lagrangian.discovery import EquationsError, Library, distill, sparse_lagrangian
from neural_lagrangian.training import polish
from neural_lagrangian.trajectories.optional import optional

PACKAGE = Path(nl.__file__).parent
FILES = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
TS = np.linspace(0.0, 1.0, 21)
MOTION = nl.Trajectories(TS, np.stack([np.cos(TS), -np.sin(TS)], axis=1))


def error_classes():
    """Classes of the package that are raised, by name, with the names of what they extend."""
    found = {}
    for text in FILES.values():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Error") and not node.name.startswith("_"):
                found[node.name] = [ast.unparse(base) for base in node.bases]
    return found


def test_every_error_of_the_package_is_an_expected_failure():
    classes = error_classes()
    assert {"TrajectoryError", "NoAnswerError", "DivergenceError", "ModelFileError"} <= classes.keys()

    def expected(name):
        return name == "NeuralLagrangianError" or any(expected(base) for base in classes.get(name, []))

    assert [name for name in classes if not expected(name)] == []
    assert not issubclass(nl.NeuralLagrangianError, ValueError)  # it says what it is, whatever values came


def test_no_failure_is_a_bare_runtime_error():
    bare = re.compile(r"raise (RuntimeError|Exception)\b")
    assert [name for name, text in FILES.items() if bare.search(text)] == []
    assert bare.search("raise RuntimeError(text)")


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (nl.trajectories.TrajectoryError, ValueError),
        (nl.trajectories.DataFileError, ValueError),
        (nl.models.ModelFileError, ValueError),
        (nl.training.CheckpointError, ValueError),
        (nl.training.StartError, ValueError),
        (nl.training.DivergenceError, RuntimeError),
        (nl.datasets.SimulationError, RuntimeError),
        (nl.discovery.EquationsError, ValueError),
    ],
)
def test_what_was_caught_by_a_class_of_python_still_is(error, builtin):
    assert issubclass(error, builtin)
    assert issubclass(error, nl.NeuralLagrangianError)


BROAD = {"Exception", "ValueError", "BaseException"}


def unexplained(text):
    """Lines that catch a class of Python which any fault may raise, and do not say why."""
    lines = text.splitlines()
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler):
            caught = set(re.findall(r"\w+", "BaseException" if node.type is None else ast.unparse(node.type)))
            if caught & BROAD and "#" not in lines[node.lineno - 1]:
                found.append(lines[node.lineno - 1].strip())
    return found


def test_no_fault_is_taken_for_an_answer_without_saying_why():
    assert unexplained("try:\n    f()\nexcept ValueError:\n    pass") == ["except ValueError:"]
    assert unexplained("try:\n    f()\nexcept KeyError:\n    pass") == []
    assert {name: found for name, text in FILES.items() if (found := unexplained(text))} == {}


def test_terms_without_a_value_are_no_fault_of_the_program():
    bad = Library.functions(1, {"log": lambda t, q, v: jnp.log(q[0] - 9)}) + Library.velocities(1, 2)
    for search in (lambda: sparse_lagrangian(MOTION, bad), lambda: distill(lambda t, q, v: v @ v, bad, MOTION.ys[0])):
        with pytest.raises(EquationsError, match="not finite"):
            search()
    with pytest.raises(ValueError, match="`tolerance` is 2") as wrong:  # a fault of the caller is no such answer
        sparse_lagrangian(MOTION, bad, tolerance=2.0)
    assert not isinstance(wrong.value, nl.NeuralLagrangianError)


@pytest.mark.optax
def test_a_training_that_cannot_begin_is_no_fault_of_the_program():
    lagrangian = nl.lagrangians.ParametricLagrangian(
        lambda t, q, v, *, k: v[0] ** 2 - k * q[0] ** 2, dof=1, k=jnp.asarray(np.nan)
    )
    with pytest.raises(nl.training.StartError, match="the loss of `model` is not finite"):
        polish(nl.NeuralLagrangian(lagrangian), MOTION, steps=1, horizon=2, windows=2)


def test_a_package_that_is_missing_is_named():
    with pytest.raises(MissingPackageError, match=r"Parquet files need no_such: pip install .*\[io\]") as missing:
        optional("no_such.part", "Parquet")
    assert isinstance(missing.value, nl.NeuralLagrangianError)
    assert isinstance(missing.value, ImportError)


class TracerOfMineError(Exception):
    """Of a user, whose name has the word."""


class Raising:
    def __array__(self, *_, **__):
        raise TracerOfMineError


def test_tracers_are_known_by_the_errors_of_jax():
    seen = []
    jax.jit(jax.vmap(jax.grad(lambda x: seen.append(is_concrete(x)) or x**2)))(jnp.ones(2))
    assert seen == [False]
    assert is_concrete(jnp.ones(2), np.ones(2), 1.0)
    with pytest.raises(TracerOfMineError):
        is_concrete(Raising())
