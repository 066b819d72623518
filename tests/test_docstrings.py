"""Every public name says what it is, and one that takes arrays says of which shapes."""

import ast
import importlib.util
import inspect
import re
from pathlib import Path

import pytest

import neural_lagrangian as nl

SOURCE = Path(__file__).parent.parent / "docs" / "_extensions" / "public_names.py"
ARRAY = re.compile(r"(?<!\[)\b(Array|ArrayLike|np\.ndarray)\b")
"""An annotation without a shape: `Float[Array, "time dof"]` has one."""
SHAPE = re.compile(r"shape|scalar|as (for|of) `")
"""Shapes are stated, or those of another function hold."""

ELSEWHERE = re.compile(r"[Aa]rguments[^.]{0,30}as (for|of) `")
"""The arguments are those of another function."""


@pytest.fixture(scope="module")
def names():
    spec = importlib.util.spec_from_file_location("public_names", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_has_every_namespace_and_name(names):
    assert set(names.NAMESPACES) == {name for name in nl.__all__ if inspect.ismodule(getattr(nl, name))}
    offered = {name for namespace in names.NAMESPACES for name in getattr(nl, namespace).__all__}
    top = set(nl.__all__) - set(names.NAMESPACES)
    assert offered | top == names.public().keys()
    assert top - offered == {"NeuralLagrangianError"}  # it is of every namespace


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("NeuralLagrangian", "neural_lagrangian.models.NeuralLagrangian"),
        ("nl.fit(...)", "neural_lagrangian.training.fit"),
        ("systems.parameters", "neural_lagrangian.systems.parameters"),
        ("models.parameters", None),
        ("parameters", None),  # also a field of a window
        ("force", None),  # an argument only
        ("momentum", None),  # also a method of a model
        ("fit", None),  # also a command
        ("polish", "neural_lagrangian.training.polish"),
    ],
)
def test_a_word_of_the_text_links_only_if_it_has_one_meaning(names, text, full):
    assert names.target(text) == full


def test_every_public_name_has_a_docstring(names):
    assert [item.full for item in names.public().values() if not item.definition.doc] == []


def test_every_public_method_has_a_docstring_its_own_or_of_what_it_implements(names):
    bare = []
    for item in names.public().values():
        if isinstance(item.value, type):
            own = [node.name for node in item.definition.node.body if isinstance(node, ast.FunctionDef)]
            public = [name for name in own if not name.startswith("_")]
            bare += [f"{item.full}.{name}" for name in public if not inspect.getdoc(getattr(item.value, name))]
    assert bare == []


def unsaid(node, doc):
    """What a docstring leaves out: arguments that it does not name, and that the function raises an error."""
    arguments = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    found = [] if ELSEWHERE.search(doc) else [name for name in arguments if f"`{name}`" not in doc]
    raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
    return found + ["Raises"] * (raises and "**Raises:**" not in doc)


def test_functions_name_their_arguments_and_errors(names):
    (bad,) = ast.parse("def f(a, *, b):\n    raise ValueError").body
    assert unsaid(bad, "Sum of `a`.") == ["b", "Raises"]
    assert unsaid(bad, "**Arguments:** as for `g`. **Raises:** `ValueError`.") == []
    functions = [item for item in names.public().values() if isinstance(item.definition.node, ast.FunctionDef)]
    assert {f.full: found for f in functions if (found := unsaid(f.definition.node, f.definition.doc))} == {}


def test_fields_of_results_are_explained(names):
    """Where a class is built from its fields, its docstring names each, or the field has a docstring of its own."""
    silent = []
    for item in names.public().values():
        node, doc = item.definition.node, item.definition.doc
        if isinstance(node, ast.ClassDef) and not any(getattr(inner, "name", "") == "__init__" for inner in node.body):
            own = [
                (name, note) for name, (kind, note) in names.fields(node).items() if "ClassVar" not in ast.unparse(kind)
            ]
            named = [name for name, note in own if not (note or f"`{name}`" in doc or f"`{name}()`" in doc)]
            silent += [f"{item.full}.{name}" for name in named]
    assert silent == []


def test_functions_of_arrays_state_shapes(names):
    silent = []
    for item in names.public().values():
        node = item.definition.node
        if isinstance(node, ast.FunctionDef):
            annotations = " ".join(ast.unparse(arg) for arg in ast.walk(node.args) if isinstance(arg, ast.arg))
            if ARRAY.search(annotations) and not SHAPE.search(item.definition.doc):
                silent.append(item.full)
    assert silent == []
