"""Every Python block of README and documentation runs as a reader pastes it: in order, page by page."""

import re
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import pytest

from .helpers import slow_but

DOCS = Path(__file__).parent.parent / "docs"
CHECKOUT = DOCS.parent
GENERATED = (DOCS / "examples", DOCS / "reference" / "api", DOCS / "_build")
LINK = re.compile(r"\]\(([^)#\s:]+)(?:#[^)\s]*)?\)")
FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*(\S[^\n]*)?\n(.*?)^[ \t]*\1[ \t]*$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"\b(python3?|py|pycon|ipython3?)\b", re.IGNORECASE)
PAGES = {
    str(path.relative_to(CHECKOUT).with_suffix("")).removeprefix("docs/"): path
    for path in sorted([*CHECKOUT.glob("*.md"), *DOCS.rglob("*.md")])
    if not any(map(path.is_relative_to, GENERATED))
}


def blocks_of(text):
    """The blocks of a page that are marked as Python: those that run, and those that are only shown."""
    marked = [(mark.strip(), code) for _, mark, code in FENCE.findall(text) if PYTHON.search(mark)]
    return [code for mark, code in marked if mark == "python"], [code for mark, code in marked if mark != "python"]


RUN = {name: blocks for name, path in PAGES.items() if (blocks := blocks_of(path.read_text())[0])}
SHOWN = {name: len(blocks) for name, path in PAGES.items() if (blocks := blocks_of(path.read_text())[1])}

SHOWN_ONLY = {
    "how_to/coming_from": (2, "programs of other packages, for comparison"),
    "how_to/discovery": (1, "needs CasADi; tests/discovery/test_casadi.py runs it where that is installed"),
    "how_to/command_line": (4, "read the folders, and the recording, of the commands above them"),
    "tutorials/messy_recording": (1, "`identify` takes minutes; how_to/command_line runs it on a smaller recording"),
}
"""Pages with blocks that are not run: how many, and why."""

QUICK = ("explanation/structure", "explanation/theory", "reference/systems", "how_to/extend/mass_solve")


def run(name, blocks):
    namespace = {}
    for number, block in enumerate(blocks):
        exec(compile(block, f"{name}.md, block {number}", "exec"), namespace)


@pytest.mark.parametrize("name", slow_but(RUN, *QUICK))
def test_blocks_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):  # as users have it
        run(name, RUN[name])
    plt.close("all")


def test_a_name_of_another_page_is_noticed():
    page = "```python\nx = 1\n```\n\nText.\n\n```python\nprint(x + undefined)\n```\n"
    blocks, shown = blocks_of(page)
    assert (len(blocks), shown) == (2, [])
    with pytest.raises(NameError, match="undefined"):
        run("page", blocks)


def test_blocks_that_do_not_run_are_listed():
    assert {name: number for name, (number, _) in SHOWN_ONLY.items()} == SHOWN


@pytest.mark.parametrize(
    "mark", ["py", "Python", "python3", "{code-block} python", "pycon", 'python title="x.py"', "{code-cell} ipython3"]
)
def test_a_block_with_another_mark_is_noticed(mark):
    assert blocks_of(f"- item\n\n  ```{mark}\n  x\n  ```\n") == ([], ["  x\n"])


def test_blocks_without_a_language_are_no_programs():
    """A program that nobody marked would neither run nor be listed."""
    lines = re.compile(r"^\s*(import \w|from \w+(\.\w+)* import )", re.MULTILINE)
    unmarked = [
        (name, code)
        for name, path in PAGES.items()
        for _, mark, code in FENCE.findall(path.read_text())
        if not PYTHON.search(mark) and lines.search(code)
    ]
    assert unmarked == []


def _of_checkout(page):
    return str(page.relative_to(CHECKOUT))


@pytest.mark.parametrize("page", PAGES.values(), ids=_of_checkout)
def test_links_lead_to_files(page):
    links = [(page.parent / link).resolve() for link in LINK.findall(page.read_text())]
    assert [link for link in links if not link.exists() and not any(map(link.is_relative_to, GENERATED))] == []


def test_every_guide_has_blocks():
    expected = {"tutorials/messy_recording", "how_to/dissipation", "how_to/discovery", "how_to/positions"}
    assert expected <= RUN.keys()


FILE = re.compile(r"`((?:\w+/)+(?:\w+\.(?:py|toml))?)`")
"""A file or folder in code style, such as `trajectories/gaps.py`."""


def absent(text):
    """Files and folders that a text names, and that are neither in the package nor in the checkout."""
    roots = (CHECKOUT / "neural_lagrangian", CHECKOUT)
    named = [name for name in FILE.findall(text) if name != "examples/output/"]  # made by the examples
    return [name for name in named if not any((root / name).exists() for root in roots)]


def test_files_named_by_the_pages_exist():
    assert absent("`trajectories/gaps.py`, `mechanics/forces/`, `trajectories/holes.py`") == ["trajectories/holes.py"]
    assert {name: found for name, page in PAGES.items() if (found := absent(page.read_text()))} == {}
