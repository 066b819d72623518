"""From the operations that JAX traces (a jaxpr) to the statements of a C function."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from .code import OUT, Assignment, Branch, Code
from .errors import ExportError
from .linear_algebra import cholesky, eigenvalues, product, reduced, solve, triangular_solve
from .memory import Buffer, Memory, Value, whole
from .moves import IDENTITIES, MOVED_OPERANDS, evaluated, moved, scattered
from .scalar_text import C_TYPES, expression

CALLS = {
    **{"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr"},
    **{"custom_jvp_call": "call_jaxpr", "custom_vjp_call": "call_jaxpr", "custom_vjp_call_jaxpr": "fun_jaxpr"},
    **{"custom_vmap_call": "call", "checkpoint": "jaxpr", "remat2": "jaxpr", "remat": "jaxpr"},
}
"""Operations that only call a function, and the parameter that holds it."""
MAX_UNROLLED_STEPS = 64
"""Longest loop that is written out."""
DECOMPOSITIONS = {"eigh", "eig", "svd", "lu", "qr", "householder_product", "schur", "custom_linear_solve"}
"""Decompositions of matrices for which there is no C code."""


class Translator:
    """Translates one function."""

    def __init__(self, memory: Memory, what: str):
        self.memory, self.what = memory, what
        self.code = Code(memory)
        self._refused: dict[int, str] = {}

    def run(self, closed: core.ClosedJaxpr, arguments: list[Value]) -> list[Value]:
        """The results of a function at arguments."""
        return self._run(closed.jaxpr, [self._constant(value) for value in closed.consts], arguments)

    def _constant(self, value: Any) -> Value:
        if jnp.issubdtype(jnp.result_type(value), jax.dtypes.prng_key):
            raise self._refusal("random_key")
        return self.memory.constant(np.asarray(value))

    def _run(self, jaxpr: core.Jaxpr, constants: list[Value], arguments: list[Value]) -> list[Value]:
        values = dict(zip(jaxpr.constvars, constants, strict=True)) | dict(zip(jaxpr.invars, arguments, strict=True))

        def read(atom: Any) -> Value:
            if not isinstance(atom, core.Literal):
                return values[atom]
            aval: Any = atom.aval
            return self._constant(np.asarray(atom.val, aval.dtype))

        for equation in jaxpr.eqns:
            results = self._equation(equation, [read(atom) for atom in equation.invars])
            values |= zip(equation.outvars, results, strict=True)
        return [read(atom) for atom in jaxpr.outvars]

    def _equation(self, equation: core.JaxprEqn, x: list[Value]) -> list[Value]:
        name, params = equation.primitive.name, equation.params
        if name in CALLS and params.get(CALLS[name]) is not None:
            return self._call(params[CALLS[name]], x)
        if name in IDENTITIES:
            return x
        if name.startswith("random_"):
            raise self._refusal(name)
        if name == "cond":
            return self._cond(params["branches"], x[0], x[1:])
        if name == "scan":
            return self._scan(params, x)
        known = [self.memory.known(value) for value in x]
        if all(value is not None for value in known):
            return [self._constant(value) for value in evaluated(equation.primitive, params, known)]  # pyright: ignore
        for rule in (self._move, self._scatter_add, self._matrix, self._elementwise):
            results = rule(equation, x, known)
            if results is not None:
                return results
        raise self._refusal(name)

    def _call(self, body: Any, x: list[Value]) -> list[Value]:
        if isinstance(body, core.ClosedJaxpr):
            return self.run(body, x)
        return self._run(body, [], x)

    def _move(self, equation: core.JaxprEqn, x: list[Value], known: list[np.ndarray | None]) -> list[Value] | None:
        name = equation.primitive.name
        if name == "select_n" and known[0] is not None:
            choices = np.stack([value.cells for value in x[1:]])
            which = np.broadcast_to(known[0].astype(int), choices.shape[1:])
            return [Value(np.asarray(np.take_along_axis(choices, which[None], 0)[0]), x[1].dtype)]
        if name == "scatter":
            operands = [x[0].cells, known[1], x[2].cells]
        elif name in MOVED_OPERANDS:
            count = MOVED_OPERANDS[name]
            operands = [v.cells if count is None or k < count else known[k] for k, v in enumerate(x)]
        else:
            return None
        if any(operand is None for operand in operands):
            raise ExportError(
                f"`model` has no C program: {self.what} contains the operation `{name}` with indices that depend on "
                f"the state or on time; export a model without tables and without sampled signals"
            )
        missing = self._constant(np.full((), np.nan, x[0].dtype)) if np.issubdtype(x[0].dtype, np.floating) else None
        results = moved(equation.primitive, equation.params, operands)  # pyright: ignore[reportArgumentType]
        if any((cells < 0).any() for cells in results):
            if missing is None or equation.params.get("fill_value") is not None:
                raise self._refusal(name)
            results = [np.where(cells < 0, missing.cells, cells) for cells in results]
        return [Value(cells, x[0].dtype) for cells in results]

    def _scatter_add(
        self, equation: core.JaxprEqn, x: list[Value], known: list[np.ndarray | None]
    ) -> list[Value] | None:
        if equation.primitive.name not in ("scatter-add", "scatter_add") or known[1] is None:
            return None
        operand, _, updates = x
        places = scattered(equation.primitive, equation.params, [operand.cells, known[1], updates.cells]).ravel()
        cells, added = operand.cells.ravel().copy(), updates.cells.ravel()
        left = np.flatnonzero(places >= 0)
        while len(left):  # one update of each place in each round
            _, first = np.unique(places[left], return_index=True)
            now = left[first]
            zero = self.memory.known(Value(cells[places[now]], operand.dtype))
            if zero is not None and not zero.any():
                cells[places[now]] = added[now]
            else:
                pair = [Value(cells[places[now]], operand.dtype), Value(added[now], operand.dtype)]
                cells[places[now]] = self.code.each(operand.dtype, now.shape, pair, " + ".join).cells
            left = np.delete(left, first)
        return [Value(cells.reshape(operand.shape), operand.dtype)]

    def _matrix(self, equation: core.JaxprEqn, x: list[Value], known: list[np.ndarray | None]) -> list[Value] | None:
        name, params = equation.primitive.name, equation.params
        if name == "dot_general":
            return [product(self.code, x[0], x[1], params["dimension_numbers"])] if x[0].dtype == x[1].dtype else None
        if name.startswith("reduce_") and "axes" in params:
            result = reduced(self.code, name, x[0], tuple(int(axis) for axis in params["axes"]))
            return None if result is None else [result]
        if name == "cholesky" and x[0].cells.ndim == 2:
            return [cholesky(self.code, x[0])]
        if name == "triangular_solve" and x[0].cells.ndim == 2:
            return [triangular_solve(self.code, x[0], x[1], params)]
        if name == "eigh" and x[0].cells.ndim == 2 and np.issubdtype(x[0].dtype, np.floating):
            return list(eigenvalues(self.code, x[0]))
        if name == "lu" and x[0].cells.ndim == 2:  # only `custom_linear_solve` needs it, and has code of its own
            return [self._without_code(name, out.aval) for out in equation.outvars]
        if name == "custom_linear_solve":
            return self._solve(params, x)
        return None

    def _solve(self, params: dict[str, Any], x: list[Value]) -> list[Value] | None:
        """`A x = b`, where the operator of the equation is the product with a matrix."""
        A, b, matvec = x[0], x[-1], params["jaxprs"].matvec
        square = A.cells.ndim == 2 and A.shape[0] == A.shape[1]
        if params["const_lengths"].matvec != 1 or not square or b.cells.ndim not in (1, 2):
            return None
        draw = np.random.default_rng(0)
        some_A, some_b = (draw.normal(size=v.shape).astype(v.dtype) for v in (A, b))
        (applied,) = core.jaxpr_as_fun(matvec)(some_A, some_b)
        if A.shape[0] == b.shape[0] and np.allclose(applied, some_A @ some_b, rtol=1e-4, atol=1e-4):
            columns = b.cells.reshape(len(A.cells), -1)
            return [Value(solve(self.code, A, Value(columns, b.dtype)).cells.reshape(b.shape), b.dtype)]
        if A.shape[0] == b.shape[-1] and np.allclose(applied, some_b @ some_A.T, rtol=1e-4, atol=1e-4):  # rows
            return [Value(solve(self.code, A, Value(b.cells.T, b.dtype)).cells.T, b.dtype)]
        return None

    def _elementwise(
        self, equation: core.JaxprEqn, x: list[Value], known: list[np.ndarray | None]
    ) -> list[Value] | None:
        name, params, (out, *others) = equation.primitive.name, equation.params, equation.outvars
        aval: Any = out.aval
        dtype = np.dtype(aval.dtype)
        if others or not _in_c(dtype) or not all(_in_c(value.dtype) for value in x):
            return None
        if name == "convert_element_type" and x[0].dtype == dtype:
            return x

        def write(operands: list[str]) -> str | None:
            return expression(name, dtype, params, operands, x[0].dtype)

        if write(["x"] * len(x)) is None:
            return None
        return [self.code.each(dtype, aval.shape, x, write)]  # pyright: ignore[reportArgumentType]

    def _cond(self, branches: tuple[core.ClosedJaxpr, ...], index: Value, x: list[Value]) -> list[Value]:
        known = self.memory.known(index)
        if known is not None:
            return self.run(branches[int(np.clip(known, 0, len(branches) - 1))], x)
        if len(branches) != 2:
            raise self._refusal("switch")
        avals = branches[0].out_avals
        outs = [self.memory.new(int(np.prod(a.shape, dtype=int)), np.dtype(a.dtype)) for a in avals]
        blocks = [self.code.inner(lambda b=branch: self._write(self.run(b, x), outs)) for branch in branches]
        condition = f"{self.memory.text(int(index.cells))} != 0"
        self.code.block.statements.append(Branch(condition, (blocks[1], blocks[0]), outs))
        return [whole(buffer, aval.shape) for buffer, aval in zip(outs, avals, strict=True)]

    def _write(self, values: list[Value], outs: list[Buffer]) -> None:
        """Write results to buffers at the end of the current block."""
        self.code.block.results = [
            Assignment(out, written(self.code, value, out)) for value, out in zip(values, outs, strict=True)
        ]

    def _scan(self, params: dict[str, Any], x: list[Value]) -> list[Value]:
        """A loop of known length, written out. Indices that count its steps are then known numbers."""
        length, constants, carried = params["length"], params["num_consts"], params["num_carry"]
        if length > MAX_UNROLLED_STEPS:
            raise ExportError(
                f"`model` has no C program: {self.what} contains a loop of {length} steps; expected at most "
                f"{MAX_UNROLLED_STEPS}"
            )
        consts, carry, xs = x[:constants], x[constants : constants + carried], x[constants + carried :]
        steps: list[list[Value]] = [[] for _ in range(length)]
        for k in reversed(range(length)) if params["reverse"] else range(length):
            rows = [Value(np.asarray(v.cells[k]), v.dtype) for v in xs]
            results = self.run(params["jaxpr"], [*consts, *carry, *rows])
            carry, steps[k] = results[:carried], results[carried:]
        stacked = [Value(np.stack([v.cells for v in values]), values[0].dtype) for values in zip(*steps, strict=True)]
        return [*carry, *stacked]

    def _without_code(self, name: str, aval: Any) -> Value:
        """A result of an operation that is refused if the program needs it."""
        buffer = self.memory.new(int(np.prod(aval.shape, dtype=int)), np.dtype(aval.dtype), is_array=True)
        self._refused[buffer.number] = name
        return whole(buffer, aval.shape)

    def check(self, needed: set[int]) -> None:
        """**Raises:** `ExportError` if one of the buffers with these numbers is the result of a refused operation."""
        for number in sorted(needed & self._refused.keys()):
            raise self._refusal(self._refused[number])

    def _refusal(self, name: str) -> ExportError:
        advice = "write this part of the model with other operations"
        if name.startswith("random_"):
            advice = "it draws random numbers, and a model is a function of its state"
        if name in DECOMPOSITIONS:
            advice = (
                "it decomposes a matrix. If the mass matrix is positive definite, build the model with "
                "`mass_solve=nl.mechanics.Cholesky()`"
            )
        return ExportError(f"`model` has no C program: {self.what} contains the operation `{name}`; {advice}")


def written(code: Code, value: Value, out: Buffer) -> list[str]:
    """Lines that write a value to a buffer, at the end of a block."""
    if out.is_scalar:
        return [f"{out.token} = {code.memory.text(int(value.cells.ravel()[0]))};"]
    return [line.replace(OUT, out.token) for line in code.copied(value)]


def _in_c(dtype: np.dtype) -> bool:
    return np.dtype(dtype).name in C_TYPES
