"""The time limit of `identify`, and the share of it that each part may use."""

import time
from collections.abc import Callable

from ..training import Progress

FAMILY_SHARE, TRAINING_SHARE, SEARCH_SHARE, REFINEMENT_SHARE = 0.3, 0.6, 0.7, 0.8
"""Shares of the time limit, counted from the start. After its share, the fit of families, the training, the search for
a formula or the refinement starts no further step. The last fifth is for rollouts, figures and the report.
"""


class Budget:
    """The time limit of one identification, from now on.

    `minutes`: the limit; `None` for no limit. A budget says whether another step may begin. A step that has begun is
    finished.
    """

    def __init__(self, minutes: float | None, clock: Callable[[], float] = time.monotonic):
        self.minutes, self.clock, self.start = minutes, clock, clock()

    def is_spent(self, share: float = 1.0) -> bool:
        """Whether more than this share of the time limit has passed."""
        return self.minutes is not None and self.clock() - self.start > share * 60 * self.minutes

    def ends_families(self) -> bool:
        """Whether the time is up for the fit of families of known form."""
        return self.is_spent(FAMILY_SHARE)

    def ends_training(self, progress: Progress) -> bool:
        """A callback of `training.fit`. When it returns true, `fit` returns the best model so far."""
        return self.is_spent(TRAINING_SHARE)

    def ends_search(self) -> bool:
        """Whether the time is up for the search for formulas."""
        return self.is_spent(SEARCH_SHARE)

    def ends_refinement(self) -> bool:
        """Whether the time is up for the refinement of formulas."""
        return self.is_spent(REFINEMENT_SHARE)
