"""Write the report of a fit: one HTML page that needs no other file."""

import base64
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..._atomic import atomic_write
from ...discovery import Formula
from ..folders import settings_text
from .animation import animation
from .figures import correlations, energy_and_history, error_growth, missing_force, prediction_with_band, predictions
from .outcome import Outcome
from .templates import rendered
from .verdict import limits, verdict

ENERGY, LOSSES = "the learned energy, whose scale is arbitrary.", "the losses of the training."
"""What the parts of a figure show."""


def write_report(path: Path, outcome: Outcome) -> None:
    """Write verdict, formula, tables, figures, settings, and how to load the model in Python."""
    with atomic_write(path) as file:
        page = rendered("report.html", contents_of(outcome, path.absolute().parent))
        file.write(page.encode("utf-8", "backslashreplace"))  # a file name may have characters that UTF-8 cannot encode


def contents_of(outcome: Outcome, folder: Path) -> dict[str, Any]:
    """The contents of the page, by the names in the template. Figures are Base64 text."""
    rollout, formula = outcome.rollouts[outcome.predictor][0], outcome.formula
    examination, history = outcome.examination, None if outcome.trained is None else outcome.trained.history
    diagnosis = None if examination is None else examination.diagnosis
    unexplained = [] if examination is None else examination.unexplained
    if outcome.lacking is not None:
        diagnosis, unexplained = outcome.lacking.diagnosis, outcome.lacking.sentences
    drawing, drawing_caption = (Markup(), "") if examination is None else animation(examination)
    figures = {
        "band": b"" if examination is None else prediction_with_band(examination.bands, outcome.columns),
        "missing_force": b"" if diagnosis is None else missing_force(diagnosis),
        "whiteness": b"" if examination is None else correlations(examination.whiteness),
        "error_growth": error_growth(outcome.errors, outcome.columns),
        "predictions": predictions(outcome.starts, outcome.rollouts, outcome.columns),
        "energy_and_history": energy_and_history(outcome.model, outcome.starts, rollout, history),
    }
    return {
        "title": folder.name,
        "recording": outcome.settings["recording"],
        "verdict": verdict(outcome),
        "read": [*outcome.read, outcome.pieces],
        "limits": limits(outcome),
        "candidates": outcome.contest.table() if outcome.contest.candidates else [],
        "sensors": [] if outcome.sensors is None else outcome.sensors.table(),
        "of_sensors": [] if outcome.sensors is None else outcome.sensors.sentences,
        "constants": [] if examination is None else examination.constants(),
        "certainty": [] if examination is None else examination.certainty,
        "drawing": drawing,
        "drawing_caption": drawing_caption,
        "coverage": "" if examination is None else f"{examination.bands}.",
        "unexplained": unexplained,
        "next": "" if examination is None else examination.next,
        "formula": outcome.reading(),
        "latex": None if formula is None else _latex(formula.formula),
        "attempts": [(attempt.where, str(attempt)) for attempt in outcome.attempts],
        "errors": outcome.errors.table(outcome.columns),
        "facts": outcome.facts(),
        "energy_caption": ENERGY.capitalize() if history is None else f"Left: {ENERGY} Right: {LOSSES}",
        "predictor": outcome.predictor,
        "python": python_of(folder, outcome),
        "settings": settings_text(outcome.settings),
        **{name: base64.b64encode(png).decode() for name, png in figures.items()},
    }


def _latex(formula: Formula) -> str:
    try:
        return f"L = {formula.latex()}"
    except ImportError:  # no sympy
        return "needs sympy: pip install 'neural_lagrangian[symbolic]'"


def python_of(folder: Path, outcome: Outcome) -> str:
    """Code that loads the model of the verdict and predicts with it."""
    start, names = outcome.starts.ys[0, 0].tolist(), (*outcome.columns.coordinates, *outcome.columns.rates)
    others = ", ".join(repr(name) for name in outcome.models if name not in (outcome.predictor, "family"))
    given = ", candidates=[...]" if outcome.predictor == "family" else ""  # the function itself is not written
    if outcome.starts.parameters is not None:
        system = {name: float(f"{values[0]:.6g}") for name, values in outcome.starts.parameters.items()}
        given = f", parameters={system!r}"
    driven = []
    if controls := outcome.columns.controls:
        driven = [f"model = nl.models.with_control(model, ts, us)  # us: {', '.join(controls)} at times ts"]
    return "\n".join(
        [
            "import jax",
            "import jax.numpy as jnp",
            "import neural_lagrangian as nl",
            "",
            'jax.config.update("jax_enable_x64", True)',
            f"model = nl.load_model({folder.name!a}{given})  # the {outcome.predictor}{others and f'; or: {others}'}",
            *driven,
            f"y0 = jnp.array({[float(f'{x:.6g}') for x in start]})  # {', '.join(names)}, in SI units",
            f"ys = model(jnp.linspace(0.0, {outcome.starts.times[-1]:.3g}, 201), y0)",
            "energy = model.energy(0.0, *jnp.split(y0, 2))",
        ]
    )
