"""The result of `fit`, and the error for a training that diverges."""

from typing import Any

import equinox as eqx
import numpy as np

from .._errors import NeuralLagrangianError
from .history import History

RECENT_STEPS = 100
"""Number of last steps over which the share of windows that diverge is computed."""


class FitResult(eqx.Module):
    """The result of `fit`.

    `model`: the trained model. `history`: a `History`, the record of each step. `states`: the estimated states, shape
    `(trajectory, time, 2 dof)`; `None` if none were estimated.
    """

    model: Any
    history: History
    states: np.ndarray | None = None

    def __repr__(self) -> str:
        states = "" if self.states is None else f", states of shape {self.states.shape}"
        return f"FitResult(a {type(self.model).__name__}, {self.history!r}{states})"


class DivergenceError(NeuralLagrangianError, RuntimeError):
    """More windows diverge than `largest_divergence` allows. `result` is the `FitResult` so far."""

    def __init__(self, message: str, result: FitResult):
        super().__init__(message)
        self.result = result


def share_diverging(history: History, batch_size: int) -> float:
    """The share of windows that diverged in the last `RECENT_STEPS` steps; zero before so many steps."""
    if len(history.loss) < RECENT_STEPS:
        return 0.0
    return float(history.failures[-RECENT_STEPS:].mean()) / batch_size


def divergence_message(history: History, batch_size: int, largest: float, reasons: str) -> str:
    """The message of a `DivergenceError`; `reasons` are those of the solver."""
    return (
        f"{100 * share_diverging(history, batch_size):.0f} % of the windows of the last {RECENT_STEPS} steps diverged, "
        f"more than `largest_divergence` = {largest:g}. {reasons}Use shorter windows (`horizon`), more integration "
        f"steps for each sample (`StepsPerSample`), a smaller learning rate, scaled data (`Scaled`), or a model that "
        f"starts near a free particle (`MechanicalLagrangian`)."
    )
