"""Products, sums, systems of equations and eigenvalues, as loops in C."""

import math
from typing import Any

import numpy as np

from .code import MAX_SCALARS, OUT, Code, entry, index, loops, row_major
from .memory import Value
from .scalar_text import c_type, expression, function, number

MAX_TERMS = 16
"""Largest number of terms of a sum that is written as one expression."""
MAX_SWEEPS = 30
"""Largest number of sweeps of Jacobi's method, which converges in five to ten."""
CHAINS = 4
"""Number of partial sums of a long scalar product. They do not wait for each other, and they round less."""


def product(code: Code, a: Value, b: Value, dimension_numbers: Any) -> Value:
    """`dot_general`: the sum of products over the contracted axes."""
    (summed_a, summed_b), (batch_a, batch_b) = dimension_numbers
    free_a = [k for k in range(a.cells.ndim) if k not in (*summed_a, *batch_a)]
    free_b = [k for k in range(b.cells.ndim) if k not in (*summed_b, *batch_b)]
    lengths_batch = [a.shape[k] for k in batch_a]
    outer = (*lengths_batch, *(a.shape[k] for k in free_a), *(b.shape[k] for k in free_b))
    summed = tuple(a.shape[k] for k in summed_a)
    # Both operands as arrays over all indices: batch, free of a, free of b, summed.
    missing_a, missing_b = (1,) * len(free_b), (1,) * len(free_a)
    left = np.transpose(a.cells, [*batch_a, *free_a, *summed_a])
    left = left.reshape([*lengths_batch, *(a.shape[k] for k in free_a), *missing_a, *summed])
    right = np.transpose(b.cells, [*batch_b, *free_b, *summed_b])
    right = right.reshape([*lengths_batch, *missing_b, *(b.shape[k] for k in free_b), *summed])
    return _sum_of_products(code, Value(left, a.dtype), Value(right, b.dtype), outer, summed)


def _sum_of_products(code: Code, a: Value, b: Value, outer: tuple[int, ...], summed: tuple[int, ...]) -> Value:
    """The sum of `a * b` over the last axes, of lengths `summed`. Axes of length 1 are repeated."""
    count, size, dtype = math.prod(summed), math.prod(outer), a.dtype
    if count == 1:
        flat = [Value(x.cells.reshape(x.shape[: len(outer)]), x.dtype) for x in (a, b)]
        return code.each(dtype, outer, flat, lambda x: f"{x[0]} * {x[1]}")
    if size * count <= MAX_TERMS or (size <= MAX_SCALARS and count <= 4):
        left, right = (np.broadcast_to(x.cells, (*outer, *summed)).reshape(size, count).tolist() for x in (a, b))
        text = code.memory.text
        sums = [
            " + ".join(f"{text(x)} * {text(y)}" for x, y in zip(*pair, strict=True))
            for pair in zip(left, right, strict=True)
        ]
        return Value(np.array([code.scalar(s, dtype) for s in sums], np.int64).reshape(outer), dtype)
    A, B = code.access(a), code.access(b)
    out = row_major(outer)
    inner = next((k for k in reversed(range(len(outer))) if outer[k] > 1), None)
    if inner is not None and (A.strides[inner] == 1 or B.strides[inner] == 1) and outer[inner] >= CHAINS:
        return code.array(_by_columns(A, B, outer, summed, inner, out, dtype), outer, dtype)
    return code.array(_by_rows(A, B, outer, summed, out, dtype), outer, dtype)


def _by_columns(A, B, outer, summed, inner, out, dtype) -> list[str]:
    """Add one term to all entries of the last axis at a time, so that the innermost loop walks through memory."""
    rest = tuple(1 if k == inner else n for k, n in enumerate(outer))
    n, last, first = outer[inner], index(len(outer) + len(summed)), len(outer)

    def body(o: list[str]) -> list[str]:
        o = [last if k == inner else i for k, i in enumerate(o)]
        place, head = entry(out, o), f"for (int {last} = 0; {last} < {n}; {last}++)"

        def terms(s: list[str]) -> list[str]:
            return [head, f"    {place} += {A.text([*o, *s])} * {B.text([*o, *s])};"]

        zero = "0.0F" if dtype == np.float32 else "0.0"
        return [head, f"    {place} = {zero};", *loops(summed, terms, first)]

    return loops(rest, body)


def _by_rows(A, B, outer, summed, out, dtype) -> list[str]:
    """One scalar product for each entry."""
    t, zero, first = c_type(dtype), "0.0F" if dtype == np.float32 else "0.0", len(outer)
    count = summed[-1]
    split = len(summed) == 1 and count % CHAINS == 0 and count > CHAINS

    def body(o: list[str]) -> list[str]:
        place = entry(out, o)
        if not split:
            add = loops(summed, lambda s: [f"sum += {A.text([*o, *s])} * {B.text([*o, *s])};"], first)
            return [f"{t} sum = {zero};", *add, f"{place} = sum;"]
        k = index(first)
        names = [f"sum{c}" for c in range(CHAINS)]
        adds = [
            f"    {name} += {A.text([*o, at])} * {B.text([*o, at])};"
            for name, at in zip(names, [k, *(f"({k} + {c})" for c in range(1, CHAINS))], strict=True)
        ]
        return [
            f"{t} {', '.join(f'{name} = {zero}' for name in names)};",
            f"for (int {k} = 0; {k} < {count}; {k} += {CHAINS}) {{",
            *adds,
            "}",
            f"{place} = (sum0 + sum1) + (sum2 + sum3);",
        ]

    lines = loops(outer, body)
    alone = all(n == 1 for n in outer)
    return ["{", *("    " + line for line in lines), "}"] if alone else lines


def reduced(code: Code, name: str, x: Value, axes: tuple[int, ...]) -> Value | None:
    """`reduce_sum` and its kin; `None` for others."""
    operation = name.removeprefix("reduce_")
    operation = {"sum": "add", "prod": "mul"}.get(operation, operation)
    kept = [k for k in range(x.cells.ndim) if k not in axes]
    outer = tuple(x.shape[k] for k in kept)
    rows = np.transpose(x.cells, [*kept, *axes]).reshape(*outer, -1)
    real = np.issubdtype(x.dtype, np.floating)
    if operation not in ("add", "mul", "max", "min", "and", "or") or (operation in ("max", "min") and not real):
        return None
    if operation == "add" and rows.shape[-1] > MAX_SCALARS:
        one = code.memory.constant(np.ones((), x.dtype))
        ones = Value(np.broadcast_to(one.cells, rows.shape), x.dtype)
        return _sum_of_products(code, Value(rows, x.dtype), ones, outer, rows.shape[-1:])
    # A tree of pairs, so that few roundings follow each other.
    parts = [Value(np.asarray(rows[..., k]), x.dtype) for k in range(rows.shape[-1])]
    while len(parts) > 1:
        pairs = zip(parts[::2], parts[1::2], strict=False)
        joined = [
            code.each(x.dtype, outer, pair, lambda e: expression(operation, x.dtype, {}, e, x.dtype) or "")
            for pair in pairs
        ]
        parts = joined + parts[len(parts) - len(parts) % 2 :]
    return parts[0] if parts else None


def cholesky(code: Code, matrix: Value) -> Value:
    """The lower-triangular factor. A matrix that is not positive definite gives NaN."""
    n, A, dtype = matrix.shape[-1], code.access(matrix), matrix.dtype
    t, zero = c_type(dtype), "0.0F" if dtype == np.float32 else "0.0"
    lines = [
        f"for (int i = 0; i < {n}; i++) {{",
        f"    for (int j = 0; j < {n}; j++) {{",
        f"        {t} rest = {A.text('ij')};",
        "        for (int k = 0; k < j && j <= i; k++)",
        f"            rest -= {OUT}[{n} * i + k] * {OUT}[{n} * j + k];",
        "        if (j < i)",
        f"            {OUT}[{n} * i + j] = rest / {OUT}[{n} * j + j];",
        "        else if (j > i)",
        f"            {OUT}[{n} * i + j] = {zero};",
        "        else",
        f"            {OUT}[{n} * i + j] = rest > 0 ? {function('sqrt', dtype)}(rest) : ({t})NAN;",
        "    }",
        "}",
    ]
    return code.array(lines, matrix.shape, dtype)


def triangular_solve(code: Code, matrix: Value, right: Value, params: dict[str, Any]) -> Value:
    """The solution of a triangular system with several right-hand sides, by substitution."""
    a, b = matrix, right
    if params["transpose_a"]:
        a = Value(np.swapaxes(a.cells, -1, -2), a.dtype)
    lower = params["lower"] != params["transpose_a"]
    if not params["left_side"]:  # x a = b is a^T x^T = b^T
        a, b = Value(a.cells.T, a.dtype), Value(b.cells.T, b.dtype)
        lower = not lower
    n, columns = b.shape
    A, B = code.access(a), code.access(b)
    row = "r" if lower else f"({n - 1} - r)"
    known = f"int k = 0; k < {row}; k++" if lower else f"int k = {row} + 1; k < {n}; k++"
    diagonal = "" if params["unit_diagonal"] else f" / {A.text([row, row])}"
    t = c_type(b.dtype)
    solve = [
        f"for (int r = 0; r < {n}; r++) {{",
        f"    {t} rest = {B.text([row, 'c'])};",
        f"    for ({known})",
        f"        rest -= {A.text([row, 'k'])} * {OUT}[{columns} * k + c];",
        f"    {OUT}[{columns} * {row} + c] = rest{diagonal};",
        "}",
    ]
    lines = [f"for (int c = 0; c < {columns}; c++) {{", *("    " + line for line in solve), "}"]
    out = code.array(lines, b.shape, b.dtype)
    return out if params["left_side"] else Value(out.cells.T, out.dtype)


def solve(code: Code, matrix: Value, right: Value) -> Value:
    """The solution of a regular system with several right-hand sides, by elimination with partial pivoting."""
    n, columns = right.shape
    A, B, dtype = code.access(matrix), code.access(right), matrix.dtype
    t, fabs, width = c_type(dtype), function("fabs", dtype), n + columns
    lines = [  # the rows of [A, b], of which A becomes upper triangular and b the solution
        f"for (int i = 0; i < {n}; i++) {{",
        f"    for (int j = 0; j < {n}; j++)",
        f"        {OUT}[{width} * i + j] = {A.text('ij')};",
        f"    for (int c = 0; c < {columns}; c++)",
        f"        {OUT}[{width} * i + {n} + c] = {B.text('ic')};",
        "}",
        f"for (int k = 0; k < {n}; k++) {{",
        "    int pivot = k;",
        f"    for (int i = k + 1; i < {n}; i++)",
        f"        if ({fabs}({OUT}[{width} * i + k]) > {fabs}({OUT}[{width} * pivot + k]))",
        "            pivot = i;",
        f"    for (int j = 0; j < {width}; j++) {{",
        f"        const {t} held = {OUT}[{width} * k + j];",
        f"        {OUT}[{width} * k + j] = {OUT}[{width} * pivot + j];",
        f"        {OUT}[{width} * pivot + j] = held;",
        "    }",
        f"    for (int i = k + 1; i < {n}; i++) {{",
        f"        const {t} ratio = {OUT}[{width} * i + k] / {OUT}[{width} * k + k];",
        f"        for (int j = k; j < {width}; j++)",
        f"            {OUT}[{width} * i + j] -= ratio * {OUT}[{width} * k + j];",
        "    }",
        "}",
        f"for (int c = {n}; c < {width}; c++)",
        f"    for (int i = {n - 1}; i >= 0; i--) {{",
        f"        for (int k = i + 1; k < {n}; k++)",
        f"            {OUT}[{width} * i + c] -= {OUT}[{width} * i + k] * {OUT}[{width} * k + c];",
        f"        {OUT}[{width} * i + c] /= {OUT}[{width} * i + i];",
        "    }",
    ]
    rows = code.array(lines, (n, width), dtype)
    return Value(rows.cells[:, n:], dtype)


def eigenvalues(code: Code, matrix: Value) -> tuple[Value, Value]:
    """Eigenvectors, in columns, and eigenvalues, the smallest first, of a symmetric matrix.

    Jacobi's method (Golub and Van Loan 2013, section 8.5), row by row, until no rotation changes the diagonal.
    """
    n, A, dtype = matrix.shape[-1], code.access(matrix), matrix.dtype
    t, zero, one, half = c_type(dtype), *(number(x, dtype) for x in ("0.0", "1.0", "0.5"))
    sqrt, fabs = function("sqrt", dtype), function("fabs", dtype)
    v, w = f"{OUT} + {n * n}", f"{OUT} + {2 * n * n}"

    def rotated(array: str, first: str, second: str) -> list[str]:
        return [
            f"const {t} x = {array}[{first}], y = {array}[{second}];",
            f"{array}[{first}] = c * x - s * y;",
            f"{array}[{second}] = s * x + c * y;",
        ]

    def turn(array: str, first: str, second: str) -> list[str]:
        lines = [f"for (int k = 0; k < {n}; k++) {{", *("    " + x for x in rotated(array, first, second)), "}"]
        return ["            " + line for line in lines]

    lines = [
        "{",
        f"{t} *const a = {OUT}, *const v = {v}, *const w = {w};",
        f"for (int i = 0; i < {n}; i++)",
        f"    for (int j = 0; j < {n}; j++) {{",
        f"        a[{n} * i + j] = {A.text('ij')};",
        f"        v[{n} * i + j] = i == j ? {one} : {zero};",
        "    }",
        f"for (int sweep = 0, turned = 1; turned && sweep < {MAX_SWEEPS}; sweep++) {{",
        "    turned = 0;",
        f"    for (int p = 0; p < {n}; p++)",
        f"        for (int q = p + 1; q < {n}; q++) {{",
        f"            const {t} off = {fabs}(a[{n} * p + q]), size = {fabs}(a[{n} * p + p]) + {fabs}(a[{n} * q + q]);",
        f"            if (!(size + {half} * off > size || off > size))",
        "                continue;",
        "            turned = 1;",
        f"            const {t} h = {half} * (a[{n} * q + q] - a[{n} * p + p]) / a[{n} * p + q];",
        f"            const {t} tangent = (h < 0 ? -{one} : {one}) / ({fabs}(h) + {sqrt}(h * h + {one}));",
        f"            const {t} c = {one} / {sqrt}(tangent * tangent + {one}), s = tangent * c;",
        *turn("a", f"{n} * p + k", f"{n} * q + k"),
        *turn("a", f"{n} * k + p", f"{n} * k + q"),
        *turn("v", f"{n} * k + p", f"{n} * k + q"),
        "        }",
        "}",
        f"for (int i = 0; i < {n}; i++)",
        f"    w[i] = a[{n} * i + i];",
        f"for (int i = 0; i < {n}; i++)",
        f"    for (int j = i + 1; j < {n}; j++)",
        "        if (w[j] < w[i]) {",
        f"            const {t} held = w[i];",
        "            w[i] = w[j];",
        "            w[j] = held;",
        f"            for (int k = 0; k < {n}; k++) {{",
        f"                const {t} x = v[{n} * k + i];",
        f"                v[{n} * k + i] = v[{n} * k + j];",
        f"                v[{n} * k + j] = x;",
        "            }",
        "        }",
        "}",
    ]
    cells = code.array(lines, (2 * n * n + n,), dtype).cells
    return Value(cells[n * n : 2 * n * n].reshape(n, n), dtype), Value(cells[2 * n * n :], dtype)
