"""Every block of the guides runs, in the order of its page."""

import re
from pathlib import Path

import jax
import pytest

from .helpers import slow

DOCS = Path(__file__).parent.parent / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", [slow("discovery"), "structure", slow("training"), slow("variational")])
def test_blocks_run(name):
    page = (DOCS / f"{name}.md").read_text()
    blocks = BLOCK.findall(page)
    assert blocks
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):  # as users have it
        namespace = {}
        for block in blocks:
            exec(compile(block, f"{name}.md", "exec"), namespace)
