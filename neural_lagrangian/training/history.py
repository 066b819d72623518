"""The record of a training, and warnings about it."""

import warnings
from collections.abc import Callable

import equinox as eqx
import jax
import numpy as np
from jaxtyping import DTypeLike

from .safe_gradient import CAUSES


class History(eqx.Module):
    """The record of each training step. Arrays have shape `(step,)`; `causes` has shape `(step, cause)`.

    - `loss`: mean loss of the windows of the batch that did not diverge.
    - `causes`: number of windows that diverged, for each of `training.CAUSES`.
    - `skipped`: whether the step was not taken, since no window of its batch was usable.
    - `horizon`: window length, in intervals.
    - `held_out`: validation loss after the step, the mean over windows whose loss is finite; infinite if there are
      none, NaN if it was not computed.
    - `held_out_diverged`: number of validation windows whose loss is not finite.
    - `seconds`: time since the start, including compilation.

    With several members, all arrays but `horizon` and `seconds` have the members as second axis.

    **Example:**

    ```python
    >>> import jax, numpy as np, optax, neural_lagrangian as nl
    >>> t = np.linspace(0.0, 1.0, 11)
    >>> motion = nl.Trajectories(t, np.stack([np.cos(t), -np.sin(t)], axis=1))
    >>> model = nl.NeuralLagrangian(nl.lagrangians.AdditivePolynomial(1, degree_q=2))
    >>> history = nl.fit(model, motion, optimizer=optax.adam(1e-2), steps=4, key=jax.random.key(0)).history
    >>> history.loss.shape, int(history.failures.sum())  # steps, and windows that diverged
    ((4,), 0)
    ```
    """

    loss: np.ndarray
    causes: np.ndarray
    skipped: np.ndarray
    horizon: np.ndarray
    held_out: np.ndarray
    held_out_diverged: np.ndarray
    seconds: np.ndarray

    @staticmethod
    def empty(dtype: DTypeLike, steps: int = 0, members: int | None = None) -> "History":
        """A history of `steps` steps filled with zeros."""
        shape = (steps,) if members is None else (steps, members)

        def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
            return np.broadcast_to(np.zeros((), dtype), shape)  # no memory, even if a damaged file is large

        return History(
            zeros(shape, dtype),
            zeros((*shape, len(CAUSES)), int),
            zeros(shape, bool),
            zeros((steps,), int),
            zeros(shape, dtype),
            zeros(shape, int),
            zeros((steps,), float),
        )

    @property
    def failures(self) -> np.ndarray:
        """Number of windows that diverged, with the shape of `loss`."""
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
        """This history with the steps of a later one appended."""
        return jax.tree.map(lambda *rows: np.concatenate(rows), self, later)


def warn_of_failures(history: History, batch_size: int, reasons: Callable[[], str]) -> None:
    """Warn if windows diverged: how many, and why. `reasons` gives the reasons of the solver."""
    failures, skipped, steps = int(history.failures.sum()), int(history.skipped.sum()), history.loss.size
    if not failures and not skipped:
        return
    counts = zip(CAUSES, history.causes.reshape(-1, len(CAUSES)).sum(axis=0), strict=True)
    by_cause = ", ".join(f"{name} {count}" for name, count in counts if count)
    warnings.warn(
        f"{failures} of {batch_size * steps} windows diverged and were left out ({by_cause}); {skipped} of {steps} "
        f"steps had nothing usable and were skipped. {reasons()}Use shorter windows (`horizon`), more integration "
        f"steps for each sample (`StepsPerSample`) or a smaller learning rate.",
        stacklevel=4,
    )


def warn_of_looks(best_loss: np.ndarray, best_diverged: np.ndarray, number: int) -> None:
    """Warn if no validation loss was finite, or if some of the `number` windows diverge with the best model."""
    if not np.isfinite(best_loss).all():
        lost = f" of the members {np.flatnonzero(~np.isfinite(best_loss)).tolist()}" if np.ndim(best_loss) else ""
        warnings.warn(
            f"`held_out` did not choose the model{lost}: the loss of its windows was never finite, so the model "
            f"of the last step is returned. Check the held-out motion, or use shorter windows (`horizon`) or more "
            f"integration steps for each sample (`StepsPerSample`).",
            stacklevel=4,
        )
    elif best_diverged.any():
        warnings.warn(
            f"{best_diverged.max()} of {number} windows of `held_out` diverge with the best model; the other windows "
            f"chose it",
            stacklevel=4,
        )
