"""The faults still fit the code, and the tests that must notice them exist. `nox -s mutants` runs them."""

import ast
from functools import cache

import pytest

from .catalogue import PACKAGE, ROOT, catalogue, sampled

FAULTS = catalogue()
pytestmark = pytest.mark.skipif(not (ROOT / PACKAGE).is_dir(), reason="the source is not beside the tests")


@cache
def functions(path):
    """Names of the tests of a file, those of a class with its name before them."""
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for group in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        found |= {f"{group.name}::{node.name}" for node in group.body if isinstance(node, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.file}: {fault.name}")
def test_a_fault_fits_the_code_and_its_tests_exist(fault):
    """Whoever moves code or renames a test mends the catalogue in the same change."""
    sound = (ROOT / PACKAGE / fault.file).read_text(encoding="utf-8")
    assert ast.dump(ast.parse(fault.mutated(sound))) != ast.dump(ast.parse(sound))
    assert fault.tests
    for test in fault.tests:
        path, _, name = test.partition("::")
        assert name.partition("[")[0] in functions(path), test


def test_the_catalogue_covers_every_folder():
    folders = {path.name for path in (ROOT / PACKAGE).iterdir() if (path / "__init__.py").is_file()}
    assert {fault.file.partition("/")[0] for fault in FAULTS} >= folders
    assert len({(fault.file, fault.old, fault.new) for fault in FAULTS}) == len(FAULTS) >= 80
    assert len({fault.file.partition("/")[0] for fault in sampled(FAULTS, 10)}) >= 7
