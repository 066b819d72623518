"""The trained network of an identification, and what is said of it."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ..mechanics import mass_matrix_report
from ..models import Scaled
from ..training import History
from .refinement import damping_matrix
from .starts import Starts


class Trained(NamedTuple):
    """A trained network as a model in SI units, and the history of its training."""

    model: Scaled
    history: History

    def facts(self, starts: Starts) -> list[tuple[str, str]]:
        """Texts on the training, the mass matrix and the friction: pairs of a topic and a text."""
        looks = self.history.held_out
        least = np.min(looks, initial=np.inf, where=np.isfinite(looks))
        took = f"{self.history.seconds[-1]:.0f} s, {len(self.history.loss)} steps"
        states = starts.ys.reshape(-1, starts.ys.shape[-1])
        mass = str(mass_matrix_report(self.model.lagrangian, starts.ts.reshape(-1), states))
        facts = [
            ("trained", f"{took}, smallest validation loss {least:.2g}"),
            ("mass", mass.removeprefix("mass matrix ")),
        ]
        if self.model.force is not None:
            rates = ", ".join(f"{rate:.4g}" for rate in self._damping_rates(starts))
            facts.append(("damping", f"rates {rates} 1/s, the eigenvalues of M^-1 D"))
        return facts

    def _damping_rates(self, starts: Starts) -> np.ndarray:
        """Eigenvalues of $M^{-1} D$ in 1/s, at the mean coordinates and zero velocity."""
        q = jnp.split(jnp.mean(starts.ys, axis=(0, 1)), 2)[0]
        M = np.asarray(self.model.mass_matrix(0.0, q, jnp.zeros_like(q)))
        return np.sort(np.linalg.eigvals(np.linalg.solve(M, damping_matrix(self.model, q))).real)
