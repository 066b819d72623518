"""Whether the errors of the best candidate are noise: their correlation in time."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..candidates import Trial
from ..families import FamilyFit

MAX_LAGS = 60
"""Largest number of lags, in rows of a window. They cover at most half a window."""
MIN_CORRELATION = 0.15
"""Correlation from one row to the next from which errors count as correlated. Fitted initial states change it less."""
SIGNIFICANT = 1.96
"""Number of standard errors of the 95 % band of a correlation of white noise."""


class Whiteness(NamedTuple):
    """Correlation of the errors of each coordinate with those some time later.

    `lags`: in seconds, shape `(lag,)`. `correlation`: shape `(lag, dof)`. `band`: half the width of the 95 % band of
    white noise. `sentences`: what follows.
    """

    names: tuple[str, ...]
    lags: Float[np.ndarray, " lag"]
    correlation: Float[np.ndarray, "lag dof"]
    band: float
    sentences: tuple[str, ...]


def whiteness_of(fit: FamilyFit, trial: Trial, names: tuple[str, ...]) -> Whiteness:
    r"""Correlation $\sum_k r_k r_{k + l} / \sum_k r_k^2$ of the residuals of all windows of the training set.

    **Arguments:**

    - `names`: of the coordinates.
    """
    counts = trial.fitted.counts
    r = fit.residuals[..., : len(names)] * counts[..., None]
    lags = np.arange(min(MAX_LAGS, r.shape[1] // 2) + 1)
    total = np.maximum(np.sum(r**2, axis=(0, 1)), np.finfo(float).tiny)
    rows = max(counts.sum(), 1.0)
    products = [np.sum(r[:, : r.shape[1] - k] * r[:, k:], axis=(0, 1)) / total for k in lags]
    pairs = [np.sum(counts[:, : r.shape[1] - k] * counts[:, k:]) / rows for k in lags]  # fewer pairs at longer lags
    correlation = np.array(products) / np.maximum(pairs, 1 / rows)[:, None]
    times = lags * float(np.median(np.diff(trial.fitted.ts, axis=1))) * trial.units.time
    sentences = tuple(_sentence(*one, times) for one in zip(names, correlation.T, strict=True))
    return Whiteness(names, times, correlation, SIGNIFICANT / float(np.sqrt(rows)), sentences)


def _sentence(name: str, correlation: np.ndarray, times: np.ndarray) -> str:
    if not correlation[1] > MIN_CORRELATION:
        return f"The errors of {name} are white in time: they are noise of the sensor."
    over = np.flatnonzero(correlation[1:] < MIN_CORRELATION)
    long = times[over[0] + 1] if over.size else times[-1]
    return f"The errors of {name} are correlated over {long:.2g} s: they come from the model or from a filter."
