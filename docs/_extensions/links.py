"""Names of the package in code style become links: `NeuralLagrangian`, `nl.fit(...)`, `examples/planets.py`.

The text does not change. If an argument, a field or a method has the same name, such as `force` or `parameters`, only
a call or a qualified name (`systems.parameters`) is a link.
"""

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from public_names import definitions, public, target
from sphinx import addnodes

EXAMPLE = re.compile(r"examples/(\w+)\.(?:py|ipynb)")


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
