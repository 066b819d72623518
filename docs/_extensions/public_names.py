"""The public names of the package, each with its definition in the source.

Read from the source rather than from the objects, annotations and defaults stand as they were written.
"""

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

PACKAGE = "neural_lagrangian"
COMMANDS = ("fit", "rollout", "compare", "info", "export")
NAME = re.compile(
    r"(?:(?:nl|neural_lagrangian)\.)?(?:([a-z]+)\.)?(\w+)(\(.*\))?", re.DOTALL
)
NAMESPACES = (
    "mechanics",
    "networks",
    "lagrangians",
    "integrators",
    "models",
    "systems",
    "trajectories",
    "datasets",
    "analysis",
    "training",
    "discovery",
    "control",
    "observation",
    "export",
    "identification",
)


class Definition(NamedTuple):
    """What the source says of a name; `doc` of a value is the string that follows it."""

    module: str
    node: ast.stmt
    doc: str | None


class Public(NamedTuple):
    """A public name: where it is documented, what it is, and how it is defined."""

    full: str
    value: Any
    definition: Definition


@cache
def definitions() -> dict[str, list[Definition]]:
    """All top-level definitions of the package, by name."""
    for namespace in NAMESPACES:
        module = importlib.import_module(f"{PACKAGE}.{namespace}")
        for name in module.__all__:
            getattr(module, name)  # imported where it is first asked for
    found: dict[str, list[Definition]] = {}
    for module in [
        name for name in sys.modules if f"{name}.".startswith(f"{PACKAGE}.")
    ]:
        for name, node, doc in statements(
            ast.parse(inspect.getsource(sys.modules[module])).body
        ):
            found.setdefault(name, []).append(Definition(module, node, doc))
    return found


def statements(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt, str | None]]:
    """Names that a module or a class defines, with their docstrings."""
    for node, following in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node, ast.get_docstring(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            said = isinstance(following, ast.Expr) and isinstance(
                following.value, ast.Constant
            )
            if isinstance(target, ast.Name):
                yield (
                    target.id,
                    node,
                    inspect.cleandoc(str(following.value.value)) if said else None,
                )


def home(definition: Definition) -> str:
    """The namespace that a module belongs to; the package, for a file that is in none."""
    namespace = definition.module.removeprefix(f"{PACKAGE}.").partition(".")[0]
    return f"{PACKAGE}.{namespace}" if namespace in NAMESPACES else PACKAGE


@cache
def public() -> dict[str, Public]:
    """Public names, each once, in the namespace whose modules define it; in the package where its own file does."""
    found = {}
    for place in (PACKAGE, *(f"{PACKAGE}.{namespace}" for namespace in NAMESPACES)):
        module = importlib.import_module(place)
        for name in module.__all__:
            for definition in definitions().get(name, []):
                if home(definition) == place:
                    found[name] = Public(
                        f"{module.__name__}.{name}", getattr(module, name), definition
                    )
    return found


def bases(node: ast.ClassDef) -> list[ast.ClassDef]:
    """The classes of the package that a class extends."""
    names = [ast.unparse(base).split("[")[0] for base in node.bases]
    return [definitions()[name][0].node for name in names if name in definitions()]


def fields(node: ast.ClassDef) -> dict[str, tuple[ast.expr, str | None]]:
    """Public fields of a class and of those of the package that it extends: annotation and docstring."""
    found = {}
    for base in reversed(bases(node)):
        found.update(fields(base))
    for name, statement, doc in statements(node.body):
        if isinstance(statement, ast.AnnAssign) and not name.startswith("_"):
            found[name] = (statement.annotation, doc)
        if isinstance(statement, ast.FunctionDef):  # a property in place of the field
            found.pop(name, None)
    return found


def methods(node: ast.ClassDef) -> list[tuple[ast.FunctionDef, str]]:
    """Public methods and properties that a class documents itself, or that a private class did for it."""
    inherited = [
        pair
        for base in bases(node)
        if base.name not in public()
        for pair in methods(base)
    ]
    own = [
        (n, doc)
        for _, n, doc in statements(node.body)
        if isinstance(n, ast.FunctionDef) and doc
    ]
    named = {method.name for method, _ in own}
    return [pair for pair in inherited if pair[0].name not in named] + [
        (method, doc)
        for method, doc in own
        if not method.name.startswith("_") or method.name == "__call__"
    ]


@cache
def ambiguous() -> set[str]:
    """Public names with another meaning: an argument, a field or method of a public class, or a command."""
    trees = [one.node for several in definitions().values() for one in several]
    found = {
        node.arg
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.arg)
    }
    for item in public().values():
        if isinstance(item.definition.node, ast.ClassDef):
            found |= {name for name, _, _ in statements(item.definition.node.body)}
    return (found | set(COMMANDS)) & public().keys()


def target(text: str) -> str | None:
    """The full name that a piece of code in the text stands for; `None` if it has another meaning too."""
    match = NAME.fullmatch(text)
    if match is None or match[2] not in public():
        return None
    qualified = (
        match[1] is not None
        or match[3] is not None
        or text.startswith(("nl.", PACKAGE))
    )
    full = public()[match[2]].full
    if match[1] is not None and f".{match[1]}." not in full:
        return None
    return full if qualified or match[2] not in ambiguous() else None
