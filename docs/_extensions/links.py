"""Names of the package in running text become links: `NeuralLagrangian`, `nl.fit(...)`, `examples/planets.py`.

Text stays as it reads on any other Markdown viewer. Where the same word is also an argument somewhere, such as
`force`, only the call or the qualified name is a link.
"""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from public_names import PACKAGE, definitions, public
from sphinx import addnodes

NAME = re.compile(
    r"(?:(?:nl|neural_lagrangian)\.)?(?:([a-z]+)\.)?(\w+)(\(.*\))?", re.DOTALL
)
EXAMPLE = re.compile(r"examples/(\w+)\.(?:py|ipynb)")


@cache
def ambiguous() -> set[str]:
    """Public names that some function or class also has for an argument."""
    trees = [
        definition.node for found in definitions().values() for definition in found
    ]
    return {
        node.arg
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.arg)
    } & public().keys()


def target(text: str) -> str | None:
    """The full name that a piece of code in the text stands for."""
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


def link(app: Any, doctree: nodes.document) -> None:
    """Make cross references of the pieces of code that are names of the package or of its examples."""
    for node in list(doctree.findall(nodes.literal)):
        if isinstance(
            node.parent, nodes.reference | nodes.title | addnodes.pending_xref
        ):
            continue
        text, options = (
            node.astext(),
            {"refdoc": app.env.docname, "refexplicit": True, "refwarn": True},
        )
        example = EXAMPLE.fullmatch(text)
        if example and (Path(app.srcdir) / "examples" / f"{example[1]}.ipynb").exists():
            options |= {
                "refdomain": "std",
                "reftype": "doc",
                "reftarget": f"/examples/{example[1]}",
            }
        elif full := target(text):
            options |= {"refdomain": "py", "reftype": "obj", "reftarget": full}
        else:
            continue
        reference = addnodes.pending_xref("", **options)
        node.replace_self(reference)
        reference += node


def resolve(
    app: Any, env: Any, node: nodes.Element, contnode: nodes.Element
) -> nodes.Element | None:
    """A public name in a signature, wherever it is documented; a private one stays text."""
    name = node.get("reftarget", "").removeprefix("nl.")
    if node.get("refdomain") != "py" or name not in definitions():
        return None
    if name not in public():
        return contnode
    domain = env.domains["py"]
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, "obj", public()[name].full, node, contnode
    )


def setup(app: Any) -> dict[str, bool]:
    """As Sphinx loads it."""
    app.connect("doctree-read", link)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}
