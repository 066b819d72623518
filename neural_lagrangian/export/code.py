"""The statements of one C function: assignments to plain variables, loops that fill arrays, and branches."""

import re
from collections import ChainMap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .memory import Access, Buffer, Memory, Value, whole

MAX_SCALARS = 8
"""Values with at most this many entries are plain variables, without loops: a compiler keeps them in registers."""
MAX_RUNS = 16
"""Largest number of loops that copy the pieces of an irregular value. If there are more, a table of places is used."""
OUT = "@out@"
"""The text that stands for the result of a statement while it is written."""
TOKEN = re.compile(r"@(\d+)@")

Lines = list[str]


@dataclass(eq=False)
class Assignment:
    """Lines that compute one buffer. A plain variable has one line, its expression."""

    out: Buffer
    lines: Lines

    @property
    def reads(self) -> set[int]:
        """Numbers of the buffers that are read."""
        return {int(number) for line in self.lines for number in TOKEN.findall(line)} - {self.out.number}


@dataclass(eq=False)
class Branch:
    """`if (condition)` the first block `else` the second. Each block assigns the same buffers, `outs`."""

    condition: str
    blocks: tuple["Block", "Block"]
    outs: list[Buffer]


@dataclass(eq=False)
class Block:
    """Statements in order, and what they end with: the lines that write the results, each with its buffer."""

    statements: list[Assignment | Branch] = field(default_factory=list)
    results: list[Assignment] = field(default_factory=list)


class Code:
    """Writes the statements of one function. An expression that was written before is not computed again."""

    def __init__(self, memory: Memory):
        self.memory = memory
        self.block = Block()
        self._written: ChainMap[tuple[str, str, int], Buffer] = ChainMap()

    def inner(self, write: Callable[[], None]) -> Block:
        """The block of statements that `write` gives. They are known inside of this block only."""
        outer, self.block, self._written = self.block, Block(), self._written.new_child()
        try:
            write()
            return self.block
        finally:
            self.block, self._written = outer, self._written.parents

    def scalar(self, text: str, dtype: np.dtype) -> int:
        """The cell of a new variable with the value of an expression."""
        return self._statement([text], 1, dtype, is_array=False).first

    def array(self, lines: Lines, shape: tuple[int, ...], dtype: np.dtype) -> Value:
        """An array that lines fill. They call it `OUT`."""
        size = int(np.prod(shape, dtype=int))
        return whole(self._statement(lines, size, dtype, is_array=True), shape)

    def _statement(self, lines: Lines, size: int, dtype: np.dtype, *, is_array: bool) -> Buffer:
        key = ("\n".join(lines), np.dtype(dtype).name, size)
        if key not in self._written:
            out = self.memory.new(size, dtype, is_array=is_array)
            self.block.statements.append(Assignment(out, [line.replace(OUT, out.token) for line in lines]))
            self._written[key] = out
        return self._written[key]

    def each(
        self, dtype: np.dtype, shape: tuple[int, ...], operands: Sequence[Value], write: Callable[[Lines], str]
    ) -> Value:
        """An elementwise operation. `write` gives the expression of one entry."""
        size = int(np.prod(shape, dtype=int))
        spread = [Value(np.broadcast_to(x.cells, shape), x.dtype) for x in operands]
        if size <= MAX_SCALARS:
            entries = zip(*(x.cells.ravel().tolist() for x in spread), strict=True)
            cells = [self.scalar(write([self.memory.text(cell) for cell in entry]), dtype) for entry in entries]
            return Value(np.array(cells, np.int64).reshape(shape), np.dtype(dtype))
        accesses = [self.access(x) for x in spread]
        lengths, strides = merged(shape, [row_major(shape), *(access.strides for access in accesses)])
        accesses = [a._replace(strides=s) for a, s in zip(accesses, strides[1:], strict=True)]

        def body(indices: Lines) -> Lines:
            return [f"{entry(strides[0], indices)} = {write([access.text(indices) for access in accesses])};"]

        return self.array(loops(lengths, body), shape, dtype)

    def access(self, value: Value) -> Access:
        """How a loop finds the entries of a value. Entries at irregular places are copied first."""
        found = self.memory.access(value)
        if found is None:
            found = self.memory.access(self.array(self.copied(value), value.shape, value.dtype))
        assert found is not None
        return found

    def copied(self, value: Value) -> Lines:
        """Lines that copy the entries of a value to `OUT`."""
        flat = value.cells.ravel()
        owners = {self.memory.buffer_of(int(cell)) for cell in flat[:: max(1, len(flat) // 64)]}
        runs = list(self._runs(flat))
        if len(runs) > MAX_RUNS and len(owners) == 1:
            (owner,) = owners
            inside = flat - owner.first
            if not owner.is_scalar and inside.min() >= 0 and inside.max() < owner.size:
                table = self.memory.access(self.memory.constant(inside.astype(np.int32)))
                assert table is not None
                return loops((len(flat),), lambda i: [f"{OUT}[{i[0]}] = {owner.token}[{table.text(i)}];"])
        lines = []
        for start, length in runs:
            access = self.memory.access(Value(flat[start : start + length], value.dtype))
            assert access is not None
            lines += loops((length,), lambda i, a=access, s=start: [f"{entry((1,), i, s)} = {a.text(i)};"])
        return lines

    def _runs(self, flat: np.ndarray):
        """Pieces of regular distance in one buffer, as (start, length)."""
        start = 0
        while start < len(flat):
            owner = self.memory.buffer_of(int(flat[start]))
            inside = (flat[start:] >= owner.first) & (flat[start:] < owner.first + owner.size)
            length = len(inside) if inside.all() else int(np.argmin(inside))
            steps = np.diff(flat[start : start + length])
            if len(steps) and (steps != steps[0]).any():
                length = int(np.argmax(steps != steps[0])) + 1
            yield start, length
            start += length


def entry(strides: tuple[int, ...], indices: Lines, offset: int = 0) -> str:
    """An entry of `OUT`."""
    terms = [i if s == 1 else f"{s} * {i}" for i, s in zip(indices, strides, strict=True) if s]
    terms += [str(offset)] * (offset != 0 or not terms)
    return f"{OUT}[{' + '.join(terms)}]"


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of an array whose entries follow each other."""
    return tuple(int(np.prod(shape[k + 1 :], dtype=int)) if n > 1 else 0 for k, n in enumerate(shape))


def merged(shape: tuple[int, ...], strides: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Fewer loops over the same entries: axes that all accesses walk through as one axis are merged."""
    axes: list[tuple[int, list[int]]] = []
    for k, length in enumerate(shape):
        if length == 1:
            continue
        steps = [s[k] for s in strides]
        if axes and axes[-1][1] == [step * length for step in steps]:
            axes[-1] = (axes[-1][0] * length, steps)
        else:
            axes.append((length, steps))
    return tuple(n for n, _ in axes), [tuple(steps[a] for _, steps in axes) for a in range(len(strides))]


def loops(lengths: tuple[int, ...], body: Callable[[Lines], Lines], first: int = 0) -> Lines:
    """Nested loops around lines. `body` gets the names of the indices. A loop of length 1 is left out."""
    indices = ["0" if n == 1 else index(first + k) for k, n in enumerate(lengths)]
    lines = body(indices)
    for i, n in reversed(list(zip(indices, lengths, strict=True))):
        if n == 1:
            continue
        head = f"for (int {i} = 0; {i} < {n}; {i}++)"
        inner = ["    " + line for line in lines]
        lines = [head, *inner] if len(lines) == 1 else [f"{head} {{", *inner, "}"]
    return lines


def index(number: int) -> str:
    """The name of a loop index."""
    return "ijklmn"[number] if number < 6 else f"i{number}"
