"""Every block of the guides runs, in the order of its page."""

import re
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import pytest

from .helpers import slow_but

DOCS = Path(__file__).parent.parent / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = {path.stem: blocks for path in sorted(DOCS.glob("*.md")) if (blocks := BLOCK.findall(path.read_text()))}


@pytest.mark.parametrize("name", slow_but(PAGES, "structure", "systems", "theory"))
def test_blocks_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):  # as users have it
        namespace = {}
        for block in PAGES[name]:
            exec(compile(block, f"{name}.md", "exec"), namespace)
    plt.close("all")


def test_every_guide_has_blocks():
    assert {"dissipation", "discovery", "getting_started", "positions", "training"} <= PAGES.keys()
