"""Options that several commands share: how they are declared, checked, and written in messages."""

import argparse
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..identification import Remark, UsageError

COLUMNS = (
    "dof",
    "time",
    "coordinates",
    "velocities",
    "trajectory",
    "units",
    "angles",
    "gap",
    "parameters",
    "observations",
    "controls",
    "tracked",
)
"""Options for the columns of a recording. `inspect` and `identify` take them as arguments of the same names."""
OPTIONS = {name: f"--{name}" for name in (*COLUMNS, "resume", "start", "until", "step", "output", "anyway")} | {
    "folder": "--output",
    "identify": "`fit`",
}
"""Names on the command line, by the names of the Python arguments and functions in messages."""
_NAMED = re.compile(f"`({'|'.join(OPTIONS)})`")


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add the options that declare the columns of a recording."""
    group = parser.add_argument_group(
        "the recording",
        "By default names, units and values of the columns tell which are time, coordinates and velocities.",
    )
    group.add_argument(
        "--dof",
        type=parse_count,
        metavar="N",
        help="number of degrees of freedom: so many columns beside the time are coordinates, the next their velocities",
    )
    group.add_argument("--time", metavar="COLUMN", help="column of times")
    group.add_argument("--coordinates", nargs="+", metavar="COLUMN", help="columns of the coordinates")
    group.add_argument(
        "--velocities",
        nargs="*",
        metavar="COLUMN",
        help="columns of the velocities; without a name, velocities are estimated from the coordinates",
    )
    group.add_argument("--trajectory", metavar="COLUMN", help="column that numbers or names the trajectories")
    group.add_argument(
        "--units",
        nargs="+",
        type=_parse_unit,
        default=[],
        metavar="COLUMN=UNIT",
        help="units of columns, such as t=ms theta=deg (default: units in the headings, or SI)",
    )
    group.add_argument(
        "--angles",
        nargs="*",
        metavar="COLUMN",
        help="coordinates that are angles (default: those in units of angle, and of those without a unit the ones with "
        "which a known system describes the motion); without a name, there are none",
    )
    group.add_argument(
        "--gap",
        type=parse_positive,
        metavar="SECONDS",
        help="longest interval that is not a gap (default: 7 times the usual interval around it)",
    )
    group.add_argument(
        "--parameters",
        nargs="+",
        metavar="COLUMN",
        help="columns of known parameters of the system, such as a length, that differ between the trajectories",
    )
    _add_views(group)


def _add_views(group: Any) -> None:
    """Add the options that declare columns which are not coordinates: those of sensors, controls and tracked points."""
    group.add_argument(
        "--observations",
        nargs="+",
        type=_parse_observation,
        default=[],
        metavar="COLUMN=KIND:COORDINATE",
        help="columns that see the position, velocity, acceleration, sine or cosine of a coordinate, such as "
        "gyro=velocity:theta, or of a sum or difference, such as elbow=position:b-a; gain, offset, delay and noise of "
        "each sensor are found with the model",
    )
    group.add_argument(
        "--controls",
        nargs="+",
        metavar="COLUMN",
        help="columns of signals that drive the motion, such as motor torques or voltages; the gain of each at each "
        "joint is found with the model",
    )
    group.add_argument(
        "--tracked",
        nargs="*",
        type=_parse_tracked,
        metavar="NAME=X,Y",
        help="angles of points in a video, such as theta=x,y for a point that moves on a circle, or theta2=x1,y1,x2,y2 "
        "for the line from a joint to a point; without a name, there are none",
    )


def add_parameters(parser: argparse.ArgumentParser) -> None:
    """Add the option that gives the parameters of one system."""
    parser.add_argument(
        "--parameters",
        nargs="+",
        type=_parse_value,
        metavar="NAME=VALUE",
        help="parameters of the system, such as length=0.5, for a model of many systems; in the units of its recording",
    )


def add_signal(parser: argparse.ArgumentParser) -> None:
    """Add the option that gives the controls of a prediction."""
    parser.add_argument(
        "--controls",
        nargs="+",
        metavar="FILE|NAME=VALUE",
        help="for a model of driven motion: a file with the columns of time and controls, or constant controls",
    )


def signal_given(asked: argparse.Namespace) -> dict[str, float] | str | None:
    """The value of the option of `add_signal`: a file, or constants by name."""
    given: list[str] | None = asked.controls
    if given is None:
        return None
    if len(given) == 1 and ("=" not in given[0] or Path(given[0]).is_file()):
        return given[0]
    try:
        return dict(map(_parse_value, given))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"`controls` {error}, or one file") from None


def parameters_given(asked: argparse.Namespace) -> dict[str, float] | None:
    """The values of the option of `add_parameters` by name."""
    return None if asked.parameters is None else dict(asked.parameters)


def columns_given(asked: argparse.Namespace) -> dict[str, Any]:
    """The values of the options of `add_columns`, as Python arguments."""
    by_column = {name: dict(getattr(asked, name)) or None for name in ("units", "observations")}
    by_column["tracked"] = None if asked.tracked is None else dict(asked.tracked)
    return {name: getattr(asked, name) for name in COLUMNS} | by_column


def in_options(message: Any) -> str:
    """Rewrite a remark, a message or an error: options take the place of Python arguments."""
    if isinstance(message, Exception) and message.args and isinstance(message.args[0], Remark):
        message = message.args[0]
    text = message.with_options(_option, " ") if isinstance(message, Remark) else str(message)
    return _NAMED.sub(lambda match: OPTIONS[match[1]], text)


def _option(name: str, value: Any) -> str:
    """An option with its value, as a user types it."""
    if isinstance(value, Mapping):
        value = [f"{name}={said if isinstance(said, str) else ','.join(said)}" for name, said in value.items()]
    values = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return " ".join([f"--{name}", *values])


def parse_count(text: str) -> int:
    """Parse an integer of at least 1."""
    try:
        value = int(text)
    except ValueError:  # not a number: refused below, in our words
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"is {text.strip()!r}; expected a positive integer")
    return value


def parse_finite(text: str) -> float:
    """Parse a number that is neither infinite nor NaN."""
    try:
        value = float(text)
    except ValueError:  # not a number: refused below, in our words
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"is {text.strip()!r}; expected a finite number")
    return value


def parse_positive(text: str) -> float:
    """Parse a number above zero."""
    value = parse_finite(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"is {text.strip()!r}; expected a positive number")
    return value


def _parse_value(text: str) -> tuple[str, float]:
    """Parse a parameter and its value, from `NAME=VALUE`."""
    name, separator, value = text.rpartition("=")
    if not (name and separator and value):
        raise argparse.ArgumentTypeError(f"is {text.strip()!r}; expected NAME=VALUE, such as length=0.5")
    return name, parse_finite(value)


def _pair(text: str, expected: str, *, mark: str = "") -> tuple[str, str]:
    """A column and what is said of it, from `COLUMN=WORDS`. `expected`: what an error names. `mark`: in the words."""
    column, separator, words = text.partition("=")
    if not (column and separator and words and mark in words):
        raise argparse.ArgumentTypeError(f"is {text.strip()!r}; expected {expected}")
    return column, words


def _parse_unit(text: str) -> tuple[str, str]:
    """Parse a column and its unit, from `COLUMN=UNIT`."""
    return _pair(text, "COLUMN=UNIT, such as theta=deg")


def _parse_observation(text: str) -> tuple[str, str]:
    """Parse a column and what it sees, from `COLUMN=KIND:COORDINATE`."""
    return _pair(text, "COLUMN=KIND:COORDINATE, such as gyro=velocity:theta", mark=":")


def _parse_tracked(text: str) -> tuple[str, list[str]]:
    """Parse a tracked coordinate and the columns of its points, from `NAME=X,Y`."""
    name, columns = _pair(text, "NAME=X,Y, such as theta=x,y", mark=",")
    return name, [column.strip() for column in columns.split(",")]
