"""The examples: their notebooks as they were executed, and a page that lists them by subject.

`gallery.toml` says of each subject which notebooks it has and what came out. A notebook that it does not name is
listed too, with the beginning of its own text.
"""

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

HEAD = """# Examples

Each is a script of `examples/` that runs as it stands, at smoke size with `--smoke`, and the notebook of its last full
run, which is shown here.
"""


def title_and_text(notebook: Path) -> tuple[str, str]:
    """The heading of a notebook's first cell, and the paragraph after it."""
    heading, paragraph, *_ = "".join(json.loads(notebook.read_text())["cells"][0]["source"]).split("\n\n")
    return heading.removeprefix("# "), " ".join(paragraph.split())


def page(subjects: dict[str, dict[str, str]], notebooks: dict[str, Path]) -> str:
    """The gallery."""
    named = {name for lines in subjects.values() for name in lines}
    if unknown := sorted(named - notebooks.keys()):
        raise ValueError(f"gallery.toml names {unknown}; expected notebooks of examples/")
    rest = {name: title_and_text(path)[1] for name, path in notebooks.items() if name not in named}
    subjects = subjects | ({"More": rest} if rest else {})
    parts = [HEAD]
    for subject, lines in subjects.items():
        parts.append(f"## {subject}\n")
        parts += [f"- **[{title_and_text(notebooks[name])[0]}]({name}.ipynb)**. {text}" for name, text in lines.items()]
        parts.append("")
    contents = [name for lines in subjects.values() for name in lines]
    return "\n".join([*parts, "```{toctree}\n:hidden:\n", *contents, "```"])


def write(source: Path, folder: Path) -> None:
    """Copy the notebooks that are new or have changed, and write their page."""
    folder.mkdir(exist_ok=True)
    notebooks = {path.stem: path for path in sorted(source.glob("*.ipynb"))}
    for copied in folder.glob("*.ipynb"):
        if copied.stem not in notebooks:
            copied.unlink()
    for name, path in notebooks.items():
        copied = folder / f"{name}.ipynb"
        if not copied.exists() or copied.read_bytes() != path.read_bytes():
            shutil.copyfile(path, copied)
    subjects = tomllib.loads((folder.parent / "gallery.toml").read_text())
    (folder / "index.md").write_text(page(subjects, notebooks))


def setup(app: Any) -> dict[str, bool]:
    """As Sphinx loads it."""
    docs = Path(app.srcdir)
    app.connect("builder-inited", lambda app: write(docs.parent / "examples", docs / "examples"))
    return {"parallel_read_safe": True}
