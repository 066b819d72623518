"""Channels: columns of a recording that are not coordinates, but other views of the state."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from ...trajectories import QuantityName, measures_angle, si_factor
from ..faults import UsageError

ChannelKind = Literal["position", "velocity", "acceleration", "sine", "cosine"]
"""What a channel sees of a coordinate, or of a sum or difference of coordinates."""
OF_ANGLES = ("sine", "cosine")
"""Kinds that see angles only. Their values are positions, such as those of a bob in an image."""
RATE = {"velocity": "/s", "acceleration": "/s^2"}
"""What follows the unit of a position in the unit of a channel."""


class Channel(NamedTuple):
    """A column that sees a coordinate, or a sum or difference of coordinates, with gain, offset, delay and noise.

    `terms` are the coordinates with their signs, 1 or -1. `str` gives the form in which it is declared, such as
    `velocity:theta` or `position:b-a`.
    """

    kind: ChannelKind
    terms: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        return f"{self.kind}:{self.sum()}"

    @property
    def title(self) -> str:
        """What it sees, in words."""
        return f"{self.kind} of {self.sum(' ')}"

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the coordinates that it sees."""
        return tuple(name for name, _ in self.terms)

    def sum(self, space: str = "") -> str:
        """The coordinates with their signs, and `space` around each sign."""
        (first, _), *others = self.terms
        return first + "".join(f"{space}{'+' if sign > 0 else '-'}{space}{name}" for name, sign in others)

    def of(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """The sum with signs of an array for each coordinate."""
        return np.sum([sign * values[name] for name, sign in self.terms], axis=0)

    def unit(self, recorded: str | None) -> str:
        """The SI unit of the values of a channel, from its unit in the recording; empty if this is not known."""
        if recorded is None:
            return ""
        return f"{'rad' if measures_angle(recorded) else 'm'}{RATE.get(self.kind, '')}"

    def factor(self, recorded: str | None) -> float:
        """The factor from the unit in the recording to the SI unit; one if the unit is not known."""
        quantity: QuantityName = "position" if self.kind in OF_ANGLES else self.kind  # pyright: ignore[reportAssignmentType]
        return 1.0 if recorded is None else si_factor(recorded, quantity)


def channel_of(column: str, declared: Any, coordinates: Sequence[str], texts: Mapping[str, str]) -> Channel:
    """What a column sees, from its declaration `KIND:COORDINATE`; the coordinate may be a sum, as in `position:b-a`.

    **Arguments:**

    - `texts`: the names of columns by their headings, with and without the unit.

    **Raises:** `UsageError` for another form, an unknown kind, an unknown coordinate, a coordinate that is named twice,
    and a text that can be read in two ways.
    """
    kind, separator, text = declared.partition(":") if isinstance(declared, str) else ("", "", "")
    if not separator:
        raise UsageError(
            f"`observations` says {declared!r} of {column!r}; expected what the column sees, as KIND:COORDINATE, such "
            f"as 'velocity:{coordinates[0]}'"
        )
    if kind not in get_args(ChannelKind):
        raise UsageError(
            f"`observations` says that {column!r} sees {kind!r}; expected {', '.join(get_args(ChannelKind))}. For "
            f"accelerometers on bodies that turn, and for images of several bodies, train an `observation.Observed` "
            f"model in Python (guide: How do I learn from sensors?)"
        )
    names = {name: name for name in coordinates} | {text: name for text, name in texts.items() if name in coordinates}
    found, says = list(_sums(text, names)), f"`observations` says that {column!r} sees the {kind} of {text!r}"
    if not found:
        raise UsageError(
            f"{says}; expected one of the coordinates, {', '.join(coordinates)}, or a sum or difference of them. If a "
            f"coordinate is not recorded, train an `observation.Observed` model in Python (guide: How do I learn from "
            f"sensors?)"
        )
    if len(found) > 1:
        raise UsageError(f"{says}, which may be a coordinate or a sum or difference of some; rename the columns")
    channel = Channel(kind, found[0])  # pyright: ignore[reportArgumentType]
    if len(set(channel.coordinates)) < len(channel.coordinates):
        raise UsageError(f"{says}; expected each coordinate once: the factor of a coordinate is the gain")
    return channel


def _sums(text: str, names: Mapping[str, str], sign: int = 1) -> Iterator[tuple[tuple[str, int], ...]]:
    """All ways to read a text as names with signs between them. A name may itself contain signs."""
    for written, name in names.items():
        rest = text.strip().removeprefix(written).strip()
        if not text.strip().startswith(written):
            continue
        if not rest:
            yield ((name, sign),)
        elif rest[0] in "+-":
            for others in _sums(rest[1:], names, 1 if rest[0] == "+" else -1):
                yield ((name, sign), *others)
