"""The table of docs/reference/systems.md lists `SYSTEMS`; `python -m tests.systems.test_documentation` writes it."""

import inspect
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from neural_lagrangian.systems import SYSTEMS, parameters

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "systems.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->"


def source(cls):
    """The first sentence of the paragraph in parentheses of a class's documentation."""
    (paragraph,) = re.findall(r"^\((.+?\.)\)$", inspect.getdoc(cls), re.MULTILINE | re.DOTALL)
    return re.split(r"\.(?: (?=[A-Z])|$)", " ".join(paragraph.split()))[0]


def row(name):
    system = SYSTEMS[name]()
    q = jax.ShapeDtypeStruct((system.dof,), jnp.float32)
    invariants = sorted(jax.eval_shape(system.invariants, jax.ShapeDtypeStruct((), jnp.float32), q, q))
    listed = [
        f"{key} = {', '.join(f'{x:.12g}' for x in (value if isinstance(value, tuple) else (value,)))}"
        + ("" if unit == "1" else f" {unit}")
        for key, (value, unit) in parameters(system).items()
    ]
    names = ", ".join(key.replace("_", " ") for key in invariants) or "none"
    return f"| `{name}` | {system.dof} | {'; '.join(listed)} | {names} | {source(SYSTEMS[name])} |"


def table():
    head = "| system | degrees of freedom | parameters | invariants | source |\n| --- | --- | --- | --- | --- |\n"
    return head + "".join(f"{row(name)}\n" for name in SYSTEMS)


def test_the_table_is_that_of_the_registry():
    written = PAGE.read_text().split(BEGIN)[1].split(END)[0]
    assert written == table()


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_cites_a_source_with_its_year(name):
    assert re.search(r"\d{4}", source(SYSTEMS[name]))


if __name__ == "__main__":
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + table() + END + rest.split(END)[1])
