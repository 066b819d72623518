"""Pages of HTML from the templates beside this file."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import jinja2


def rendered(template: str, contents: Mapping[str, Any]) -> str:
    """A page from what its template shows. All text is escaped; a missing name is a `jinja2.UndefinedError`."""
    return f"{_templates().get_template(template).render(contents)}\n"


@cache
def _templates() -> jinja2.Environment:
    loader = jinja2.PackageLoader("neural_lagrangian.identification")
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
