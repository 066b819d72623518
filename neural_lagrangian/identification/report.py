"""The report of a fit: one page of HTML that needs no other file."""

import base64
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

from .._atomic import atomic_write
from ..discovery import Formula
from .figures import energy_and_history, error_growth, predictions
from .outcome import Outcome
from .verdict import unknown, verdict

STYLE = """
body { font-family: sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; line-height: 1.4; color: #222 }
table { border-collapse: collapse } th, td { padding: 0.2rem 0.8rem; border-bottom: 1px solid #ccc; text-align: right }
th:first-child, td:first-child { text-align: left } pre { background: #f4f4f4; padding: 0.7rem; overflow-x: auto }
img { max-width: 100% } figcaption { font-size: 0.9rem; color: #555 } figure { margin: 1rem 0 }
"""


def write_report(path: Path, outcome: Outcome) -> None:
    """Figures, tables, the formula in text and LaTeX, every setting, and how to load the model."""
    folder = path.parent
    body = [
        f"<h1>{escape(outcome.settings['recording'])}</h1>",
        "<h2>Verdict</h2>",
        _listed(verdict(outcome)),
        "<h2>What was read</h2>",
        _listed([*outcome.read, outcome.pieces]),
        "<h2>What is not known</h2>",
        _listed(unknown(outcome)),
        "<p>All that follows is of the pieces to judge by, which the training has not seen.</p>",
        "<h2>Formula</h2>",
        *_formula(outcome),
        "<h2>Errors of prediction</h2>",
        "<p>Root mean square from the start up to the time, median over starts, in SI units. Constant velocity and "
        "rest are what one would say without a model.</p>",
        _table(outcome.errors.table(outcome.columns)),
        _figure(error_growth(outcome.errors, outcome.columns), "Median over starts, with quartiles."),
        "<h2>Predictions</h2>",
        _figure(
            predictions(outcome.starts, outcome.rollouts, outcome.columns),
            "From the first start on; truth is what was recorded.",
        ),
        "<h2>Energy and training</h2>",
        _figure(
            energy_and_history(outcome.model, outcome.starts, outcome.rollouts["network"][0], outcome.history),
            "The learned energy has no scale of its own.",
        ),
        _table([list(fact) for fact in outcome.facts()], header=False),
        "<h2>The model in Python</h2>",
        _preformatted(_python(folder, outcome)),
        "<h2>Settings</h2>",
        _preformatted(json.dumps(outcome.settings, indent=2)),
    ]
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(folder.name)}</title>'
        f"<style>{STYLE}</style></head><body>\n" + "\n".join(body) + "\n</body></html>\n"
    )
    with atomic_write(path) as file:
        file.write(page.encode("utf-8", "backslashreplace"))  # a file's name may be in any encoding


def _formula(outcome: Outcome) -> list[str]:
    parts = [_preformatted(outcome.reading())]
    if outcome.formula is not None:
        parts += ["<p>In LaTeX:</p>", _preformatted(_latex(outcome.formula.formula))]
    for attempt in outcome.attempts:
        parts += [f"<p>What was found in {attempt.where}, before refinement:</p>", _preformatted(str(attempt))]
    return parts


def _latex(formula: Formula) -> str:
    try:
        return f"L = {formula.latex()}"
    except ImportError:  # of sympy
        return "needs sympy: pip install 'neural_lagrangian[symbolic]'"


def _python(folder: Path, outcome: Outcome) -> str:
    start = outcome.starts.ys[0, 0].tolist()
    return "\n".join(
        [
            "import jax",
            "import jax.numpy as jnp",
            "import neural_lagrangian as nl",
            "",
            'jax.config.update("jax_enable_x64", True)',
            f"model = nl.load_model({folder.name!a}){_or_formula(outcome)}",
            f"y0 = jnp.array({[float(f'{x:.6g}') for x in start]})  # {', '.join(_state_names(outcome))}, in SI units",
            f"ys = model(jnp.linspace(0.0, {outcome.starts.times[-1]:.3g}, 201), y0)",
            "energy = model.energy(0.0, *jnp.split(y0, 2))",
        ]
    )


def _or_formula(outcome: Outcome) -> str:
    return "" if outcome.formula is None else '  # or, with "formula" as second argument, the formula and its friction'


def _listed(lines: Sequence[str]) -> str:
    return "<ul>" + "\n".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _state_names(outcome: Outcome) -> Sequence[str]:
    return (*outcome.columns.coordinates, *outcome.columns.rates)


def _table(rows: Sequence[Sequence[str]], *, header: bool = True) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    lines = [row(cells, "th" if header and i == 0 else "td") for i, cells in enumerate(rows)]
    return "<table>" + "\n".join(lines) + "</table>"


def _figure(png: bytes, caption: str) -> str:
    data = base64.b64encode(png).decode()
    return f'<figure><img alt="" src="data:image/png;base64,{data}"><figcaption>{escape(caption)}</figcaption></figure>'


def _preformatted(text: str) -> str:
    return f"<pre>{escape(text)}</pre>"
