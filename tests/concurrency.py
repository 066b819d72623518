"""Which batched LAPACK calls of a compiled program could run at the same time."""

import re
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import jax

COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) .*\{$")
INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.*)$")
REFERENCE = re.compile(r"%([\w.\-]+)")
LAPACK = re.compile(r"\[([\d,]*)\].*custom_call_target=\"lapack_")


def unordered_lapack(function: Callable[..., Any], *args: Any) -> list[tuple[str, str]]:
    """Pairs of batched LAPACK calls of which neither needs the result of the other.

    jaxlib 0.10 splits a batched call over the pool of threads that the call itself occupies, and waits. As many
    calls at once as there are threads therefore wait for ever.
    """
    return list(_unordered(jax.jit(function).lower(*args).compile().as_text()))


def _unordered(text: str) -> Iterator[tuple[str, str]]:
    computations: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if begin := COMPUTATION.match(line):
            instructions = computations.setdefault(begin[1], {})
        elif found := INSTRUCTION.match(line):
            instructions[found[1]] = found[2]
    heavy: dict[str, bool] = {}  # computations that contain such a call; a called computation stands before its caller
    for name, instructions in computations.items():
        before: dict[str, set[str]] = {}
        calls = []
        for instruction, right in instructions.items():
            needed = [x for x in REFERENCE.findall(right) if x in before]
            before[instruction] = set(needed).union(*(before[x] for x in needed))
            if _batched(right) or any(heavy.get(x, False) for x in REFERENCE.findall(right)):
                calls.append(instruction)
        heavy[name] = bool(calls)
        yield from ((a, b) for a, b in combinations(calls, 2) if a not in before[b] and b not in before[a])


def _batched(right: str) -> bool:
    shape = LAPACK.search(right)
    return shape is not None and shape[1].count(",") > 1 and not shape[1].startswith("1,")
