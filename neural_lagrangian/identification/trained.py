"""The trained network of an identification, and what is said of it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..mechanics import MassMatrixReport, mass_matrix_report
from ..models import Scaled
from ..training import History
from .architecture import Architecture
from .choices import NETWORK
from .formulas import damping_matrix
from .prior import Prior
from .recordings import Starts


class Trained(NamedTuple):
    """A trained network as a model in SI units, and the history of its training.

    `prior`: the known system to which the network is added; `None` for a network alone.
    """

    model: Scaled
    history: History
    architecture: Architecture
    prior: Prior | None = None

    @property
    def name(self) -> str:
        """The name of the candidate."""
        return NETWORK if self.prior is None else f"{self.prior.name} with a network"

    def facts(self, starts: Starts) -> list[tuple[str, str]]:
        """Texts on the training, the mass matrix and the friction: pairs of a topic and a text."""
        looks = self.history.held_out
        least = np.min(looks, initial=np.inf, where=np.isfinite(looks))
        what = "" if self.prior is None else f"{self.name}, "
        took = f"{what}{self.history.seconds[-1]:.0f} s, {len(self.history.loss)} steps"
        facts = [
            (
                "trained",
                f"{took}, smallest validation loss {least:.2g}",
            ),
            ("mass", str(self._mass_report(starts)).removeprefix("mass matrix ")),
        ]
        if self.model.force is not None and (found := self._damping_rates(starts)).any():
            rates = ", ".join(f"{rate:.4g}" for rate in found)
            where = "" if starts.parameters is None else ", for the first system that is held out"
            facts.append(("damping", f"rates {rates} 1/s, the eigenvalues of M^-1 D{where}"))
        return facts

    def _mass_report(self, starts: Starts) -> MassMatrixReport:
        """The report on the mass matrices at all states, each of its own system."""

        def of_one(model: Scaled, ts: Array, ys: Array) -> MassMatrixReport:
            return mass_matrix_report(model.lagrangian, ts, ys)

        each = starts.each(self.model, of_one, starts.ts, starts.ys)
        return jax.tree.map(lambda rows: rows.reshape(-1, *rows.shape[2:]), each)

    def _damping_rates(self, starts: Starts) -> np.ndarray:
        """Eigenvalues of $M^{-1} D$ in 1/s, at the mean coordinates and zero velocity."""
        q = jnp.split(jnp.mean(starts.ys, axis=(0, 1)), 2)[0]
        model = starts.model_of(self.model)
        M = np.asarray(model.mass_matrix(0.0, q, jnp.zeros_like(q)))
        return np.sort(np.linalg.eigvals(np.linalg.solve(M, damping_matrix(model, q))).real)
