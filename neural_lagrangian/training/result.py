"""What a training returns, and how it says that windows diverged."""

from typing import Any

import equinox as eqx
import numpy as np

from .._errors import NeuralLagrangianError
from .history import History

RECENT_STEPS = 100
"""Steps over which the share of windows that diverge is taken."""


class FitResult(eqx.Module):
    """A trained `model` and the `history` of its training. `states`: the estimated ones, shape
    `(trajectory, time, 2 dof)`, where they were asked for.
    """

    model: Any
    history: History
    states: np.ndarray | None = None

    def __repr__(self) -> str:
        states = "" if self.states is None else f", states of shape {self.states.shape}"
        return f"FitResult(a {type(self.model).__name__}, {self.history!r}{states})"


class DivergenceError(NeuralLagrangianError, RuntimeError):
    """So many windows diverge that training means nothing. `result`: the `FitResult` so far."""

    def __init__(self, message: str, result: FitResult):
        super().__init__(message)
        self.result = result


def share_diverging(history: History, batch_size: int) -> float:
    """The share of recent windows that diverge; zero before there are enough."""
    if len(history.loss) < RECENT_STEPS:
        return 0.0
    return float(history.failures[-RECENT_STEPS:].mean()) / batch_size


def divergence_message(history: History, batch_size: int, largest: float, reasons: str) -> str:
    """What a `DivergenceError` says; `reasons` is what the solver says."""
    return (
        f"{100 * share_diverging(history, batch_size):.0f} % of the windows of the last {RECENT_STEPS} steps diverged, "
        f"more than `largest_divergence`, {largest:g}. {reasons}Shorter windows (`horizon`), more steps a sample "
        f"(`StepsPerSample`), a smaller learning rate, scaled data (`Scaled`) or a model that starts near a free "
        f"particle (`MechanicalLagrangian`) help."
    )
