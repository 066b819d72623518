import ast
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import neural_lagrangian as nl

from . import xla_flags
from .xla_flags import quick_to_compile, xla_knows

INTERNAL = {"command_line"}
NAMESPACES = {module.name for module in pkgutil.iter_modules(nl.__path__) if module.ispkg} - INTERNAL


def test_everything_promised_is_there():
    for name in nl.__all__:
        assert getattr(nl, name) is not None
    assert {"integrators", "mechanics", "discovery"} <= NAMESPACES
    for namespace in NAMESPACES:
        module = import_module(f"neural_lagrangian.{namespace}")
        assert all(hasattr(module, name) for name in module.__all__)


def test_the_first_hour_needs_few_names():
    assert len(set(nl.__all__) - NAMESPACES) <= 22


def test_each_name_is_offered_by_one_namespace():
    owners = {}
    for namespace in NAMESPACES:
        for name in import_module(f"neural_lagrangian.{namespace}").__all__:
            owners.setdefault(name, []).append(namespace)
    assert {name: spaces for name, spaces in owners.items() if len(spaces) > 1} == {}


MAX_FILE_LINES, MAX_FUNCTION_LINES = 320, 60


def function_lines(source):
    """Lines of each function, without its docstring."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            documented = ast.get_docstring(node) is not None
            docstring = node.body[0].end_lineno - node.body[0].lineno + 1 if documented else 0
            yield node.name, node.end_lineno - node.lineno + 1 - docstring


def test_a_file_holds_one_concept_and_a_function_fits_a_screen():
    sources = {path: path.read_text() for path in Path(nl.__file__).parent.rglob("*.py")}
    assert len(sources) > 100
    files = {path: len(source.splitlines()) for path, source in sources.items()}
    functions = {(path, *found) for path, source in sources.items() for found in function_lines(source)}
    assert [path for path, lines in files.items() if lines > MAX_FILE_LINES] == []
    assert [found for found in functions if found[2] > MAX_FUNCTION_LINES] == []
    assert max(lines for *_, lines in functions) > 40  # the negative control: functions are found, and counted


def test_no_flag_is_set_that_xla_does_not_know(monkeypatch):
    """It aborts on those, so that no test would run."""
    assert xla_knows("xla_force_host_platform_device_count")
    assert not xla_knows("xla_no_such_flag")
    monkeypatch.setattr(xla_flags, "QUICK_TO_COMPILE", "xla_no_such_flag")
    assert quick_to_compile() == ""


def test_importing_the_package_alone_imports_nothing_that_computes():
    code = """
import sys
import neural_lagrangian
assert not {"jax", "numpy", "scipy", "matplotlib"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_all_of_it_changes_no_global_configuration():
    """And what trains does not bring along what draws."""
    code = """
import sys
import warnings
import jax
before = dict(jax.config.values)
import pytest

import neural_lagrangian as nl
nl.NeuralLagrangian, nl.simulate, nl.fit
assert not {"matplotlib", "scipy.io", "scipy.optimize"} & set(sys.modules)
with warnings.catch_warnings(action="ignore"):  # what an old one is warned of is its own
    import matplotlib.pyplot
from neural_lagrangian import *
assert dict(jax.config.values) == before
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_every_public_object_is_documented():
    for module in (nl, *(import_module(f"neural_lagrangian.{namespace}") for namespace in NAMESPACES)):
        assert all(getattr(module, name).__doc__ for name in module.__all__)


PACKAGE = Path(nl.__file__).parent
ROOMS = {path.parent.relative_to(PACKAGE).parts for path in PACKAGE.rglob("__init__.py")}


def imported(path):
    """The modules of the package that a file imports from, as parts of a path."""
    here = path.relative_to(PACKAGE).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield (*here[: len(here) - node.level + 1], *(node.module or "").split("."))


def past_a_face(importer, module):
    """Whether a module is inside a room that its importer is not in: only the face of a room is for others."""
    return any(module[:k] in ROOMS and importer[:k] != module[:k] for k in range(1, len(module)))


def test_the_command_line_takes_all_from_the_face_of_the_identification():
    """So that it decides nothing which Python could not decide as well."""
    files = (PACKAGE / "command_line").glob("*.py")
    taken = {module[0] for path in files for module in imported(path) if module[0] != "command_line"}
    assert taken == {"identification", "_errors"}


def test_no_import_goes_past_the_face_of_a_room():
    assert past_a_face(("models", "scaled"), ("mechanics", "term"))
    assert past_a_face(("mechanics", "term"), ("mechanics", "forces", "force"))
    assert not past_a_face(("models", "scaled"), ("mechanics",))
    files = {path.relative_to(PACKAGE): path for path in PACKAGE.rglob("*.py")}
    wrong = {str(name): [m for m in imported(path) if past_a_face(name.parts, m)] for name, path in files.items()}
    assert {name: modules for name, modules in wrong.items() if modules} == {}


def test_a_name_at_the_wrong_place_is_answered_with_the_right_one():
    with pytest.raises(AttributeError, match=r"has no `Cholesky`; it is `neural_lagrangian\.mechanics\.Cholesky`"):
        nl.Cholesky  # noqa: B018
    with pytest.raises(AttributeError, match="no_such_name"):
        nl.no_such_name  # noqa: B018
    assert not hasattr(nl, "__wrapped__")
