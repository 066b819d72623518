"""Each notebook is the script beside it, cell by cell, as it was last executed."""

import json
import re
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def code_of_script(text):
    """Code cells of a percent script."""
    cells = re.split(r"^# %%(.*)$", text, flags=re.MULTILINE)[1:]
    return [code.strip() for mark, code in zip(cells[::2], cells[1::2], strict=True) if "markdown" not in mark]


def code_of_notebook(text):
    cells = json.loads(text)["cells"]
    return ["".join(cell["source"]).strip() for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_notebooks_have_the_code_of_their_scripts(script):
    assert code_of_notebook(script.with_suffix(".ipynb").read_text()) == code_of_script(script.read_text())


@pytest.mark.parametrize("notebook", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_hold_what_they_printed(notebook):
    outputs = [output for cell in json.loads(notebook.read_text())["cells"] for output in cell.get("outputs", [])]
    assert any(output["output_type"] == "stream" for output in outputs)
    assert all(output["output_type"] != "error" for output in outputs)


def test_another_cell_is_noticed():
    script = "# %% [markdown]\n# # Title\n\n# %%\nx = 1\n\n# %%\ny = 2\n"
    notebook = {"cells": [{"cell_type": "code", "source": [f"{line}"]} for line in ("x = 1", "y = 3")]}
    assert code_of_script(script) == ["x = 1", "y = 2"] != code_of_notebook(json.dumps(notebook))
