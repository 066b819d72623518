"""After a build: every link inside the site leads to a file, and to a place in it. Nothing is asked of other sites."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sphinx.util import logging

logger = logging.getLogger(__name__)


class Page(HTMLParser):
    """The places of a page, and its links to files."""

    def __init__(self, path: Path):
        super().__init__()
        self.path, self.places, self.links = path, set(), []
        self.feed(path.read_text())

    def handle_starttag(
        self, tag: str, attributes: list[tuple[str, str | None]]
    ) -> None:
        for name, value in attributes:
            if name == "id":
                self.places.add(value)
            elif (
                name in ("href", "src")
                and value
                and not urlsplit(value).scheme
                and not value.startswith("//")
            ):
                self.links.append(value)


def check(app: Any, exception: Exception | None) -> None:
    """Warn of each link that leads nowhere."""
    if exception is not None or app.builder.name != "html":
        return
    root = Path(app.outdir).resolve()
    pages = {
        path: Page(path) for path in root.rglob("*.html") if "_static" not in path.parts
    }
    for page in pages.values():
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            file = (
                (page.path.parent / unquote(parts.path)).resolve()
                if parts.path
                else page.path
            )
            place = unquote(parts.fragment)
            if not file.exists():
                logger.warning(
                    "%s: link to %s, which is not there",
                    page.path.relative_to(root),
                    link,
                )
            elif place and file in pages and place not in pages[file].places:
                logger.warning(
                    "%s: link to %s, a place that is not there",
                    page.path.relative_to(root),
                    link,
                )


def setup(app: Any) -> dict[str, bool]:
    """As Sphinx loads it."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True}
