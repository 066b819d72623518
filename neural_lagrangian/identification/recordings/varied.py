"""Parameters that differ between the runs of a recording: their names, units and trained ranges."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...trajectories import Trajectories, heading_of
from ..faults import UsageError
from .columns import Columns


class Varied(NamedTuple):
    """A parameter that differs between the runs. Its values are in the unit of the recording, and never converted.

    `unit`: as in the recording; empty if it is not known. `least`, `most`: its range in the training set.
    """

    name: str
    unit: str
    least: float
    most: float

    @property
    def centre(self) -> float:
        """The middle of the range."""
        return (self.least + self.most) / 2

    @property
    def half_range(self) -> float:
        """Half of the range. Networks get the distance from the centre in this unit, between -1 and 1."""
        return (self.most - self.least) / 2

    @property
    def title(self) -> str:
        """Name and unit."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name

    def __str__(self) -> str:
        return f"{self.title} from {self.least:.4g} to {self.most:.4g}"

    @property
    def settings(self) -> dict[str, Any]:
        """The unit and the range, for the settings of a model."""
        return {"unit": self.unit, "least": self.least, "most": self.most}


def varied_of(train: Trajectories, columns: Columns) -> tuple[Varied, ...]:
    """The parameters of a training set, with their ranges."""
    known = train.parameters or {}
    return tuple(
        Varied(name, columns.units.get(name, ""), float(known[name].min()), float(known[name].max()))
        for name in columns.parameters
    )


def read_varied(settings: Mapping[str, Any], columns: Columns) -> tuple[Varied, ...]:
    """The parameters in the settings of a model; none in those of earlier versions.

    **Raises:** `ValueError`, `KeyError` or `TypeError` for damaged settings.
    """
    stored = settings.get("parameters", {})
    varied = tuple(
        Varied(name, str(stored[name]["unit"]), float(stored[name]["least"]), float(stored[name]["most"]))
        for name in columns.parameters
    )
    for one in varied:
        if not 0 < one.half_range < np.inf:
            raise ValueError(f"the range of the parameter {one.name!r} is {one.least} to {one.most}")
    if len(stored) != len(varied):
        raise ValueError(f"`parameters` are {', '.join(stored)}; expected {', '.join(columns.parameters) or 'none'}")
    return varied


def values_of(given: Mapping[str, float], varied: Sequence[Varied], folder: object) -> dict[str, float]:
    """The values of all parameters of a model by name.

    A heading such as `mass (kg)`, whose unit is not known, may be called `mass`.

    **Arguments:**

    - `folder`: the folder of the model, for the error.

    **Raises:** `UsageError` for missing or unknown names, for a value that is not one finite number, and for values of
    a model without parameters.
    """
    if not varied:
        named = ", ".join(map(str, given)) or "empty"
        raise UsageError(f"`parameters` are {named}, but {folder} was learned from one system; leave them out")
    short = {heading_of(one.name).base: one.name for one in varied}
    values = {short.get(name, name): value for name, value in given.items()}
    names = [one.name for one in varied]
    expected = f"{folder} was trained with {', '.join(map(str, varied))}"
    if unknown := [name for name in values if name not in names]:
        raise UsageError(f"`parameters` has {unknown[0]!r}, which is unknown; {expected}")
    if missing := [name for name in names if name not in values]:
        raise UsageError(f"`parameters` lacks {missing[0]!r}; {expected}")
    for name, value in values.items():
        if np.ndim(value) or not np.isfinite(value):
            raise UsageError(f"`parameters` has {name!r} = {value!r}; expected one finite number")
    return {name: float(values[name]) for name in names}


def beyond(values: Mapping[str, np.ndarray | float], varied: Sequence[Varied]) -> list[str]:
    """Sentences: which values lie outside of the trained ranges, and the farthest one of each parameter."""
    found = []
    for one in varied:
        each = np.ravel(values[one.name])
        farthest = each[np.argmax(abs(each - one.centre))]
        if not abs(farthest - one.centre) <= one.half_range * (1 + 1e-6):  # the ranges may be in single precision
            said = assigned({one.name: farthest}, [one])
            found.append(f"{said} lies outside of the training data of the model: trained on {one}")
    return found


def assigned(values: Mapping[str, float], varied: Sequence[Varied]) -> str:
    """The values with their units, as text."""
    return ", ".join(f"{one.name} = {values[one.name]:.6g}{one.unit and ' '}{one.unit}" for one in varied)
