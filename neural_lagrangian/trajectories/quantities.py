"""What each named column of a recording measures, and in which unit."""

from collections.abc import Mapping, Sequence
from os import PathLike

from .errors import DataFileError
from .units import QuantityName, measures_angle, si_factor


def quantities_of(
    time: str,
    positions: Sequence[str],
    velocities: Sequence[str] | None,
    accelerations: Sequence[str] | None,
    controls: Sequence[str] | None,
    trajectory: str | None,
) -> dict[str, QuantityName]:
    """What each numeric column measures."""
    if isinstance(positions, str) or len(positions) == 0:
        raise ValueError(f"`positions` is {positions!r}; expected a sequence of names of columns")
    for argument, names in (("velocities", velocities), ("accelerations", accelerations)):
        if names is not None and (isinstance(names, str) or len(names) != len(positions)):
            raise ValueError(f"`{argument}` is {names!r}; expected {len(positions)} names, as `positions`")
    if controls is not None and (isinstance(controls, str) or len(controls) == 0):
        raise ValueError(f"`controls` is {controls!r}; expected a sequence of names of columns")
    named: dict[QuantityName, Sequence[str]] = {
        "time": [time],
        "position": positions,
        "velocity": velocities or [],
        "acceleration": accelerations or [],
        "control": controls or [],
    }
    names = [name for group in named.values() for name in group] + ([] if trajectory is None else [trajectory])
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"column {name!r} is named {names.count(name)} times; expected each to serve once")
    return {name: quantity for quantity, group in named.items() for name in group}


def si_factors(
    path: PathLike[str] | None, quantities: Mapping[str, QuantityName], units: Mapping[str, str] | None
) -> dict[str, float]:
    """Factors of the columns whose unit is declared."""
    units = units or {}
    factors = {}
    for name, unit in units.items():
        if name not in quantities:
            raise DataFileError(f"has a unit, {unit!r}, but is none of the columns named", path=path, column=name)
        if quantities[name] == "control":
            raise DataFileError(
                f"has a unit, {unit!r}; expected none, controls are read as they are", path=path, column=name
            )
        try:
            factors[name] = si_factor(unit, quantities[name])
        except DataFileError as error:  # which knows no place
            raise DataFileError(str(error), path=path, column=name) from None
    positions = [name for name, quantity in quantities.items() if quantity == "position"]
    for quantity in ("velocity", "acceleration"):
        rates = [name for name in quantities if quantities[name] == quantity]
        for q, rate in zip(positions, rates, strict=False):
            if q in units and rate in units and measures_angle(units[q]) != measures_angle(units[rate]):
                message = f"is in {units[rate]}, but {q!r}, whose {quantity} it is, in {units[q]}"
                raise DataFileError(message, path=path, column=rate)
    return factors
