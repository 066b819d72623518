"""`fit` of a small recording: its files, its report, and the same from Python."""

import html
import json
import re

import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.command_line import main
from neural_lagrangian.identification import identify
from neural_lagrangian.identification.folders.model_folder import load_model
from neural_lagrangian.numerics import precision
from neural_lagrangian.training import display

from ..identification.recordings import FREQUENCY
from .conftest import FIT

pytestmark = [pytest.mark.double, pytest.mark.optax]


def test_python_finds_what_the_command_line_finds(place, monkeypatch, capsys):
    """To the last digit, whatever the precision of the program; and it prints nothing."""
    monkeypatch.setattr(display, "SECONDS_BETWEEN_LINES", 0.0)  # progress would be shown at once
    with precision(double=False):
        again = identify("spring.csv", dof=1, steps=60)
        again.save("in-python")
        summary = str(again)
    assert capsys.readouterr() == ("", "")
    one, other = (json.loads((place / name / "settings.json").read_text()) for name in ("spring-fit", "in-python"))
    assert one.pop("command") == "fit spring.csv --dof 1 --steps 60"
    assert other.pop("command").startswith("identify('spring.csv', dof=1, structure='mechanical', friction=False")
    assert one == other
    for name in ("model", "formula.json"):
        assert (place / "spring-fit" / name).read_bytes() == (place / "in-python" / name).read_bytes()
    assert "the network stays below 10%" in again.verdict
    assert again.verdict.splitlines()[0] in summary


def test_what_is_saved_is_what_is_written_on_the_way(place, found, tmp_path, capsys):
    found.save(tmp_path / "saved")
    for name in ("model", "formula.json", "settings.json"):
        assert (place / "spring-fit" / name).read_bytes() == (tmp_path / "saved" / name).read_bytes()
    assert main(["info", str(tmp_path / "saved")]) == 0
    assert "learned from spring.csv, by fit spring.csv --dof 1" in capsys.readouterr().out
    with pytest.raises(nl.identification.NoAnswerError, match="holds a fit already"):
        found.save(tmp_path / "saved")


def test_what_python_finds_is_of_use_at_once(place, found):
    """In the precision of the program."""
    ts, y0 = jnp.linspace(0.0, 1.0, 5), jnp.array([1.0, 0.0])
    saved = load_model(place / "spring-fit")
    np.testing.assert_allclose(found.model(ts, y0), saved(ts, y0), rtol=1e-6)
    assert set(found.formula.support) == {"x^2", "x_dot^2"}
    np.testing.assert_allclose(found.formula_model(ts, y0)[:, 0], np.cos(FREQUENCY * ts), atol=1e-4)
    assert found.table[0] == ["RMS error", "network", "formula", "constant velocity", "at rest"]
    assert found.errors.failures("network") == 0
    assert len(found.history.loss) == 60
    assert found.errors.by_name["network"].dtype == np.float64  # judged in double precision, whatever that of training
    with precision(double=False):
        ys = found.model(jnp.linspace(0.0, 1.0, 5), jnp.array([1.0, 0.0]))
        assert ys.dtype == jnp.float32


def test_a_notebook_shows_it_and_a_report_is_written(place, found, tmp_path):
    shown = html.unescape(re.sub("<[^>]*>", " ", found._repr_html_())).split()
    assert set(str(found).split()) - {"motion", "errors", "formula", "verdict"} <= {*shown}
    found.report(tmp_path / "page.html")
    page, before = (
        (folder / name).read_text() for folder, name in ((tmp_path, "page.html"), (place / "spring-fit", "report.html"))
    )
    assert re.findall("<h2>.*</h2>", page) == re.findall("<h2>.*</h2>", before)


def test_all_files_are_there(place):
    assert sorted(path.name for path in (place / "spring-fit").iterdir()) == [
        "checkpoints",
        "formula.json",
        "history.jsonl",
        "model",
        "report.html",
        "settings.json",
    ]
    steps = [json.loads(line)["step"] for line in (place / "spring-fit" / "history.jsonl").read_text().splitlines()]
    assert steps[-1] == 60


def test_the_report_holds_itself(place):
    page = (place / "spring-fit" / "report.html").read_text()
    assert len(re.findall(r'<img alt="" src="data:image/png;base64,iVBOR', page)) == 6
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert str(place) not in page
    for needed in ("constant velocity", "x_dot^2", r"\dot{x}^{2}", "load_model", "q_scale", nl.__version__):
        assert needed in page


def test_the_formula_is_the_oscillator(place):
    """Of exact motion: L = (v^2 - 9 x^2) / 2."""
    page = (place / "spring-fit" / "report.html").read_text()
    text = re.search(r"<pre>L = (.*)\n", page).group(1)
    terms = {name: float(c) for c, name in re.findall(r"(-? ?[\d.e-]+) (x_dot\^2|x\^2)", text.replace("- ", "-"))}
    assert set(terms) == {"x_dot^2", "x^2"}
    assert terms["x^2"] == pytest.approx(-(FREQUENCY**2) / 2, rel=1e-4)


def test_a_fit_is_not_overwritten(place, capsys):
    assert main([*FIT]) == 1
    assert "spring-fit holds a fit already: use --resume" in capsys.readouterr().err


@pytest.mark.bad_input
def test_resuming_another_fit_is_refused(place, capsys):
    before = (place / "spring-fit" / "settings.json").read_bytes()
    assert main([*FIT[:-1], "61", "--resume"]) == 1
    assert "another training: `horizon, steps` was" in capsys.readouterr().err
    assert (place / "spring-fit" / "settings.json").read_bytes() == before


def test_the_report_begins_with_the_verdict_and_what_is_not_known(place):
    page = (place / "spring-fit" / "report.html").read_text()
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings[:6] == ["Verdict", "Prediction", "Candidates", "Constants", "Recording", "Limits"]
    assert {"What is not explained", "What to record next"} <= set(headings)
    start = page[: page.index("Errors of prediction")]
    for needed in (
        "On held-out motion, the median error of the network stays below",
        "300 samples",
        "The formula found: ",
    ):
        assert needed in start


@pytest.mark.slow
def test_names_of_files_and_columns_never_lose_a_report(place, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lines = (place / "spring.csv").read_text().splitlines()
    name = "\udcff\N{SNOWMAN} <b>$x$ \"'{}%s.csv"
    (tmp_path / name).write_text("\n".join(["t,x$_{,v$", *lines[1:]]) + "\n")
    assert main(["fit", name, "--dof", "1", "--steps", "60"]) == 0
    folder = tmp_path / f"{name[:-4]}-fit"
    assert "x$_{" in (folder / "report.html").read_text()
    assert load_model(folder, "network").scaling.dof == 1
    assert main(["info", str(folder)]) == 0
