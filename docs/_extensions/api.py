"""The reference: a MyST page for each public namespace, from docstrings that are Markdown.

Sphinx's own autodoc reads docstrings as reStructuredText; here they become the content of `py` directives. A name is
documented in the namespace that defines it; where it is offered too, a cross reference leads there.
"""

import ast
import copy
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

from public_names import (
    NAMESPACES,
    PACKAGE,
    Public,
    bases,
    definitions,
    fields,
    methods,
    public,
)


def written(node: ast.AST) -> str:
    """Source text; jaxtyping's shapes without the space that keeps linters from reading a lone name as a type."""
    return re.sub(r"(?<=, ') (?=\w+'\])", "", ast.unparse(node))


def arguments(node: ast.FunctionDef, *, bound: bool) -> str:
    """The signature of a function as it was written, `self` left out of one that is bound."""
    args = copy.deepcopy(node.args)
    if bound:
        (args.posonlyargs or args.args).pop(0)
    returns = f" -> {written(node.returns)}" if node.returns else ""
    return f"({written(args)}){returns}"


def class_signature(value: type, node: ast.ClassDef) -> str:
    """What a class is made with: its `__init__`, or its fields."""
    inits = [
        n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"
    ]
    if inits:
        return arguments(inits[0], bound=True)
    if inspect.isabstract(value) or issubclass(value, Exception | Warning):
        return ""
    declared, shown, keyword = fields(node), [], False
    for parameter in inspect.signature(value).parameters.values():
        if parameter.name not in declared:  # of a class that is not ours
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword:
            shown, keyword = [*shown, "*"], True
        default = (
            ""
            if parameter.default is parameter.empty
            else f" = {short(parameter.default)}"
        )
        shown.append(
            f"{parameter.name}: {written(declared[parameter.name][0])}{default}"
        )
    return f"({', '.join(shown)})"


def short(value: Any) -> str:
    """A value in few characters."""
    text = repr(value)
    return text if len(text) < 40 and "<" not in text else "..."


def directive(kind: str, head: str, content: str, *options: str, depth: int = 5) -> str:
    """A directive of the `py` domain; those that are nested have a smaller depth."""
    fence = "`" * depth
    lines = "".join(f":{option}\n" for option in options)
    return f"{fence}{{py:{kind}}} {head}\n{lines}\n{content}\n{fence}\n"


def entry(name: str, item: Public) -> str:
    """The documentation of a public name."""
    node, doc = item.definition.node, item.definition.doc or ""
    if isinstance(node, ast.FunctionDef):
        return directive("function", name + arguments(node, bound=False), doc)
    if isinstance(node, ast.ClassDef):
        extended = [role(base.name) for base in bases(node) if base.name in public()]
        parts = [f"Extends {', '.join(extended)}.\n"] if extended else []
        parts += [f"{doc}\n"]
        for field, (annotation, said) in fields(node).items():
            if said:
                parts.append(
                    directive(
                        "attribute",
                        field,
                        said,
                        f"type: {written(annotation)}",
                        depth=4,
                    )
                )
        parts += [method(n, text) for n, text in methods(node)]
        kind = "exception" if issubclass(item.value, Exception | Warning) else "class"
        return directive(
            kind, name + class_signature(item.value, node), "\n".join(parts)
        )
    value = short(item.value)
    return directive(
        "data", name, doc, *([] if value == "..." else [f"value: {value}"])
    )


def method(node: ast.FunctionDef, doc: str) -> str:
    """The documentation of a method or a property."""
    marks = {ast.unparse(mark).split(".")[-1] for mark in node.decorator_list}
    options = [
        f"{mark}:"
        for mark in ("classmethod", "staticmethod", "abstractmethod")
        if mark in marks
    ]
    if marks & {"property", "cached_property"}:
        return directive(
            "property",
            node.name,
            doc,
            *options,
            f"type: {written(node.returns)}",
            depth=4,
        )
    head = node.name + arguments(node, bound="staticmethod" not in marks)
    return directive("method", head, doc, *options, depth=4)


def role(name: str) -> str:
    """A cross reference to a public name."""
    return f"{{py:obj}}`{name} <{public()[name].full}>`"


def first_sentence(doc: str | None) -> str:
    """What a docstring begins with, without the full stop."""
    paragraph = " ".join((doc or "").split("\n\n")[0].split())
    return re.split(r"(?<=[.:])(?<! al\.)\s+(?=[A-Z$`(])", paragraph)[0].rstrip(":,.")


def namespace_page(namespace: str) -> str:
    """A list of the names, and the documentation of each."""
    module = importlib.import_module(f"{PACKAGE}.{namespace}")
    own = [
        name
        for name in module.__all__
        if public()[name].full.startswith(f"{module.__name__}.")
    ]
    others = [role(name) for name in module.__all__ if name not in own]
    also = f"Also here: {', '.join(others)}.\n\n" if others else ""
    names = "".join(
        f"- {role(name)}: {first_sentence(public()[name].definition.doc)}.\n"
        for name in own
    )
    entries = "\n".join(entry(name, public()[name]) for name in own)
    head = f"# {namespace}\n\n```{{py:module}} {module.__name__}\n```\n\n{inspect.getdoc(module)}\n\n"
    return f"{head}{names}\n{also}{entries}"


def aliases(pages: str) -> list[str]:
    """Documentation of the names of types and callables that stand in signatures and are not public themselves."""
    found, signatures = (
        [],
        "\n".join(re.findall(r"^(?:`+\{py:.*|:type:.*)$", pages, re.MULTILINE)),
    )
    for name, (definition, *_) in definitions().items():
        value = (
            definition.node.value
            if isinstance(definition.node, ast.Assign | ast.AnnAssign)
            else None
        )
        if value is None or name in public() or not re.match(r"[A-Z][a-z]", name):
            continue
        if re.search(rf"[:\[>|,] ?{name}\b", signatures):
            found.append(
                directive(
                    "type", name, definition.doc or "", f"canonical: {written(value)}"
                )
            )
    return found


def index_page(pages: str) -> str:
    """The names at the top level, the documentation of those in no namespace, and those that signatures use."""
    top, rows = importlib.import_module(PACKAGE).__all__, ""
    own = [
        name
        for name in top
        if name in public() and public()[name].full == f"{PACKAGE}.{name}"
    ]
    for namespace in NAMESPACES:
        here = [
            role(name)
            for name in top
            if name in public() and f".{namespace}." in public()[name].full
        ]
        rows += (
            f"- [{namespace}]({namespace}.md){': ' if here else ''}{', '.join(here)}\n"
        )
    return "\n".join(
        [
            "# API",
            "",
            "After `import neural_lagrangian as nl` each namespace is `nl.NAMESPACE`. The names beside it are also",
            "available as `nl.NAME`:",
            "",
            rows,
            f"## At the top level only\n\n```{{py:module}} {PACKAGE}\n```\n",
            *(entry(name, public()[name]) for name in own),
            "## Names in signatures",
            "",
            '`Float[Array, "time dof"]` is an array of floats, with the names of its axes (jaxtyping).',
            "",
            *aliases(pages),
            "```{toctree}\n:hidden:\n",
            *NAMESPACES,
            "```",
        ]
    )


def write(folder: Path) -> None:
    """Write the pages; those that have not changed are left alone, so that a build need not read them again."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {namespace: namespace_page(namespace) for namespace in NAMESPACES}
    pages["index"] = index_page("".join(pages.values()))
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def setup(app: Any) -> dict[str, bool]:
    """As Sphinx loads it."""
    app.connect(
        "builder-inited", lambda app: write(Path(app.srcdir) / "reference" / "api")
    )
    return {"parallel_read_safe": True}
