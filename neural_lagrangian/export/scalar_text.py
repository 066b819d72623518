"""The elementwise operations of JAX, each as an expression in C."""

from collections.abc import Callable
from typing import Any

import numpy as np

MAX_UNROLLED_POWER = 8
"""Largest integer power that is written as products."""

SAME_NAME = [
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "exp",
    "exp2",
    "log",
    "log1p",
    "expm1",
    "sqrt",
    "cbrt",
    "floor",
    "ceil",
    "erf",
    "erfc",
]
"""Functions of one number that have the same name in C."""

INFIX = {
    **{"add": "+", "add_any": "+", "sub": "-", "mul": "*", "div": "/"},
    **{"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="},
}
LOGICAL = {"and": "&&", "or": "||", "xor": "!="}

C_TYPES = {
    **{"float32": "float", "float64": "double", "bool": "int", "int8": "signed char", "int32": "int"},
    **{"int64": "long long", "uint8": "unsigned char", "uint32": "unsigned int"},
}
"""The types of numbers that a C program can hold, each of the size that it has in JAX."""

Writer = Callable[[np.dtype, dict[str, Any], list[str]], str | None]
"""From the type of the result, the parameters and the operands, to the expression; `None` if there is none."""


def expression(name: str, dtype: np.dtype, params: dict[str, Any], x: list[str], of: np.dtype) -> str | None:
    """An elementwise operation in C; `None` if there is none.

    **Arguments:**

    - `name`, `params`: the operation of JAX and its parameters.
    - `dtype`: type of the result. `of`: type of the first operand.
    - `x`: the operands, in C.
    """
    real = np.issubdtype(of, np.floating)
    if name in INFIX:
        division_of_integers = name == "div" and not real
        return None if division_of_integers else f"{x[0]} {INFIX[name]} {x[1]}"
    if name in LOGICAL:
        return f"{x[0]} {LOGICAL[name]} {x[1]}" if of == np.bool_ else None
    if name == "not":
        return f"!{x[0]}" if of == np.bool_ else None
    if name == "neg":
        return f"-{x[0]}"
    if name == "convert_element_type":
        return f"{x[0]} != 0" if dtype == np.bool_ else f"({c_type(dtype)}){x[0]}"
    if name == "select_n":
        return f"{x[0]} ? {x[2]} : {x[1]}" if len(x) == 3 else None
    writer = REAL.get(name) if real else None
    return None if writer is None else writer(of, params, x)


def c_type(dtype: np.dtype) -> str:
    """The name of a type in C."""
    return C_TYPES[np.dtype(dtype).name]


def c_bytes(dtype: np.dtype) -> int:
    """The memory of a number in C."""
    return np.dtype(np.int32 if dtype == np.bool_ else dtype).itemsize


def declared(dtype: np.dtype) -> str:
    """The declaration of a variable that does not change."""
    return f"const {c_type(dtype)}"


def function(name: str, dtype: np.dtype) -> str:
    """The name of a function of `math.h` for a type."""
    return f"{name}f" if dtype == np.float32 else name


def number(value: str, dtype: np.dtype) -> str:
    """A literal such as `1.0` of a type."""
    return f"{value}F" if dtype == np.float32 else value


def _integer_power(dtype: np.dtype, params: dict[str, Any], x: list[str]) -> str:
    y = params["y"]
    if not 0 < abs(y) <= MAX_UNROLLED_POWER:
        return f"{function('pow', dtype)}({x[0]}, {number(f'{y}.0', dtype)})"
    product = " * ".join([x[0]] * abs(y))
    return product if y > 0 else f"{number('1.0', dtype)} / ({product})"


def _reduced_precision(dtype: np.dtype, params: dict[str, Any], x: list[str]) -> str | None:
    """The nearest power of two: the only reduction of precision that the package needs."""
    info = np.finfo(dtype)
    if params["exponent_bits"] != info.nexp or params["mantissa_bits"] not in (0, info.nmant):
        return None
    return x[0] if params["mantissa_bits"] else f"{POWER_OF_TWO}({x[0]})"


def _call(name: str) -> Writer:
    return lambda dtype, params, x: f"{function(name, dtype)}({', '.join(x)})"


def _extreme(sign: str) -> Writer:
    """Maximum or minimum. The result is NaN if one operand is, as in JAX and unlike `fmax`."""
    return lambda dtype, params, x: f"({x[0]} {sign} {x[1]} || {x[0]} != {x[0]}) ? {x[0]} : {x[1]}"


REAL: dict[str, Writer] = {name: _call(name) for name in SAME_NAME} | {
    "abs": _call("fabs"),
    "pow": _call("pow"),
    "atan2": _call("atan2"),
    "rem": _call("fmod"),
    "nextafter": _call("nextafter"),
    "max": _extreme(">"),
    "min": _extreme("<"),
    "integer_pow": _integer_power,
    "reduce_precision": _reduced_precision,
    "square": lambda dtype, params, x: f"{x[0]} * {x[0]}",
    "rsqrt": lambda dtype, params, x: f"{number('1.0', dtype)} / {function('sqrt', dtype)}({x[0]})",
    "logistic": lambda dtype, params, x: (
        f"{number('1.0', dtype)} / ({number('1.0', dtype)} + {function('exp', dtype)}(-{x[0]}))"
    ),
    "sign": lambda dtype, params, x: f"{x[0]} != {x[0]} ? {x[0]} : ({c_type(dtype)})(({x[0]} > 0) - ({x[0]} < 0))",
    "is_finite": lambda dtype, params, x: f"isfinite({x[0]}) != 0",
    "clamp": lambda dtype, params, x: (
        f"({x[2]} < {x[0]} || {x[1]} > {x[2]}) && {x[1]} == {x[1]} ? {x[2]} : ({x[1]} < {x[0]} ? {x[0]} : {x[1]})"
    ),
}
"""Operations on real numbers that are not infix."""

POWER_OF_TWO = "nearest_power_of_two"
"""Name of the helper function that rounds to a power of two."""


def helper(dtype: np.dtype) -> str:
    """The source of the helper function."""
    t, half = c_type(dtype), number("0.75", dtype)
    return f"""static {t} {POWER_OF_TWO}({t} x)
{{
    int exponent;
    const {t} fraction = {function("frexp", dtype)}({function("fabs", dtype)}(x), &exponent);
    const {t} power = {function("ldexp", dtype)}({number("1.0", dtype)}, fraction > {half} ? exponent : exponent - 1);
    return x == 0 || !isfinite(x) ? x : {function("copysign", dtype)}(power, x);
}}"""
