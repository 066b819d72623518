"""Arrays of a C program as numbered memory cells.

Each number that a program holds has a cell. A value is an array of cell numbers. So an operation that only moves
numbers, such as a transpose or a slice, moves cell numbers while the program is written. It costs nothing when it runs.
"""

import bisect
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np


class Buffer:
    """A variable, an array, an argument or a constant of the program: `size` consecutive cells of one type."""

    def __init__(
        self,
        number: int,
        first: int,
        size: int,
        dtype: np.dtype,
        *,
        name: str = "",
        values: np.ndarray | None = None,
        is_array: bool = False,
    ):
        self.number, self.first, self.size, self.dtype = number, first, size, dtype
        self.name = name
        """Name in the program. It is empty as long as no name is assigned."""
        self.values = values
        """The numbers of a constant."""
        self.is_scalar = size == 1 and values is None and not is_array
        """Whether the buffer is a plain variable, not an array."""

    @property
    def token(self) -> str:
        """The text that stands for the buffer until it has a name."""
        return f"@{self.number}@"


class Value(NamedTuple):
    """An array of the traced program: the numbers of its cells, and its type."""

    cells: np.ndarray
    dtype: np.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.cells.shape

    @property
    def size(self) -> int:
        return self.cells.size


class Access(NamedTuple):
    """Where the entries of a value lie in one buffer: `offset` plus the sum of index times stride."""

    buffer: Buffer
    offset: int
    strides: tuple[int, ...]

    def text(self, indices: Iterable[str]) -> str:
        """The entry at the given indices, in C."""
        buffer = self.buffer
        terms = [i if s == 1 else f"{s} * {i}" for i, s in zip(indices, self.strides, strict=True) if s != 0]
        if not terms and buffer.values is not None:
            return literal(buffer.values.ravel()[self.offset])
        if buffer.is_scalar and not terms:
            return buffer.token
        if self.offset or not terms:
            terms.append(str(self.offset))
        return f"{buffer.token}[{' + '.join(terms)}]"


class Memory:
    """All buffers of a file. Equal constants share one buffer."""

    def __init__(self) -> None:
        self.buffers: list[Buffer] = []
        self._firsts: list[int] = []
        self._constants: dict[tuple[str, bytes], Buffer] = {}

    def new(self, size: int, dtype: np.dtype, **options: Any) -> Buffer:
        """A new buffer. The options are those of `Buffer`."""
        first = self._firsts[-1] + self.buffers[-1].size if self.buffers else 1
        self.buffers.append(Buffer(len(self.buffers), first, size, np.dtype(dtype), **options))
        self._firsts.append(first)
        return self.buffers[-1]

    def constant(self, values: np.ndarray) -> Value:
        """A constant."""
        values = np.asarray(values, order="C")
        key = (values.dtype.name, values.tobytes())
        if key not in self._constants:
            self._constants[key] = self.new(values.size, values.dtype, values=values.ravel())
        return whole(self._constants[key], np.shape(values))

    def buffer_of(self, cell: int) -> Buffer:
        """The buffer that holds a cell."""
        return self.buffers[bisect.bisect_right(self._firsts, cell) - 1]

    def known(self, value: Value) -> np.ndarray | None:
        """The numbers of a value if all of them are constants, else `None`."""
        if value.size == 0:
            return np.zeros(value.shape, value.dtype)
        owners = np.searchsorted(np.asarray(self._firsts), value.cells, "right") - 1
        known = np.zeros(value.shape, value.dtype)
        for number in np.unique(owners):
            buffer = self.buffers[number]
            if buffer.values is None:
                return None
            mine = owners == number
            known[mine] = buffer.values[value.cells[mine] - buffer.first]
        return known

    def text(self, cell: int) -> str:
        """The content of a cell, in C."""
        buffer = self.buffer_of(cell)
        return Access(buffer, cell - buffer.first, ()).text(())

    def access(self, value: Value) -> Access | None:
        """How a loop finds the entries of a value; `None` if they do not lie at regular distances in one buffer."""
        cells = value.cells
        start = int(cells.flat[0])
        buffer = self.buffer_of(start)
        strides = []
        for axis, length in enumerate(cells.shape):
            ahead = tuple(int(k == axis) for k in range(cells.ndim))
            strides.append(int(cells[ahead]) - start if length > 1 else 0)
        regular = np.full(cells.shape, start)
        for axis, stride in enumerate(strides):
            regular = regular + stride * _along(np.arange(cells.shape[axis]), axis, cells.ndim)
        last = buffer.first + buffer.size
        if not np.array_equal(regular, cells) or cells.min() < buffer.first or cells.max() >= last:
            return None
        return Access(buffer, start - buffer.first, tuple(strides))


def whole(buffer: Buffer, shape: tuple[int, ...]) -> Value:
    """All cells of a buffer, in order, as a value."""
    return Value(np.arange(buffer.first, buffer.first + buffer.size).reshape(shape), buffer.dtype)


def literal(number: np.generic) -> str:
    """A number in C. Reading it gives the same number to the last bit."""
    if number.dtype == np.bool_ or np.issubdtype(number.dtype, np.integer):
        least = np.issubdtype(number.dtype, np.integer) and int(number) == np.iinfo(np.int64).min
        text = f"{int(number) + 1} - 1" if least else str(int(number))  # C has no literal of the least number
        return f"({text})" if int(number) < 0 else text
    single = number.dtype == np.float32
    if not np.isfinite(number):
        return "NAN" if np.isnan(number) else f"({'-' if float(number) < 0 else ''}INFINITY)"
    text = f"{float(number):.9g}" if single else f"{float(number):.17g}"
    text += ("" if any(mark in text for mark in ".e") else ".0") + "F" * single
    return f"({text})" if text.startswith("-") else text


def _along(row: np.ndarray, axis: int, rank: int) -> np.ndarray:
    return row.reshape([-1 if k == axis else 1 for k in range(rank)])
