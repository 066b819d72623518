"""The report fits the screen of a desktop and of a phone, in a real browser."""

import base64
import html
import io
import json
import re
import shutil
import subprocess

import pytest
from matplotlib.figure import Figure

from neural_lagrangian.identification.reports.templates import rendered

from .test_report import FIGURES, PLAIN

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = {"desktop": 1280, "phone": 390}
MEASURED = """<iframe id="page" style="border: 0; width: {width}px; height: 800px" srcdoc="{page}"></iframe>
<pre id="measured"></pre>
<script>
const frame = document.getElementById("page");
frame.onload = () => {{
  const page = frame.contentDocument;
  const images = [...page.images].map(image => [image.naturalWidth, image.getBoundingClientRect().width]);
  const headings = page.querySelectorAll("h2").length;
  const found = {{width: page.documentElement.scrollWidth, images: images, headings: headings}};
  document.getElementById("measured").textContent = JSON.stringify(found);
}};
</script>"""
"""A page with the report in a frame as wide as a screen, which measures the report once it is shown."""


def png():
    buffer = io.BytesIO()
    Figure(figsize=(11, 3.6)).savefig(buffer, format="png", dpi=110)
    return base64.b64encode(buffer.getvalue()).decode()


def report():
    """A report with long lines and wide tables."""
    long = [[f"a candidate with a long name, {k}" for k in range(6)]] * 4
    tables = dict.fromkeys(("candidates", "constants", "errors"), long)
    facts = [("recording", "trajectories in memory: 1440 samples, 35.98 s in all, 0.025 s apart. " * 3)]
    formula = "L = " + " + ".join(f"{k}.12345 cos(theta_1 - theta_2) theta_1_dot theta_2_dot" for k in range(9))
    return rendered(
        "report.html", PLAIN | tables | dict.fromkeys(FIGURES, png()) | {"facts": facts, "formula": formula}
    )


def measured(page, width, folder):
    """Width of the page, its images and its number of headings, as the browser shows them."""
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)} is a program here")
    (folder / "page.html").write_text(MEASURED.format(width=width, page=html.escape(page)))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000", "--dump-dom"]
    profile = f"--user-data-dir={folder / 'profile'}"
    call = [program, *options, profile, (folder / "page.html").as_uri()]
    shown = subprocess.run(call, capture_output=True, text=True, timeout=240, check=True).stdout
    return json.loads(html.unescape(re.search(r'<pre id="measured">(.*?)</pre>', shown).group(1)))


@pytest.mark.parametrize("screen", WIDTHS)
def test_a_report_fits_the_screen(screen, tmp_path):
    """Nothing is cut off: wide tables and long lines scroll by themselves, and figures shrink."""
    found = measured(report(), WIDTHS[screen], tmp_path)
    assert found["width"] <= WIDTHS[screen]
    assert found["headings"] > 10
    assert len(found["images"]) == len(FIGURES)
    assert all(shown <= min(natural, WIDTHS[screen]) for natural, shown in found["images"])
    assert all(natural > 0 for natural, _ in found["images"])


def test_a_page_whose_tables_do_not_scroll_is_too_wide_for_a_phone(tmp_path):
    """What is measured can be wrong."""
    page = report().replace("overflow-x: auto", "overflow-x: visible")
    assert measured(page, WIDTHS["phone"], tmp_path)["width"] > WIDTHS["phone"]
