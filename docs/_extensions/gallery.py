"""The examples: their notebooks as they were executed, and a page of cards with a picture each.

`gallery.toml` lists the notebooks by subject, each with a sentence. A notebook that it does not name is listed too,
with the beginning of its own text.
"""

import base64
import io
import json
import shutil
import tomllib
import zipfile
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

HEAD = """# Examples

Each example is a notebook, shown here as it was last executed in full, and a script of the same name in `examples/`.
The script runs at smoke size with `--smoke`. {download}`All of them in one archive <examples.zip>`: notebooks need the
folder `sizes` beside them, which says how large a run is, and those of MuJoCo's machines the folder `machines`.
"""
THUMBNAIL = (480, 300)
"""Width and height of a picture, in pixels."""


def title_and_text(notebook: Path) -> tuple[str, str]:
    """The heading of a notebook's first cell, and the paragraph after it."""
    heading, paragraph, *_ = "".join(
        json.loads(notebook.read_text())["cells"][0]["source"]
    ).split("\n\n")
    return heading.removeprefix("# "), " ".join(paragraph.split())


def thumbnail(notebook: Path) -> Image.Image:
    """The last figure that a notebook holds, or what it prints where there is none, cut to the size of a card."""
    outputs = [
        output
        for cell in json.loads(notebook.read_text())["cells"]
        for output in cell.get("outputs", [])
    ]
    figures = [
        output["data"]["image/png"]
        for output in outputs
        if "image/png" in output.get("data", {})
    ]
    texts = [
        "".join(output["text"]) for output in outputs if output.get("name") == "stdout"
    ]
    data = (
        io.BytesIO(base64.b64decode("".join(figures[-1])))
        if figures
        else printed(texts)
    )
    picture = Image.open(data).convert("RGB")
    width, height = THUMBNAIL
    scale = max(width / picture.width, height / picture.height)
    picture = picture.resize(
        (round(scale * picture.width), round(scale * picture.height)),
        Image.Resampling.LANCZOS,
    )
    return picture.crop((0, 0, width, height))


def printed(texts: list[str]) -> io.BytesIO:
    """A picture of text."""
    lines = "".join(texts).splitlines()[:24]
    figure, data = Figure(figsize=(4.8, 3.0), dpi=200), io.BytesIO()
    figure.text(
        0.02,
        0.97,
        "\n".join(lines),
        family="monospace",
        size=7,
        va="top",
        parse_math=False,
    )
    figure.savefig(data, format="png")
    return data


def card(name: str, notebook: Path, text: str) -> str:
    """A card that leads to a notebook."""
    options = f":link: {name}\n:link-type: doc\n:img-top: thumbnails/{name}.png\n:img-alt: the last figure of {name}"
    return (
        f":::{{grid-item-card}} {title_and_text(notebook)[0]}\n{options}\n\n{text}\n:::"
    )


def page(subjects: dict[str, dict[str, str]], notebooks: dict[str, Path]) -> str:
    """The gallery."""
    named = {name for lines in subjects.values() for name in lines}
    if unknown := sorted(named - notebooks.keys()):
        raise ValueError(
            f"gallery.toml names {unknown}; expected notebooks of examples/"
        )
    rest = {
        name: title_and_text(path)[1]
        for name, path in notebooks.items()
        if name not in named
    }
    subjects = subjects | ({"More": rest} if rest else {})
    parts = [HEAD]
    for subject, lines in subjects.items():
        cards = [card(name, notebooks[name], text) for name, text in lines.items()]
        parts.append(
            "\n".join(
                [
                    f"## {subject}\n",
                    "::::{grid} 1 2 3 3\n:gutter: 3\n",
                    *cards,
                    "::::\n",
                ]
            )
        )
    contents = [name for lines in subjects.values() for name in lines]
    return "\n".join([*parts, "```{toctree}\n:hidden:\n", *contents, "```"])


def write(source: Path, folder: Path) -> None:
    """Copy the notebooks that are new or have changed, with their pictures, and write their page."""
    pictures = folder / "thumbnails"
    pictures.mkdir(parents=True, exist_ok=True)
    notebooks = {path.stem: path for path in sorted(source.glob("*.ipynb"))}
    for copied in folder.glob("*.ipynb"):
        if copied.stem not in notebooks:
            copied.unlink()
    for name, path in notebooks.items():
        copied = folder / f"{name}.ipynb"
        if (
            not copied.exists()
            or copied.read_bytes() != path.read_bytes()
            or not (pictures / f"{name}.png").exists()
        ):
            shutil.copyfile(path, copied)
            thumbnail(path).save(pictures / f"{name}.png")
    with zipfile.ZipFile(folder / "examples.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        parts = ("*.py", "*.ipynb", "sizes/*.py", "machines/*.py")
        for path in sorted(path for part in parts for path in source.glob(part)):
            archive.write(path, Path("examples") / path.relative_to(source))
    subjects = tomllib.loads((folder.parent / "gallery.toml").read_text())
    (folder / "index.md").write_text(page(subjects, notebooks))


def setup(app: Any) -> dict[str, bool]:
    """As Sphinx loads it."""
    docs = Path(app.srcdir)
    app.connect(
        "builder-inited", lambda app: write(docs.parent / "examples", docs / "examples")
    )
    return {"parallel_read_safe": True}
