"""The order of coefficients: first those of the terms, then the entries of the control matrix G and of the damping D.

`Candidates` numbers all coefficients that a search can choose. `ForceEntries` names the entries that a formula has.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np


class ForceEntries(NamedTuple):
    """Which entries `(i, j)` of the control matrix G and of the damping matrix D have a coefficient."""

    controls: tuple[tuple[int, int], ...]
    damping: tuple[tuple[int, int], ...]

    def split(self, values: Any, terms: int) -> tuple[Any, Any, Any]:
        """Splits an array of all coefficients into those of the `terms`, of G and of D."""
        last = terms + len(self.controls)
        return values[:terms], values[terms:last], values[last:]


class Candidates(NamedTuple):
    """Numbers of candidate coefficients: `terms` of a library, all entries of G, the lower triangle of D by rows.

    - `dof`: degrees of freedom. `controls`: number of controls.
    """

    terms: int
    dof: int
    controls: int

    @property
    def first_damping(self) -> int:
        """Index of the first entry of D: the number of terms and of entries of G."""
        return self.terms + self.dof * self.controls

    def entries(self, support: Iterable[int]) -> ForceEntries:
        """The entries of G and D among the chosen coefficients."""
        lower = [(int(i), int(j)) for i, j in zip(*np.tril_indices(self.dof), strict=True)]
        of_forces = [k for k in support if k >= self.terms]
        return ForceEntries(
            tuple(divmod(k - self.terms, self.controls) for k in of_forces if k < self.first_damping),
            tuple(lower[k - self.first_damping] for k in of_forces if k >= self.first_damping),
        )
