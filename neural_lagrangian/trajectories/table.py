"""A table of named columns, and a selection of columns."""

from typing import NamedTuple

import numpy as np


class Table(NamedTuple):
    """Columns of equal length, by heading.

    - `first_row`: number of the first row in the file, as the user counts. `counted`: "line" or "row".
    - `skipped`: numbers of the lines between rows that are not rows (comments), in order.
    """

    columns: dict[str, np.ndarray]
    first_row: int
    counted: str
    skipped: tuple[int, ...] = ()

    def row_number(self, index: int) -> int:
        """The number of a row in the file, as the user counts."""
        number = index + self.first_row
        for line in self.skipped:
            number += line <= number
        return number


class Wanted(NamedTuple):
    """The columns to read, by number.

    - `numbers`: numeric columns. `clocks`: those of them with dates or times of day as text.
    - `labels`: columns that are not converted.
    """

    numbers: tuple[int, ...]
    clocks: tuple[int, ...]
    labels: tuple[int, ...]

    @property
    def columns(self) -> tuple[int, ...]:
        """All columns to read, each once."""
        return tuple(dict.fromkeys(self.numbers + self.labels))
