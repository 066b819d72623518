"""Options that several commands share, the values that they take, and how they stand in messages."""

import argparse
import math
import re
from collections.abc import Mapping
from typing import Any

from ..identification import Remark

COLUMNS = ("dof", "time", "coordinates", "velocities", "trajectory", "units", "angles", "gap")
"""Options that say which columns of a recording are what; they are arguments of the same name in Python."""
OPTIONS = {name: f"--{name}" for name in (*COLUMNS, "resume", "start", "until", "step", "output", "anyway")} | {
    "folder": "--output",
    "identify": "`fit`",
}
"""What stands here for the arguments and functions of Python that messages name."""
_NAMED = re.compile(f"`({'|'.join(OPTIONS)})`")


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Options that declare the columns of a recording. Without them the order of the columns decides."""
    group = parser.add_argument_group(
        "the recording",
        "By default the first column is time, the next ones are coordinates, and the next ones their velocities.",
    )
    group.add_argument("--dof", type=positive_integer, metavar="N", help="degrees of freedom")
    group.add_argument("--time", metavar="COLUMN", help="column of times")
    group.add_argument("--coordinates", nargs="+", metavar="COLUMN", help="columns of the coordinates")
    group.add_argument(
        "--velocities",
        nargs="*",
        metavar="COLUMN",
        help="columns of the velocities; with no column, velocities are estimated from the coordinates",
    )
    group.add_argument("--trajectory", metavar="COLUMN", help="column that numbers or names the trajectories")
    group.add_argument(
        "--units",
        nargs="+",
        type=_unit,
        default=[],
        metavar="COLUMN=UNIT",
        help="units of columns, such as t=ms theta=deg (default: units in the headings, or SI)",
    )
    group.add_argument(
        "--angles",
        nargs="*",
        metavar="COLUMN",
        help="coordinates that are angles (default: those in units of angle); with no column, there are none",
    )
    group.add_argument(
        "--gap",
        type=positive,
        metavar="SECONDS",
        help="longest interval that is not a gap (default: 7 times the usual interval around it)",
    )


def columns_given(asked: argparse.Namespace) -> dict[str, Any]:
    """The options of `add_columns` as arguments in Python."""
    return {name: getattr(asked, name) for name in COLUMNS} | {"units": dict(asked.units) or None}


def in_options(message: Any) -> str:
    """A remark, a message or an error of the identification in words of the command line."""
    if isinstance(message, Exception) and message.args and isinstance(message.args[0], Remark):
        message = message.args[0]
    text = message.with_options(_option, " ") if isinstance(message, Remark) else str(message)
    return _NAMED.sub(lambda match: OPTIONS[match[1]], text)


def _option(name: str, value: Any) -> str:
    """An option with its value, as it is typed."""
    if isinstance(value, Mapping):
        value = [f"{column}={unit}" for column, unit in value.items()]
    return " ".join([f"--{name}", *(value if isinstance(value, list) else [])])


def positive_integer(text: str) -> int:
    """An integer of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"is {value}; expected at least 1")
    return value


def finite(text: str) -> float:
    """A number that is neither infinite nor NaN."""
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"is {value}; expected a finite number")
    return value


def positive(text: str) -> float:
    """A number above zero."""
    value = finite(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"is {value}; expected a positive number")
    return value


def _unit(text: str) -> tuple[str, str]:
    column, separator, unit = text.partition("=")
    if not (column and separator and unit):
        raise argparse.ArgumentTypeError(f"is {text!r}; expected COLUMN=UNIT, such as theta=deg")
    return column, unit
