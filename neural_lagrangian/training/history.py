"""What happened in a training."""

import warnings
from collections.abc import Callable

import equinox as eqx
import jax
import numpy as np
from jaxtyping import DTypeLike

from .safe_gradient import CAUSES


class History(eqx.Module):
    """What happened at each training step; the arrays have shape `(step,)`, `causes` `(step, cause)`.

    `loss` is that of the samples that behaved; `causes` the number of windows that diverged for each of
    `training.CAUSES`, `skipped` whether the step was not taken (nothing usable in its batch), `horizon` the window
    length, `held_out` the loss of held-out windows after the step (NaN where it was not looked at), `seconds` the time
    since the start, compilation included. Of several members, all but `horizon` and `seconds` have them as second axis.
    """

    loss: np.ndarray
    causes: np.ndarray
    skipped: np.ndarray
    horizon: np.ndarray
    held_out: np.ndarray
    seconds: np.ndarray

    @staticmethod
    def empty(dtype: DTypeLike, steps: int = 0, members: int | None = None) -> "History":
        """Of steps of which nothing is known yet."""
        shape = (steps,) if members is None else (steps, members)
        return History(
            np.zeros(shape, dtype),
            np.zeros((*shape, len(CAUSES)), int),
            np.zeros(shape, bool),
            np.zeros(steps, int),
            np.zeros(shape, dtype),
            np.zeros(steps),
        )

    @property
    def failures(self) -> np.ndarray:
        """Number of windows that diverged, of the shape of `loss`."""
        return self.causes.sum(axis=-1)

    def __repr__(self) -> str:
        steps = len(self.loss)
        if steps == 0:
            return "History(0 steps)"
        least, largest = np.min(self.loss[-1]), np.max(self.loss[-1])
        loss = f"{least:.2e}" if self.loss.ndim == 1 else f"{least:.2e} to {largest:.2e}"
        failures = f"{self.failures.sum()} windows diverged, {self.skipped.sum()} steps skipped"
        return f"History({steps} steps in {self.seconds[-1]:.3g} s, last loss {loss}, {failures})"

    def followed_by(self, later: "History") -> "History":
        """With the rows of another after its own."""
        return jax.tree.map(lambda *rows: np.concatenate(rows), self, later)


def warn_of_failures(history: History, batch_size: int, reasons: Callable[[], str]) -> None:
    """Say how many windows diverged, and of what, if any did; with `reasons`, what their solver says."""
    failures, skipped, steps = int(history.failures.sum()), int(history.skipped.sum()), history.loss.size
    if not failures and not skipped:
        return
    counts = zip(CAUSES, history.causes.reshape(-1, len(CAUSES)).sum(axis=0), strict=True)
    by_cause = ", ".join(f"{name} {count}" for name, count in counts if count)
    warnings.warn(
        f"{failures} of {batch_size * steps} windows diverged and were left out ({by_cause}); {skipped} of {steps} "
        f"steps had nothing usable and were skipped. {reasons()}Shorter windows (`horizon`), more steps a sample "
        f"(`StepsPerSample`) or a smaller learning rate help.",
        stacklevel=3,
    )
