"""The results of an identification, as the report shows them."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ..mechanics import mass_matrix_report
from ..models import NeuralLagrangian, Scaled
from ..training import History, failures_of, in_words
from .choices import Predictor
from .columns import Columns
from .contest import Contest
from .energies import Energies, energy_range
from .examination import Examination
from .formulas import Attempt
from .judging import Errors, better_than_baselines, predicts_a_period
from .refinement import RefinedFormula, damping_matrix
from .remark import Remark
from .starts import Starts


class Outcome(NamedTuple):
    """Results of the training, of the search for a formula, and of the test on held-out pieces.

    `network`: the trained network. `formula`: the best formula. `energies`: of the model that `predictor` names.
    `pieces`, `read` and `cut_short` are sentences for the report: on the pieces, on the recording, and on what the time
    limit cut short.
    """

    settings: dict[str, Any]
    columns: Columns
    pieces: str
    network: Scaled
    history: History
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

    @property
    def predictor(self) -> Predictor:
        """The predictor of the verdict: the best candidate. It is the one that `load_model` gives by default."""
        return self.contest.predictor

    @property
    def models(self) -> dict[str, Scaled | NeuralLagrangian]:
        """The models that predict, in SI units."""
        return models_of(self.network, self.formula, self.contest)

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
        """Texts on the network: pairs of a topic and a text."""
        trained = f"{self.history.seconds[-1]:.0f} s, {len(self.history.loss)} steps"
        looks = self.history.held_out
        least = np.min(looks, initial=np.inf, where=np.isfinite(looks))
        facts = [("trained", f"{trained}, smallest validation loss {least:.2g}")]
        facts += [("failures", f"{name}: {reasons}") for name, reasons in self.failures().items()]
        facts.append(("energy", str(self.energies)))
        states = self.starts.ys.reshape(-1, self.starts.ys.shape[-1])
        report = mass_matrix_report(self.network.lagrangian, self.starts.ts.reshape(-1), states)
        facts.append(("mass", str(report).removeprefix("mass matrix ")))
        if self.network.force is not None:
            rates = ", ".join(f"{rate:.4g}" for rate in self._damping_rates())
            facts.append(("damping", f"rates {rates} 1/s, the eigenvalues of M^-1 D"))
        return facts

    def hints(self) -> tuple[Remark, ...]:
        """Options to try next. The energy of a model that predicts badly hints at nothing."""
        conserves = self.model.force is None and predicts_a_period(self.errors, self.predictor)
        if not conserves or not self.energies.suggests_friction(self.starts):
            return ()
        lost = f"the learned energy falls by {self.energies.lost(self.starts):.0%} along the recorded motion: try "
        return (Remark(lost, {"friction": True}),)

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

    def _damping_rates(self) -> np.ndarray:
        """Eigenvalues of $M^{-1} D$ in 1/s, at the mean coordinates and zero velocity."""
        q = jnp.mean(self.starts.ys, axis=(0, 1))[: self.columns.dof]
        M = np.asarray(self.network.mass_matrix(0.0, q, jnp.zeros_like(q)))
        return np.sort(np.linalg.eigvals(np.linalg.solve(M, damping_matrix(self.network, q))).real)


def models_of(
    network: Scaled | NeuralLagrangian, formula: RefinedFormula | None, contest: Contest
) -> dict[str, Scaled | NeuralLagrangian]:
    """The models that predict, by predictor: the network, the formula, and the best family of the user."""
    models: dict[str, Scaled | NeuralLagrangian] = {"network": network}
    models |= {} if formula is None else {"formula": formula.model}
    return models | ({} if contest.family is None else {"family": contest.family.model})


def why(model: Any, starts: Starts) -> str:
    """Why rollouts of a model fail."""
    return in_words(failures_of(model, starts.ts, starts.ys[:, 0]), model.integration.max_steps)
