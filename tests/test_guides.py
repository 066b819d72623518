"""Every block of the guides runs, in the order of its page."""

import re
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import pytest

from .helpers import slow_but

DOCS = Path(__file__).parent.parent / "docs"
GENERATED = (DOCS / "examples", DOCS / "reference" / "api")
LINK = re.compile(r"\]\(([^)#\s:]+)(?:#[^)\s]*)?\)")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WRITTEN = [
    *DOCS.glob("*.md"),
    *(path for part in ("tutorials", "how_to", "explanation") for path in DOCS.glob(f"{part}/**/*.md")),
]
PAGES = {
    str(path.relative_to(DOCS).with_suffix("")): blocks
    for path in sorted([*WRITTEN, *DOCS.glob("reference/*.md")])  # the pages below `reference/api` are generated
    if (blocks := BLOCK.findall(path.read_text()))
}

QUICK = ("explanation/structure", "explanation/theory", "reference/systems", "how_to/extend/mass_solve")


@pytest.mark.parametrize("name", slow_but(PAGES, *QUICK))
def test_blocks_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):  # as users have it
        namespace = {}
        for block in PAGES[name]:
            exec(compile(block, f"{name}.md", "exec"), namespace)
    plt.close("all")


def _of_checkout(page):
    return str(page.relative_to(DOCS.parent))


@pytest.mark.parametrize(
    "page", sorted([*WRITTEN, *DOCS.glob("reference/*.md"), *DOCS.parent.glob("*.md")]), ids=_of_checkout
)
def test_links_lead_to_files(page):
    links = [(page.parent / link).resolve() for link in LINK.findall(page.read_text())]
    assert [link for link in links if not link.exists() and not any(map(link.is_relative_to, GENERATED))] == []


def test_every_guide_has_blocks():
    expected = {"tutorials/messy_recording", "how_to/dissipation", "how_to/discovery", "how_to/positions"}
    assert expected <= PAGES.keys()
