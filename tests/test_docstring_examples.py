"""Every public class and function has an example, which runs and gives what it shows.

An example is a block of doctest lines in the docstring. It can be pasted: its first line imports what it uses.
"""

import ast
import contextlib
import doctest
import importlib.util
import inspect
import os
import re
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import pytest

from .helpers import slow

SOURCE = Path(__file__).parent.parent / "docs" / "_extensions" / "public_names.py"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SLOW = {
    "AdaptiveSteps",
    "CoefficientEncoder",
    "History",
    "Identifiability",
    "Identified",
    "Learned",
    "TimeTransformation",
    "calibrate",
    "encoder_loss",
    "fit",
    "fit_coefficients",
    "gauss_newton",
    "identify",
    "load_model",
    "lyapunov_exponent",
    "perturbation_floor",
    "plot_history",
    "polish",
    "rollouts",
    "search_lagrangian",
    "sparse_lagrangian",
}
"""Examples that take seconds."""
MEASURED = {"jpl_inner_planets", "kaheman_pendulum"}
"""Examples that read recordings."""


def load_names():
    spec = importlib.util.spec_from_file_location("public_names", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NAMES = load_names()
PUBLIC = NAMES.public()


def docstrings():
    """Docstrings of public names and of their methods, by name."""
    for name, item in PUBLIC.items():
        yield name, item.definition.doc or ""
        if isinstance(item.definition.node, ast.ClassDef):
            yield from ((f"{name}.{method.name}", doc) for method, doc in NAMES.methods(item.definition.node))


EXAMPLES = {name: blocks for name, doc in docstrings() if (blocks := BLOCK.findall(doc))}


@contextlib.contextmanager
def as_users_have_it():
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield
    plt.close("all")


def faults(name, block):
    """What doctest says of a block in which nothing is imported but by itself; empty if all is well."""
    said = []
    test = doctest.DocTestParser().get_doctest(block, {}, name, None, None)
    with as_users_have_it():
        result = doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    return "".join(said) if result.attempted else f"{name} has a block without >>>"


@pytest.mark.parametrize("name", [slow(name) if name in SLOW else name for name in sorted(EXAMPLES)])
def test_examples_give_what_they_show(name, tmp_path, monkeypatch):
    if name in MEASURED and not os.environ.get("NEURAL_LAGRANGIAN_DATA"):
        pytest.skip("the recordings are not here: NEURAL_LAGRANGIAN_DATA names no folder that holds them")
    monkeypatch.chdir(tmp_path)
    for block in EXAMPLES[name]:
        assert not faults(name, block)


@pytest.mark.parametrize("block", ["1 + 1", ">>> 1 + 1\n3\n", ">>> jnp.zeros(1).shape\n(1,)\n"])
def test_a_wrong_output_and_a_missing_import_are_noticed(block):
    assert faults("none", block)


def test_every_public_class_and_function_has_an_example():
    assert EXAMPLES.keys() >= SLOW | MEASURED
    nodes = {name: item.definition.node for name, item in PUBLIC.items()}
    returned = " ".join(ast.unparse(nodes[name].returns) for name in EXAMPLES if is_function(nodes.get(name)))
    shown = EXAMPLES.keys() | set(re.findall(r"\w+", returned))
    assert [item.full for name, item in PUBLIC.items() if is_used(item) and name not in shown] == []


def is_function(node):
    return isinstance(node, ast.FunctionDef)


def is_used(item):
    """Whether users call it: a function, or a class to be instantiated."""
    if not isinstance(item.value, type):
        return is_function(item.definition.node)
    return not inspect.isabstract(item.value) and not issubclass(item.value, Exception | Warning)
