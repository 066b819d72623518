"""The comments of an exported file: what the model is, and how it is called."""

import textwrap
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ..models import Scaled
from .scalar_text import c_type


def description(model: Any, dof: int, path: Path, dtype: str, notes: Sequence[str]) -> list[str]:
    """What the model is, and who wrote the file; the first lines of a model card."""
    if isinstance(notes, str) or not all(isinstance(line, str) for line in notes):
        raise ValueError(f"`notes` is {notes!r}; expected a sequence of lines of text")
    inner = model.model if isinstance(model, Scaled) else model
    network = getattr(inner, "network", None)
    of = "" if network is None else f" of a {type(network).__name__}"
    return [
        f"{path.name}: a model of motion, written by neural_lagrangian {version('neural_lagrangian')}, "
        f"JAX {jax.__version__}",
        "",
        f"model: {type(inner).__name__}{of}{', in natural units inside' if inner is not model else ''}",
        f"degrees of freedom: {dof}",
        f"numbers: {dtype}",
        *notes,
    ]


def card(
    described: list[str],
    name: str,
    kind: np.dtype,
    known: Any,
    uses_time: bool,
    wanted: list[str],
    constants: int,
    stack: int,
) -> str:
    """The comment at the top of the file."""
    lines = [
        *described,
        f"functions: {', '.join(f'{name}_{one}' for one in wanted)}",
        f"memory: {constants} bytes of constants, about {stack} bytes of arrays on the stack, no heap; reentrant",
        "compile: cc -std=c99 -O2 -c FILE.c, and link with -lm",
        "",
        "example:",
        *example(name, kind, known, uses_time, wanted),
    ]
    return comment(lines)


def example(name: str, kind: np.dtype, known: Any, uses_time: bool, wanted: list[str]) -> list[str]:
    """Lines of a call."""
    t, zero = c_type(kind), "0.0F" if kind == np.float32 else "0.0"
    first = wanted[0]
    arrays = [f"q[{known.dof}] = {{{zero}}}", f"v[{known.dof}] = {{{zero}}}"]
    arguments = [zero] * uses_time + ["q", "v"]
    if known.controls and first != "energy" and first != "torque":
        arrays.append(f"u[{known.controls}] = {{{zero}}}")
        arguments.append("u")
    lines = [f"    {t} {', '.join(arrays)};"]
    if first == "acceleration":
        return [*lines, f"    {t} a[{known.dof}];", f"    {name}_acceleration({', '.join([*arguments, 'a'])});"]
    if first == "rate":
        both = f"    {t} dq[{known.dof}], dv[{known.dof}];"
        return [*lines, both, f"    {name}_rate({', '.join([*arguments, 'dq', 'dv'])});"]
    return [*lines, f"    (see the header for the arguments of {name}_{first})"]


def header(title: str, name: str, dof: int, prototypes: list[tuple[str, str]]) -> str:
    """The header file."""
    guard = f"{name.upper()}_H"
    declared = [f"{comment([meaning])}\n{prototype};" for meaning, prototype in prototypes]
    opening = f"#ifndef {guard}\n#define {guard}\n\n#define {name.upper()}_DOF {dof}"
    cpp = '#ifdef __cplusplus\nextern "C" {\n#endif'
    closing = "#ifdef __cplusplus\n}\n#endif\n\n#endif"
    return "\n\n".join([comment([title.replace(".c:", ".h:", 1)]), opening, cpp, *declared, closing]) + "\n"


def comment(lines: list[str]) -> str:
    """A comment in C. Text of users cannot end it."""
    safe = [
        " ".join(line.split("\n")).replace("*/", "* /").replace("/*", "/ *").replace("??/", "?? /") for line in lines
    ]
    wrapped = [part for line in safe for part in (textwrap.wrap(line, 110, subsequent_indent="    ") or [""])]
    wrapped = [part.rstrip("\\") for part in wrapped]
    if len(wrapped) == 1:
        return f"/* {wrapped[0]} */"
    return "\n".join(["/*", *(f" * {part}".rstrip() for part in wrapped), " */"])
