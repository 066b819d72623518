"""Channels: columns of a recording that are not coordinates, but other views of the state."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

from ...trajectories import measures_angle, si_factor
from ..faults import UsageError

ChannelKind = Literal["position", "velocity"]
"""What a channel sees of a coordinate."""
RATE = {"position": "", "velocity": "/s"}
"""What follows the unit of a coordinate in the unit of a channel."""


class Channel(NamedTuple):
    """A column that sees one coordinate: its position or its velocity, with gain, offset, delay and noise.

    `str` gives the form in which it is declared, such as `velocity:theta`.
    """

    kind: ChannelKind
    coordinate: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.coordinate}"

    @property
    def title(self) -> str:
        """What it sees, in words."""
        return f"{self.kind} of {self.coordinate}"

    def unit(self, recorded: str | None) -> str:
        """The SI unit of the values of a channel, from its unit in the recording; empty if this is not known."""
        if recorded is None:
            return ""
        return f"{'rad' if measures_angle(recorded) else 'm'}{RATE[self.kind]}"

    def factor(self, recorded: str | None) -> float:
        """The factor from the unit in the recording to the SI unit; one if the unit is not known."""
        return 1.0 if recorded is None else si_factor(recorded, self.kind)


def channel_of(column: str, declared: Any, coordinates: Sequence[str], texts: Mapping[str, str]) -> Channel:
    """What a column sees, from its declaration `KIND:COORDINATE`.

    **Arguments:**

    - `texts`: the names of columns by their headings, with and without the unit.

    **Raises:** `UsageError` for another form, an unknown kind or an unknown coordinate.
    """
    kind, separator, name = declared.partition(":") if isinstance(declared, str) else ("", "", "")
    if not separator:
        raise UsageError(
            f"`observations` says {declared!r} of {column!r}; expected what the column sees, as KIND:COORDINATE, such "
            f"as 'velocity:{coordinates[0]}'"
        )
    if kind not in get_args(ChannelKind):
        raise UsageError(
            f"`observations` says that {column!r} sees {kind!r}; expected {' or '.join(get_args(ChannelKind))}. For "
            f"accelerometers, gyroscopes on bodies and images train an `observation.Observed` model in Python (guide: "
            f"How do I learn from sensors?)"
        )
    coordinate = texts.get(name, name)
    if coordinate not in coordinates:
        raise UsageError(
            f"`observations` says that {column!r} sees the {kind} of {name!r}; expected one of the coordinates, "
            f"{', '.join(coordinates)}. If a coordinate is not recorded, train an `observation.Observed` model in "
            f"Python (guide: How do I learn from sensors?)"
        )
    return Channel(kind, coordinate)  # pyright: ignore[reportArgumentType]
