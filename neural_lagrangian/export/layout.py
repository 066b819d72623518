"""The text of a block of statements: unneeded statements are left out, and arrays that are never alive together share
one array.
"""

from itertools import count
from typing import Any

import numpy as np

from .code import TOKEN, Assignment, Block, Branch, Lines
from .memory import Buffer, Memory
from .scalar_text import c_bytes, c_type, declared


class Slot:
    """An array in C that several values use one after the other."""

    def __init__(self, name: str, dtype: np.dtype, size: int):
        self.name, self.dtype, self.size = name, dtype, size

    @property
    def bytes(self) -> int:
        """The memory that the array takes on the stack."""
        return self.size * c_bytes(self.dtype)


class Layout:
    """Names for the variables of one function, and its lines."""

    def __init__(self, memory: Memory):
        self.memory = memory
        self._scalars, self._arrays = count(), count()
        self.bytes = 0
        """Memory of the arrays of the function."""

    def lines(self, block: Block) -> Lines:
        """The lines of a block, with a declaration of its arrays."""
        statements = needed(block)
        last = _last_uses(statements, block)
        slots: list[Slot] = []
        free: list[Slot] = []
        held: dict[int, Slot] = {}
        body: Lines = []
        for k, statement in enumerate(statements):
            outs = statement.outs if isinstance(statement, Branch) else [statement.out]
            for out in outs:
                if out.is_scalar:
                    out.name = f"s{next(self._scalars)}"
                else:
                    slot = held[out.number] = self._slot(out, free, slots)
                    out.name = slot.name
            body += self._branch(statement) if isinstance(statement, Branch) else _assignment(statement)
            for number in [number for number in held if last.get(number, k) <= k]:
                free.append(held.pop(number))
        body += [line for result in block.results for line in result.lines]
        self.bytes += sum(slot.bytes for slot in slots)
        return [*(f"{c_type(slot.dtype)} {slot.name}[{slot.size}];" for slot in slots), *body]

    def _slot(self, out: Buffer, free: list[Slot], slots: list[Slot]) -> Slot:
        """A free array of sufficient size, or the largest free one made larger, or a new one."""
        fitting = [slot for slot in free if slot.dtype == out.dtype]
        if fitting:
            enough = [slot for slot in fitting if slot.size >= out.size]
            slot = min(enough, key=lambda s: s.size) if enough else max(fitting, key=lambda s: s.size)
            free.remove(slot)
            slot.size = max(slot.size, out.size)
            return slot
        slots.append(Slot(f"x{next(self._arrays)}", out.dtype, out.size))
        return slots[-1]

    def _branch(self, branch: Branch) -> Lines:
        lines = [f"{c_type(out.dtype)} {out.token};" for out in branch.outs if out.is_scalar]
        first, second = (["    " + line for line in self.lines(block)] for block in branch.blocks)
        return [*lines, f"if ({branch.condition}) {{", *first, "} else {", *second, "}"]


def _assignment(statement: Assignment) -> Lines:
    if statement.out.is_scalar:
        return [f"{declared(statement.out.dtype)} {statement.out.token} = {statement.lines[0]};"]
    return statement.lines


def needed(block: Block) -> list[Assignment | Branch]:
    """The statements on which the results depend."""
    live = set[int]().union(*(result.reads for result in block.results))
    kept: list[Assignment | Branch] = []
    for statement in reversed(block.statements):
        if isinstance(statement, Branch):
            outs = [out for out in statement.outs if out.number in live]
            if not outs:
                continue
            numbers = {out.number for out in outs}
            inner = [Block(b.statements, [r for r in b.results if r.out.number in numbers]) for b in statement.blocks]
            statement = Branch(statement.condition, (inner[0], inner[1]), outs)
        elif statement.out.number not in live:
            continue
        kept.append(statement)
        live |= reads(statement)
    return kept[::-1]


def reads(statement: Assignment | Branch) -> set[int]:
    """Numbers of the buffers that a statement reads."""
    if isinstance(statement, Assignment):
        return statement.reads
    found = {int(number) for number in TOKEN.findall(statement.condition)}
    return found.union(*(read_in(block) for block in statement.blocks))


def read_in(block: Block) -> set[int]:
    """Numbers of the buffers that a block reads, among them its own."""
    return set[int]().union(*map(reads, needed(block)), *(result.reads for result in block.results))


def _last_uses(statements: list[Assignment | Branch], block: Block) -> dict[int, int]:
    """For each buffer the number of the last statement that reads it. Results are read after all statements."""
    last: dict[int, int] = {}
    for k, statement in enumerate(statements):
        last |= dict.fromkeys(reads(statement), k)
    return last | dict.fromkeys(set[int]().union(*(result.reads for result in block.results)), len(statements))


def named(memory: Memory, text: str, constants: list[Buffer]) -> str:
    """The text with names in place of tokens. A constant gets its name here, and is added to `constants`."""

    def name(match: Any) -> str:
        buffer = memory.buffers[int(match[1])]
        if not buffer.name:
            assert buffer.values is not None
            buffer.name = f"w{len(constants)}"
            constants.append(buffer)
        return buffer.name

    return TOKEN.sub(name, text)
