"""The results of an identification, as the report shows them."""

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from ...models import NeuralLagrangian, Scaled
from ...training import failures_of, in_words
from ..candidates import Contest
from ..choices import NETWORK, Predictor
from ..evidence import Energies, Examination, Lacking, Sensors, energy_range
from ..formulas import Attempt, RefinedFormula
from ..judging import Errors, better_than_baselines
from ..recordings import Columns, Starts
from ..remark import Remark
from ..trained import Trained


class Outcome(NamedTuple):
    """Results of the training, of the search for a formula, and of the test on held-out pieces.

    `trained`: the network; `None` if none was trained. `formula`: the best formula. `energies`: of the model that
    `predictor` names. `pieces`, `read` and `cut_short` are sentences for the report: on the pieces, on the recording,
    and on what was cut short or left out. `sensors`: those of declared observations. `lacking`: what the best family
    lacks that is not examined.
    """

    settings: dict[str, Any]
    columns: Columns
    pieces: str
    trained: Trained | None
    attempts: list[Attempt]
    formula: RefinedFormula | None
    starts: Starts
    errors: Errors
    rollouts: dict[str, np.ndarray]
    energies: Energies
    contest: Contest
    examination: Examination | None = None
    read: tuple[str, ...] = ()
    cut_short: tuple[str, ...] = ()
    sensors: Sensors | None = None
    lacking: Lacking | None = None

    @property
    def predictor(self) -> Predictor:
        """The predictor of the verdict: the best candidate. It is the one that `load_model` gives by default."""
        return self.contest.predictor

    @property
    def models(self) -> dict[str, Scaled | NeuralLagrangian]:
        """The models that predict, in SI units."""
        return models_of(self.trained, self.formula, self.contest)

    @property
    def model(self) -> Scaled | NeuralLagrangian:
        """The model of the verdict."""
        return self.models[self.predictor]

    @property
    def judgement(self) -> dict[str, dict[str, Any]]:
        """For each predictor, for the settings: may it be used, how long is it valid, how many rollouts fail, and
        which energies has the recording?
        """
        models = self.models
        return {
            name: {
                "predicts": better_than_baselines(self.errors, name),
                "valid_time": self.errors.valid_time(name),
                "longest_time": float(self.errors.times[-1]),
                "failures": self.errors.failures(name),
                "energy": energy_range(models[name], self.starts),
            }
            for name in models
        }

    def facts(self) -> list[tuple[str, str]]:
        """Texts on the training, on failures and on the energy: pairs of a topic and a text."""
        facts = [] if self.trained is None else self.trained.facts(self.starts)
        facts += [("failures", f"{name}: {reasons}") for name, reasons in self.failures().items()]
        return [*facts, ("energy", str(self.energies))]

    def hints(self) -> tuple[Remark, ...]:
        """Options to try next."""
        lost = self.contest.energy_lost
        said = f"the learned energy falls by {lost:.0%} along the recorded motion: try "
        return (Remark(said, {"friction": True}),) if lost > 0 else ()

    def reading(self) -> str:
        """The formula as text, or why there is none."""
        if self.formula is not None:
            return str(self.formula)
        failed = "rollouts of the formula are not finite"
        return "\n".join(f"none in {attempt.where}: {attempt.reason or failed}" for attempt in self.attempts)

    def failures(self) -> dict[str, str]:
        """Number of rollouts that fail, and why, for each predictor whose rollouts fail."""
        models = self.models
        return {
            name: f"{failed} of {len(self.starts.ys)} rollouts fail: {why(models[name], self.starts)}"
            for name in models
            if (failed := self.errors.failures(name))
        }


def models_of(
    trained: Trained | None, formula: RefinedFormula | None, contest: Contest
) -> dict[str, Scaled | NeuralLagrangian]:
    """The models that predict, by predictor: the network, the formula, and the best family of the user."""
    models: dict[str, Scaled | NeuralLagrangian] = {} if trained is None else {NETWORK: trained.model}
    models |= {} if formula is None else {"formula": formula.model}
    return models | ({} if contest.family is None else {"family": contest.family.model})


def why(model: Any, starts: Starts) -> str:
    """Why rollouts of a model fail."""
    ts, y0s = starts.ts, starts.ys[:, 0]
    if starts.are_alike:
        return in_words(failures_of(model, ts, y0s), model.integration.max_steps)
    each = [failures_of(starts.model_of(model, k), ts[k, None], y0s[k, None]) for k in range(len(ts))]
    return in_words(dict(sum(map(Counter, each), Counter())), model.integration.max_steps)
