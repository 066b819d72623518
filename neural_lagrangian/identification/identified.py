"""What `identify` returns: a learned model, its formula, and how well both predict."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp

from ..discovery import Formula
from ..models import NeuralLagrangian, Scaled, with_precision
from ..numerics import precision
from ..training import History
from .formula_file import FORMULA, write_formula
from .judging import Errors, predicts
from .model_folder import CHECKPOINTS, HISTORY, MODEL, REPORT, SETTINGS, claim, write_model, write_settings
from .outcome import Outcome
from .remark import Remark
from .report import write_report
from .tables import aligned, stated_all
from .templates import rendered
from .verdict import verdict


@dataclass(frozen=True)
class Identified:
    """A motion that was identified. Printed: the errors of prediction, the formula, and the verdict.

    Models work in SI units, in JAX's default precision, with angles in radians.

    **Example:**

    ```python
    import pathlib
    if pathlib.Path("pendulum.csv").exists():
        found = nl.identification.identify("pendulum.csv", dof=1, angles=["theta"])
        print(found.verdict)
        ys = found.model(jnp.linspace(0.0, 10.0, 201), jnp.array([1.2, 0.0]))  # (201, 2)
    ```
    """

    outcome: Outcome
    facts: tuple[tuple[str, str], ...]
    """Topics, and what there is to say on each."""
    hints: tuple[Remark, ...]
    """What to try next, and the options that say so."""

    @staticmethod
    def of(outcome: Outcome) -> "Identified":
        """From an outcome, in the precision in which it was computed."""
        facts = [
            ("motion", str(outcome.errors.measure)),
            ("errors", aligned(outcome.errors.table(outcome.columns))),
            *outcome.facts(),
            ("formula", outcome.reading()),
            ("verdict", "\n".join(verdict(outcome))),
        ]
        return Identified(outcome, tuple(facts), outcome.hints())

    @property
    def model(self) -> Scaled:
        """The trained network: a rollout `model(ts, y0)` of shape `(time, 2 dof)`, with an `energy`, an `acceleration`
        and a `force`, the friction.
        """
        scaled = self.outcome.model
        return Scaled(with_precision(scaled.model, jnp.result_type(float)), scaled.scaling)

    @property
    def formula_model(self) -> NeuralLagrangian | None:
        """The formula with its friction, as such a model; `None` if the data do not determine a formula."""
        found = self.outcome.formula
        return None if found is None else with_precision(found.model, jnp.result_type(float))

    @property
    def formula(self) -> Formula | None:
        """The Lagrangian as a formula, scaled to one half of a squared velocity; `None` if there is none."""
        found = self.outcome.formula
        return None if found is None else found.formula

    @property
    def predicts(self) -> bool:
        """Whether the network predicts held-out motion clearly better than constant velocity and rest do."""
        return predicts(self.outcome.errors, "network")

    @property
    def verdict(self) -> str:
        """How long each model predicts held-out motion, and the formula, in words."""
        return dict(self.facts)["verdict"]

    @property
    def errors(self) -> Errors:
        """Errors of prediction on held-out motion, of each model and of the baselines."""
        return self.outcome.errors

    @property
    def table(self) -> list[list[str]]:
        """The errors of prediction as rows of text, the header first."""
        return self.errors.table(self.outcome.columns)

    @property
    def history(self) -> History:
        """How the training went."""
        return self.outcome.history

    def report(self, path: str | Path) -> None:
        """Write a page of HTML with figures, tables, the formula and every setting, which needs no other file."""
        with self._precision():
            write_report(Path(path), self.outcome)

    def save(self, folder: str | Path) -> None:
        """Write a new folder with the models, the settings and a report, which `load_model` and the command line read.

        **Raises:** `NoAnswerError` if the folder holds a fit already.
        """
        folder = Path(folder)
        claim(folder)
        with self._precision():
            write_model(folder, self.outcome.model)
            write_outcome(folder, self.outcome)
        (folder / CHECKPOINTS).rmdir()  # there are none to resume from

    def files(self, folder: str | Path) -> str:
        """The names of what `save` has written to a folder."""
        written = (REPORT, MODEL, FORMULA, SETTINGS, HISTORY)
        return ", ".join(name for name in written if (Path(folder) / name).exists())

    def _precision(self) -> AbstractContextManager[None]:
        return precision(double=self.outcome.settings["precision"] != "single")

    def __str__(self) -> str:
        hints = [("hint", "\n".join(map(str, self.hints)))] if self.hints else []
        return stated_all([*self.facts, *hints])

    def _repr_html_(self) -> str:
        """As a notebook shows it."""
        facts = [fact for fact in self.facts if fact[0] not in ("verdict", "errors", "formula")]
        hints = [("hint", str(hint)) for hint in self.hints]
        contents = {"verdict": self.verdict.splitlines(), "errors": self.table, "facts": [*facts, *hints]}
        return rendered("summary.html", contents | {"formula": self.outcome.reading()})


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """The formula, the settings with the judgement, and the report of a fit whose model is written."""
    write_formula(folder, outcome.formula)
    write_settings(folder, outcome.settings | {"judged": outcome.judgement})
    write_report(folder / REPORT, outcome)
