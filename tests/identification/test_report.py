"""The report shows names of files and columns as they are."""

import html
import re

import pytest

from neural_lagrangian.identification.report import _figure, _listed, _preformatted, _table

ODD = "a<b> & \"c\" <script>alert('d')</script>"
PARTS = {
    "table": lambda text: _table([[text, "1"], [text, text]]),
    "list": lambda text: _listed([text]),
    "figure": lambda text: _figure(b"", text),
    "preformatted": _preformatted,
}


@pytest.mark.parametrize("part", PARTS)
def test_what_is_written_is_read_as_text(part):
    """Without the tags of the page itself the text is there, and there is no other tag."""
    page, plain = PARTS[part](ODD), PARTS[part]("plain")
    tags = r"<[^>]*>"
    assert re.findall(tags, page) == re.findall(tags, plain)
    assert ODD in html.unescape(re.sub(tags, " ", page))
