"""Blocked cross-validation: how well families predict motion to which their constants were not fitted."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from ..families import FamilyFit, FitWindows, held_out, refitted
from .contest import Candidate

BLOCKS = 5
"""Number of blocks of neighbouring windows into which the training set is cut."""
MAX_BEHIND, MAX_TESTED = 2.0, 6
"""Largest error of a family that is cross-validated, on the validation set, over the least mean square residual there;
and largest number of such families.
"""


def cross_validated(
    candidates: list[Candidate],
    noise: np.ndarray,
    training: FitWindows,
    validation: FitWindows,
    is_over: Callable[[], bool],
) -> list[Candidate]:
    """The candidates, of which those that are not far behind the best one have `errors`, if there are several.

    **Arguments:** `noise`: in whose units the errors are. The others are those of `errors_of_windows`. `is_over`: none
    is cross-validated once it returns true, so that all candidates are compared in the same way.
    """
    least = min((one.misfit for one in candidates), default=np.inf)
    near = [(one, one.fit) for one in candidates if one.fit is not None and one.misfit <= MAX_BEHIND * least]
    near = sorted(near, key=lambda pair: pair[0].misfit)[:MAX_TESTED]
    errors = {}
    for one, fit in near if len(near) > 1 and np.isfinite(least) else []:
        if is_over():
            return candidates
        errors[one.title] = errors_of_windows(fit._replace(noise=noise), training, validation)
    return [one._replace(errors=errors.get(one.title)) for one in candidates]


def errors_of_windows(fit: FamilyFit, training: FitWindows, validation: FitWindows) -> Float[np.ndarray, " window"]:
    """Mean square residual of each window of the training set and of the validation set, in units of the noise.

    Each block of the training set is predicted with constants fitted to the other blocks, the validation set with those
    of the fit. The initial state of each window is estimated.

    **Arguments:**

    - `validation`: with as many windows as `training`, of which some count (`FitWindows.padded`).
    """
    windows = np.arange(len(training.ts))
    errors = np.full(len(windows), np.nan)
    for block in np.array_split(windows, min(BLOCKS, len(windows))):
        is_inside = np.isin(windows, block)
        inside = training.only(is_inside)
        others = held_out(refitted(fit, training.only(~is_inside)), inside)
        errors[block] = inside.mean_squares(others.squares, fit.noise)
    last = held_out(fit, validation)
    return np.concatenate([errors, validation.mean_squares(last.squares, fit.noise)])
