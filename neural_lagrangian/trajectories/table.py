"""A table of named columns, and what is wanted of one."""

from typing import NamedTuple

import numpy as np


class Table(NamedTuple):
    """Columns of one length by their headings.

    `first_row`: the number of their first row as the user counts, `counted` in lines or rows. `skipped`: numbers of
    lines between them that are no rows, in their order.
    """

    columns: dict[str, np.ndarray]
    first_row: int
    counted: str
    skipped: tuple[int, ...] = ()

    def row_number(self, index: int) -> int:
        """The number of a row as the user counts."""
        number = index + self.first_row
        for line in self.skipped:
            number += line <= number
        return number


class Wanted(NamedTuple):
    """Which columns are wanted: `numbers`, among which `clocks` hold dates or times of day as text; and `labels`, which
    stay as they are.
    """

    numbers: tuple[int, ...]
    clocks: tuple[int, ...]
    labels: tuple[int, ...]

    @property
    def columns(self) -> tuple[int, ...]:
        """Each wanted column once."""
        return tuple(dict.fromkeys(self.numbers + self.labels))
