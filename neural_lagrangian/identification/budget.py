"""The time limit of `identify`, and the share of it that each part may use."""

import time
from collections.abc import Callable

from ..training import Progress

FINISH_SHARE, FINISH_SECONDS, MAX_FINISH_SHARE = 0.2, 20.0, 1 / 3
"""Time kept for rollouts, figures and the report: `FINISH_SHARE` of the limit. Where that is short, it is
`FINISH_SECONDS`, in which one core compiles what is needed, but at most `MAX_FINISH_SHARE` of the limit.
"""
FAMILY_SHARE, TRAINING_SHARE, SEARCH_SHARE = 0.5, 0.75, 0.85
"""Shares of the time before that. After its share, the fit of families, the training or the search for a formula starts
no further step; the refinement none at the end of this time.
"""


class Budget:
    """The time limit of one identification, from now on.

    `minutes`: the limit; `None` for no limit. A budget says whether another step may begin. A step that has begun is
    finished.
    """

    def __init__(self, minutes: float | None, clock: Callable[[], float] = time.monotonic):
        self.minutes, self.clock, self.start = minutes, clock, clock()

    def is_spent(self, share: float = 1.0) -> bool:
        """Whether this share of the time has passed. The time kept for the report does not count."""
        if self.minutes is None:
            return False
        limit = 60 * self.minutes
        finish = max(FINISH_SHARE * limit, min(FINISH_SECONDS, MAX_FINISH_SHARE * limit))
        return self.clock() - self.start > share * (limit - finish)

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
        return self.is_spent()
