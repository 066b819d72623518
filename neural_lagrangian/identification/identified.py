"""`Identified`, the result of `identify`: the best model, a formula, a network, and the errors of all."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import jax.numpy as jnp

from ..discovery import Formula
from ..models import NeuralLagrangian, Scaled, with_precision
from ..numerics import precision
from ..observation import Sensor
from ..training import History
from .candidates import Contest
from .choices import Predictor
from .folders import (
    CHECKPOINTS,
    FAMILY,
    FORMULA,
    HISTORY,
    MODEL,
    PREDICTOR,
    REPORT,
    SETTINGS,
    claim,
    in_precision,
    write_family,
    write_formula,
    write_model,
    write_settings,
)
from .judging import Errors, better_than_baselines
from .plain_text import aligned, stated_all
from .recordings import Timing
from .remark import Remark
from .reports import Outcome, rendered, verdict, write_report

Model = TypeVar("Model", bound="Scaled | NeuralLagrangian")


@dataclass(frozen=True)
class Identified:
    """The result of `identify`. `print` shows the errors of prediction, the formula and the verdict.

    The models work in SI units, in JAX's default precision, with angles in radians.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, numpy as np, neural_lagrangian as nl
    >>> t = np.arange(0.0, 6.0, 0.02)
    >>> spring = nl.Trajectories(t, np.stack([np.cos(2 * t), -2 * np.sin(2 * t)], axis=1), names=["x"])
    >>> found = nl.identification.identify(spring)
    >>> found.verdict.splitlines()[-1]
    'The formula found: 0.5 x_dot^2 - 2 x^2.'
    >>> ys = found.model(jnp.array([0.0, np.pi / 2]), jnp.array([1.0, 0.0]))  # half a period
    >>> round(float(ys[1, 0]), 3)
    -1.0
    ```
    """

    outcome: Outcome
    """All results as numbers and models: errors, rollouts, network, formula, settings."""
    facts: tuple[tuple[str, str], ...]
    """The results as text: pairs of a topic and a text."""
    hints: tuple[Remark, ...]
    """What to try next. Each hint holds the options of `identify` to set."""

    @staticmethod
    def of(outcome: Outcome) -> "Identified":
        """Build the texts of an outcome. Call it in the precision in which the outcome was computed."""
        facts = [
            ("motion", str(outcome.errors.measure)),
            ("errors", aligned(outcome.errors.table(outcome.columns))),
            *([("candidates", aligned(outcome.contest.table()))] if outcome.contest.candidates else []),
            *outcome.facts(),
            ("formula", outcome.reading()),
            *([] if outcome.examination is None else outcome.examination.facts()),
            *([] if outcome.lacking is None else [("unexplained", "\n".join(outcome.lacking.sentences))]),
            *_sensor_facts(outcome),
            ("verdict", "\n".join(verdict(outcome))),
        ]
        return Identified(outcome, tuple(facts), outcome.hints())

    @property
    def model(self) -> Scaled | NeuralLagrangian:
        """The best model of the verdict, as a rollout model: `model(ts, y0)` has shape `(time, 2 dof)`.

        It also has `energy`, `acceleration` and `force`, the friction. `predictor` says which model it is. A model of
        many systems takes the parameters of one, `model(ts, y0, {"length": 0.5})`, as `networks.with_parameters` does.
        A driven one takes controls by `models.with_control(model, ts, us)`. They are those of the recording: what was
        found of their delay is in the model.
        """
        return self._of_recorded_controls(self.outcome.model)

    @property
    def predictor(self) -> Predictor:
        """The kind of the best model: `"network"`, `"formula"` or `"family"`. `load_model` loads it by default."""
        return self.outcome.predictor

    @property
    def network(self) -> Scaled | None:
        """The better network, alone or added to a known system, as a rollout model; `None` if none was trained."""
        trained = self.outcome.trained
        return None if trained is None else self._of_recorded_controls(trained.model)

    @property
    def formula_model(self) -> NeuralLagrangian | None:
        """The formula with its friction, as a rollout model; `None` if no formula was found."""
        found = self.outcome.formula
        return None if found is None else self._of_recorded_controls(found.model)

    @property
    def formula(self) -> Formula | None:
        """The Lagrangian as a formula, with the coefficient 1/2 before a squared velocity; `None` if not found."""
        found = self.outcome.formula
        return None if found is None else found.formula

    @property
    def predicts(self) -> bool:
        """Whether `model` may be used: it predicts held-out motion better than constant velocity and rest do."""
        return better_than_baselines(self.outcome.errors, self.predictor)

    @property
    def verdict(self) -> str:
        """Sentences on how long each model predicts held-out motion, and the formula; one in each line."""
        return dict(self.facts)["verdict"]

    @property
    def errors(self) -> Errors:
        """Errors of each model and of the baselines on held-out motion."""
        return self.outcome.errors

    @property
    def table(self) -> list[list[str]]:
        """The errors as a table: rows of text, the header first."""
        return self.errors.table(self.outcome.columns)

    @property
    def candidates(self) -> Contest:
        """All candidates with their errors on the validation set, the best first."""
        return self.outcome.contest

    @property
    def sensors(self) -> dict[str, Sensor]:
        """The sensors of declared observations by column, with known quantities in SI units; empty if there are none.

        With the model they predict readings: `observation.Observed(found.model, found.sensors)`.
        """
        known = {} if self.outcome.sensors is None else self.outcome.sensors.by_name
        return {name: one.sensor(self.outcome.columns) for name, one in known.items()}

    @property
    def history(self) -> History | None:
        """Losses and times of the training; `None` if no network was trained."""
        trained = self.outcome.trained
        return None if trained is None else trained.history

    def report(self, path: str | Path) -> None:
        """Write one HTML page with figures, tables, the formula and every setting. It needs no other file."""
        with self._precision():
            write_report(Path(path), self.outcome)

    def save(self, folder: str | Path) -> None:
        """Write a new folder with the models, the settings and a report. `load_model` and the command line read it.

        **Raises:** `NoAnswerError` if the folder already holds a fit.
        """
        folder = Path(folder)
        claim(folder)
        with self._precision():
            if self.outcome.trained is not None:
                write_model(folder, self.outcome.trained.model)
            write_outcome(folder, self.outcome)
        (folder / CHECKPOINTS).rmdir()  # nothing is left to resume

    def files(self, folder: str | Path) -> str:
        """The names of the files in a folder that `save` has written."""
        written = (REPORT, MODEL, FORMULA, FAMILY, SETTINGS, HISTORY)
        return ", ".join(name for name in written if (Path(folder) / name).exists())

    def _of_recorded_controls(self, model: Model) -> Model:
        """A model in JAX's default precision, whose controls act when those of the recording do."""
        dtype, timing = jnp.result_type(float), Timing.read(self.outcome.settings)
        found = in_precision(model, dtype) if isinstance(model, Scaled) else with_precision(model, dtype)
        return timing.of(found, self.outcome.columns.dof)

    def _precision(self) -> AbstractContextManager[None]:
        return precision(double=self.outcome.settings["precision"] != "single")

    def __str__(self) -> str:
        """The results and the hints, as the command line prints them."""
        hints = [("hint", "\n".join(map(str, self.hints)))] if self.hints else []
        return stated_all([*self.facts, *hints])

    def _repr_html_(self) -> str:
        """The results as HTML, for notebooks."""
        facts = [fact for fact in self.facts if fact[0] not in ("verdict", "errors", "formula")]
        hints = [("hint", str(hint)) for hint in self.hints]
        contents = {"verdict": self.verdict.splitlines(), "errors": self.table, "facts": [*facts, *hints]}
        return rendered("summary.html", contents | {"formula": self.outcome.reading()})


def _sensor_facts(outcome: Outcome) -> list[tuple[str, str]]:
    if outcome.sensors is None:
        return []
    table = [aligned(outcome.sensors.table())] if outcome.sensors.by_name else []
    return [("sensors", "\n".join([*table, *outcome.sensors.sentences]))]


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Write the formula, the user's family, the settings with the judgement, and the report, in this order.

    The network, if there is one, must be written before.
    """
    write_formula(folder, outcome.formula)
    write_family(folder, outcome.contest.family)
    judged: dict[str, Any] = {PREDICTOR: outcome.predictor, "judged": outcome.judgement}
    sensors = {} if outcome.sensors is None else {"sensors": outcome.sensors.settings}
    write_settings(folder, outcome.settings | judged | sensors)
    write_report(folder / REPORT, outcome)
