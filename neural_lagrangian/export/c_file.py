"""A trained model as one C file and its header."""

import math
import re
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Array

from .._atomic import atomic_write
from .._checks import check_instance
from ..integrators import AbstractMotionModel
from ..models import Scaled
from ..numerics import precision
from .card import card, description, header
from .code import Assignment
from .functions import ModelFunctions, TracedFunction
from .layout import Layout, named, needed, reads
from .memory import Buffer, Memory, literal, whole
from .runge_kutta import step
from .scalar_text import POWER_OF_TWO, c_bytes, c_type, helper
from .translation import Translator, written

FunctionName = Literal["acceleration", "rate", "energy", "step", "torque", "linearization", "control", "observation"]
"""Functions of an exported file."""
DEFAULT_FUNCTIONS = ("acceleration", "rate", "energy", "step", "control", "observation")
"""Functions that are exported by default, if the model has them."""
RESERVED = {"double", "float", "int", "main", "static", "const", "void", "return", "for", "if", "else", "struct"}

NOT_IN_NAMES = set('"\\:*?<>|')
"""Characters that cannot stand in the name of a file that another one includes."""


class CFunction(NamedTuple):
    """A function of the file. `lines`: its statements, with tokens for constants. `uses_time`: whether it reads t."""

    traced: TracedFunction
    lines: list[str]
    uses_time: bool
    stack: int


def to_c(
    model: AbstractMotionModel,
    path: str | PathLike[str],
    *,
    dof: int | None = None,
    name: str | None = None,
    dtype: Literal["double", "float"] = "double",
    functions: Sequence[FunctionName] | None = None,
    controller: Callable[..., Array] | None = None,
    observation: Callable[..., Array] | None = None,
    notes: Sequence[str] = (),
) -> tuple[Path, Path]:
    r"""Write a model as one C99 file and its header, for microcontrollers and other programs without Python.

    The file needs the C standard library only. It allocates no memory, and its functions are reentrant: weights are
    constants, and intermediate values lie on the stack. A comment at the top describes the model, the functions and a
    call. With the name `arm` and n degrees of freedom the functions are

    - `arm_acceleration(q, v, a)`; for a model of first order, `arm_rate(q, v, dq, dv)`;
    - `arm_energy(q, v)`;
    - `arm_step(h, q, v)`: one step of length h of the classical Runge-Kutta method of order 4, in place;
    - `arm_torque(q, v, a, tau)`: inverse dynamics, as `mechanics.inverse_dynamics` with the force of the model;
    - `arm_linearization(q, v, A)`: the derivative of $[v, a]$ with respect to $[q, v]$, shape `(2 n, 2 n)`;
    - `arm_control(q, v, u)`: the control of a `controller`, such as a regulator;
    - `arm_observation(q, v, z)`: what sensors see, for a filter on the machine.

    All functions take the time `t` first if one of them depends on it. If the model has a `ControlForce`, the controls
    `u` are an argument of acceleration, step and linearization, and are held during the step. They replace a control
    signal of the model.

    **Arguments:**

    - `model`: a model of motion, such as a `NeuralLagrangian`, a `Scaled` model or a system.
    - `path`: the file to write, with the suffix `.c`. The header has the same name with the suffix `.h`.
    - `dof`: degrees of freedom. `None` means those of the model.
    - `name`: prefix of the functions. `None` means the class of the model in snake case.
    - `dtype`: `"double"` or `"float"`, the type of all numbers.
    - `functions`: the functions to write. `None` means acceleration (or rate), energy, step, control and observation,
      as far as the model has them.
    - `controller`: optional callable `(t, y) -> u` with `y` of shape `(2 dof,)`, such as that of `nl.control.lqr`.
    - `observation`: optional callable `(t, y) -> z`, such as `lambda t, y: rig.readings(t[None], y[None])["tip"][0]`
      of an `Observed`. Noise and quantisation are not part of it.
    - `notes`: lines for the comment at the top, such as the range of states of the training data.

    **Returns:** the paths of the file and of its header.

    **Raises:** `ExportError` if the model contains an operation that has no C code, such as the complex numbers of
    `DampedInverse` (use `PseudoInverse` or `Cholesky`), a loop of unknown length, or forces with memory.
    `ValueError` for other arguments, and for a controller or an observation that `functions` leaves out. `OSError` if a
    file cannot be written.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> spring = lambda t, q, v: 0.5 * v @ v - 2.0 * q @ q  # 1 kg on a spring of 4 N/m
    >>> model = nl.NeuralLagrangian.from_lagrangian(spring, dof=1)
    >>> source, header = nl.export.to_c(model, "spring.c", name="spring")
    >>> [line for line in header.read_text().splitlines() if "acceleration(" in line]
    ['void spring_acceleration(const double q[1], const double v[1], double a[1]);']
    ```
    """
    check_instance("model", model, AbstractMotionModel)
    path = _source(path)
    if dtype not in ("double", "float"):
        raise ValueError(f"`dtype` is {dtype!r}; expected 'double' or 'float'")
    name = _prefix(model) if name is None else _identifier(name)
    with precision(double=dtype == "double"):
        kind = np.dtype(np.float64 if dtype == "double" else np.float32)
        known = ModelFunctions(model, dof, kind, controller, observation)
        wanted = _wanted(known, functions, type(model).__name__)
        _check_written(wanted, control=controller, observation=observation)
        memory = Memory()
        written_functions = [_translated(memory, known.traced(one)) for one in wanted if one != "step"]
    uses_time = any(function.uses_time for function in written_functions)
    described = description(model, known.dof, path, dtype, notes)
    text, head = _texts(memory, written_functions, name, kind, known, uses_time, described, wanted)
    for file, content in ((path, text), (path.with_suffix(".h"), head)):
        with atomic_write(file) as out:
            out.write(content.encode())
    return path, path.with_suffix(".h")


def _source(path: Any) -> Path:
    """The path of the file, whose name stands in the file too."""
    if not isinstance(path, str | PathLike):
        raise ValueError(f"`path` is {path!r}; expected a path")
    path = Path(path)
    if path.suffix != ".c":
        raise ValueError(f"`path` is {str(path)!r}; expected a name that ends in .c")
    if not can_be_included(path):
        raise ValueError(
            f"`path` is {str(path)!r}; expected a file name without {' '.join(sorted(NOT_IN_NAMES))} and line breaks"
        )
    return path


def can_be_included(path: Path) -> bool:
    """Whether C can include a file with this name."""
    return path.name.isprintable() and not set(path.name) & NOT_IN_NAMES


def _prefix(model: Any) -> str:
    inner = model.model if isinstance(model, Scaled) else model
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(inner).__name__).lower() or "model"


def _identifier(name: str) -> str:
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name, re.ASCII) or name in RESERVED:
        raise ValueError(f"`name` is {name!r}; expected a name in C: a letter, then letters, digits and underscores")
    return name


def _wanted(known: ModelFunctions, functions: Sequence[str] | None, kind: str) -> list[str]:
    if functions is None:
        return [one for one in known.names if one in DEFAULT_FUNCTIONS]
    functions = functions if isinstance(functions, str) else tuple(functions)
    missing = [] if isinstance(functions, str) else [one for one in functions if one not in known.names]
    if isinstance(functions, str) or not functions or missing:
        wrong = missing or functions
        raise ValueError(f"`functions` has {wrong!r}; expected a sequence of some of {known.names}, which {kind} has")
    needs = {known.names[0]} if "step" in functions else set()  # a step calls the acceleration
    return [one for one in known.names if one in functions or one in needs]


def _check_written(wanted: list[str], **given: Any) -> None:
    """**Raises:** `ValueError` for a function that is given and would not be written."""
    for name, function in given.items():
        if function is not None and name not in wanted:
            argument = "controller" if name == "control" else name
            raise ValueError(
                f"`{argument}` is given, and `functions` has no {name!r}; expected it there, or `{argument}=None`"
            )


def _translated(memory: Memory, traced: TracedFunction) -> CFunction:
    """The statements of a function."""
    dtype = traced.jaxpr.out_avals[0].dtype
    buffers = {
        one: memory.new(math.prod(shape), dtype, name=one, is_array=bool(shape))
        for one, shape in (traced.inputs | traced.outputs).items()
    }
    translator = Translator(memory, f"its {traced.name}")
    arguments = [whole(buffers[one], shape) for one, shape in traced.inputs.items()]
    results = translator.run(traced.jaxpr, arguments)
    block = translator.code.block
    for (one, shape), value in zip(traced.outputs.items(), results, strict=True):
        result = [] if shape else [f"return {memory.text(int(value.cells))};"]
        lines = result or written(translator.code, value, buffers[one])
        block.results.append(Assignment(buffers[one], lines))
    layout = Layout(memory)
    lines = layout.lines(block)
    found = set[int]().union(*map(reads, needed(block)), *(result.reads for result in block.results))
    translator.check(found)
    unused = [f"(void){one};" for one in traced.inputs if one != "t" and buffers[one].number not in found]
    return CFunction(traced, [*unused, *lines], buffers["t"].number in found, layout.bytes)


def _texts(
    memory: Memory,
    functions: list[CFunction],
    name: str,
    kind: np.dtype,
    known: ModelFunctions,
    uses_time: bool,
    described: list[str],
    wanted: list[str],
) -> tuple[str, str]:
    """The file and its header."""
    constants: list[Buffer] = []
    bodies, prototypes = [], []
    for function in functions:
        prototype = declaration(function.traced, name, kind, uses_time)
        idle = ["(void)t;"] if uses_time and not function.uses_time else []
        lines = [named(memory, line, constants) for line in [*idle, *function.lines]]
        bodies.append("\n".join([prototype, "{", *("    " + line for line in lines), "}"]))
        prototypes.append((function.traced.meaning, prototype))
    if "step" in wanted:
        meaning, prototype, body = step(name, kind, known.dof, known.controls, known.is_second_order, uses_time)
        bodies.append(body)
        prototypes.append((meaning, prototype))
    sizes = sum(buffer.size * c_bytes(buffer.dtype) for buffer in constants)
    stack = max(function.stack for function in functions)
    helpers = [helper(kind)] if any(f"{POWER_OF_TWO}(" in body for body in bodies) else []
    tables = [_table(buffer) for buffer in constants]
    comment = card(described, name, kind, known, uses_time, wanted, sizes, stack)
    top = f'#include "{described[0].partition(".c:")[0]}.h"\n\n#include <math.h>'
    return "\n\n".join([comment, top, *tables, *helpers, *bodies]) + "\n", header(
        described[0], name, known.dof, prototypes
    )


def declaration(traced: TracedFunction, name: str, kind: np.dtype, uses_time: bool) -> str:
    """The declaration of a function, without a semicolon."""
    t = c_type(kind)
    inputs = [f"const {t} {one}[{math.prod(shape)}]" for one, shape in traced.inputs.items() if shape]
    outputs = [f"{t} {one}[{math.prod(shape)}]" for one, shape in traced.outputs.items() if shape]
    result = "void" if outputs else t
    return f"{result} {name}_{traced.name}({', '.join([f'{t} t'] * uses_time + inputs + outputs)})"


def _table(buffer: Buffer) -> str:
    """A constant array."""
    assert buffer.values is not None
    numbers = [literal(number) for number in buffer.values]
    rows = [f"    {', '.join(numbers[k : k + 4])}," for k in range(0, len(numbers), 4)]
    return "\n".join([f"static const {c_type(buffer.dtype)} {buffer.name}[{buffer.size}] = {{", *rows, "};"])
