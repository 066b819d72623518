"""Search for a formula of the motion: once in the recording, once in the trained network."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...discovery import EquationsError, FoundLagrangian, Library, UndeterminedWarning, distill, sparse_lagrangian
from ...trajectories import Trajectories

MAX_STATES = 600
"""Largest number of states at which the equations of motion of the network are sampled."""

TIME_IS_UP = "the time limit was reached before the search"
"""Fault of a search that was not started."""


class Attempt(NamedTuple):
    """The result of one search: `where` it searched, and what it `found` or the `fault` that ended it."""

    where: str
    found: FoundLagrangian | None
    fault: str

    @property
    def support(self) -> tuple[str, ...]:
        """The terms of the formula; empty if there is none."""
        formula = None if self.found is None else self.found.formula
        return () if formula is None else formula.support

    @property
    def cut_short(self) -> bool:
        """Whether the time limit came before the search."""
        return self.fault == TIME_IS_UP

    @property
    def reason(self) -> str:
        """Why there is no formula."""
        return self.fault if self.found is None else "; ".join(self.found.missing)

    def __str__(self) -> str:
        return self.fault if self.found is None else str(self.found)


def look_for_formulas(
    model: Any, motion: Trajectories, library: Library, is_over: Callable[[], bool] = lambda: False
) -> list[Attempt]:
    """Search for a formula in the motion, then in the Lagrangian of its model. No search starts once `is_over()`."""
    states = motion.ys[motion.mask]
    chosen = states[np.linspace(0, len(states) - 1, min(MAX_STATES, len(states))).astype(int)]
    return [
        _attempt("the recording", is_over, lambda: sparse_lagrangian(motion, library)),
        _attempt("the network", is_over, lambda: distill(model.lagrangian, library, chosen, match="motion")),
    ]


def _attempt(where: str, is_over: Callable[[], bool], look: Callable[[], FoundLagrangian]) -> Attempt:
    if is_over():
        return Attempt(where, None, TIME_IS_UP)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndeterminedWarning)
        try:
            return Attempt(where, look(), "")
        except EquationsError as error:
            return Attempt(where, None, str(error))
