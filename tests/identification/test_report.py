"""The report shows names of files and columns as they are, whatever characters they have."""

import html
import re

import jinja2
import pytest

from neural_lagrangian.identification.reports.templates import rendered

ODD = "a<b> & \"c\" <script>alert('d')</script> {{ settings }} {% raw %}"
PLAIN = {
    "title": "plain",
    "recording": "plain",
    "verdict": ["plain", "plain"],
    "read": ["plain"],
    "limits": ["plain"],
    "band": "plain",
    "coverage": "plain",
    "drawing": "plain",
    "drawing_caption": "plain",
    "candidates": [["plain", "plain"], ["plain", "plain"]],
    "constants": [["plain", "plain"], ["plain", "plain"]],
    "certainty": ["plain"],
    "sensors": [["plain", "plain"], ["plain", "plain"]],
    "of_sensors": ["plain"],
    "missing_force": "plain",
    "unexplained": ["plain"],
    "whiteness": "plain",
    "next": "plain",
    "formula": "plain",
    "latex": "plain",
    "attempts": [("plain", "plain")],
    "errors": [["plain", "plain"], ["plain", "plain"]],
    "error_growth": "plain",
    "predictions": "plain",
    "energy_and_history": "plain",
    "energy_caption": "plain",
    "facts": [("plain", "plain")],
    "python": "plain",
    "settings": "plain",
}
"""Everything that the template shows."""
FIGURES = ("error_growth", "predictions", "energy_and_history", "band", "missing_force", "whiteness")
TAGS = re.compile(r"<[^>]*>")


def page_of(contents, template="report.html"):
    return rendered(template, contents)


def with_text(text, value):
    if isinstance(value, str):
        return text
    return type(value)(with_text(text, one) for one in value)


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_written_is_read_as_text(name):
    """Without the tags of the page itself the text is there, and there is no other tag."""
    plain, page = page_of(PLAIN), page_of(PLAIN | {name: with_text(ODD, PLAIN[name])})
    if name not in FIGURES:  # which are inside a tag
        assert TAGS.findall(page) == TAGS.findall(plain)
        assert ODD in html.unescape(TAGS.sub(" ", page))
    assert len(TAGS.findall(page)) == len(TAGS.findall(plain))


@pytest.mark.parametrize("name", ["verdict", "errors", "formula", "facts"])
def test_what_a_notebook_shows_is_read_as_text(name):
    plain = {key: PLAIN[key] for key in ("verdict", "errors", "formula", "facts")}
    page = page_of(plain | {name: with_text(ODD, PLAIN[name])}, "summary.html")
    assert TAGS.findall(page) == TAGS.findall(page_of(plain, "summary.html"))
    assert ODD in html.unescape(TAGS.sub(" ", page))


def test_what_the_template_names_is_all_there():
    for name in PLAIN:
        with pytest.raises(jinja2.UndefinedError, match=name):
            page_of({key: value for key, value in PLAIN.items() if key != name})


def test_a_report_needs_no_other_file():
    assert not re.search(r"(src|href)=\"(?!data:)|<script|@import|url\(", page_of(PLAIN))
