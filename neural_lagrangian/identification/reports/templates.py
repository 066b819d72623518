"""Fill the HTML templates in the folder `templates`."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import jinja2


def rendered(template: str, contents: Mapping[str, Any]) -> str:
    """Fill a template with contents. All text is escaped.

    **Raises:** `jinja2.UndefinedError` if the template uses a name that `contents` lacks.
    """
    return f"{_templates().get_template(template).render(contents)}\n"


@cache
def _templates() -> jinja2.Environment:
    loader = jinja2.PackageLoader("neural_lagrangian.identification.reports")
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
