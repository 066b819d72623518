"""The time that a fit may take: how much of it each part may use."""

import time
from collections.abc import Callable

from ..training import Progress

TRAINING, SEARCH, REFINEMENT = 0.5, 0.65, 0.8
"""Shares of the time after which the training, the search for a formula, and its refinement begin nothing more. The
rest is for judging, figures and the report.
"""


class Budget:
    """So many `minutes` from now on, for the whole of `fit`; without end for `None`. A step that has begun is finished:
    what is asked is whether another may begin.
    """

    def __init__(self, minutes: float | None, clock: Callable[[], float] = time.monotonic):
        self.minutes, self.clock, self.start = minutes, clock, clock()

    def is_spent(self, share: float = 1.0) -> bool:
        """Whether more than this share of the minutes has passed since the start."""
        return self.minutes is not None and self.clock() - self.start > share * 60 * self.minutes

    def ends_training(self, progress: Progress) -> bool:
        """A callback of `fit`, which then returns the best model so far."""
        return self.is_spent(TRAINING)

    def ends_search(self) -> bool:
        """Whether the search for formulas may begin nothing more."""
        return self.is_spent(SEARCH)

    def ends_refinement(self) -> bool:
        """Whether the refinement of formulas may begin nothing more."""
        return self.is_spent(REFINEMENT)
