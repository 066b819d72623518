"""What a fit came to: all that its report tells."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ..mechanics import mass_matrix_report
from ..models import Scaled
from ..training import History
from ..training.solves import failures_of, in_words
from .columns import Columns
from .formulas import Attempt
from .judging import Energies, Errors, Starts
from .refinement import Refined, damping_matrix


class Outcome(NamedTuple):
    """Of a training, of the search for a formula, and of the judging by pieces that both have not seen."""

    settings: dict[str, Any]
    columns: Columns
    pieces: str
    model: Scaled
    history: History
    attempts: list[Attempt]
    formula: Refined | None
    starts: Starts
    errors: Errors
    rollouts: dict[str, np.ndarray]
    energies: Energies

    def facts(self) -> list[tuple[str, str]]:
        """Topics, and what is to be said of the network on each."""
        trained = f"{self.history.seconds[-1]:.0f} s, {len(self.history.loss)} steps"
        looks = self.history.held_out
        least = np.min(looks, initial=np.inf, where=np.isfinite(looks))
        facts = [("trained", f"{trained}, least loss of the watched pieces {least:.2g}")]
        if failures := self.errors.failures("network"):
            facts.append(("failures", f"{failures} of {len(self.starts.ys)} rollouts fail: {self._why()}"))
        facts.append(("energy", str(self.energies)))
        states = self.starts.ys.reshape(-1, self.starts.ys.shape[-1])
        report = mass_matrix_report(self.model.lagrangian, self.starts.ts.reshape(-1), states)
        facts.append(("mass", str(report).removeprefix("mass matrix ")))
        if self.model.force is not None:
            rates = ", ".join(f"{rate:.4g}" for rate in self._damping_rates())
            facts.append(("damping", f"rates {rates} 1/s, the eigenvalues of M^-1 D"))
        return facts

    def reading(self) -> str:
        """The formula, or why there is none."""
        if self.formula is not None:
            return str(self.formula)
        failed = "its rollouts do not stay finite"
        return "\n".join(f"none in {attempt.where}: {attempt.reason or failed}" for attempt in self.attempts)

    def _why(self) -> str:
        """Why rollouts of the network fail."""
        found = failures_of(self.model, self.starts.ts, self.starts.ys[:, 0])
        return in_words(found, self.model.integration.max_steps)

    def _damping_rates(self) -> np.ndarray:
        """At rest at the mean of the states, in 1/s."""
        q = jnp.mean(self.starts.ys, axis=(0, 1))[: self.columns.dof]
        M = np.asarray(self.model.mass_matrix(0.0, q, jnp.zeros_like(q)))
        return np.sort(np.linalg.eigvals(np.linalg.solve(M, damping_matrix(self.model, q))).real)
