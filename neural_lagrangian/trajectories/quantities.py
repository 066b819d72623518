"""Quantity (time, position, velocity, ...) and unit of each named column of a recording."""

from collections.abc import Mapping, Sequence
from os import PathLike

from .._checks import positive_integer
from .errors import DataFileError
from .units import QuantityName, measures_angle, si_factor


def quantities_of(
    time: str,
    positions: Sequence[str] | None,
    velocities: Sequence[str] | None,
    accelerations: Sequence[str] | None,
    controls: Sequence[str] | None,
    trajectory: str | None,
    parameters: Sequence[str] = (),
    readings: Sequence[str] = (),
) -> dict[str, QuantityName]:
    """The quantity of each named numeric column. `positions` may be `None` if there are `readings`."""
    positions = [] if positions is None and readings else positions
    if positions is None or isinstance(positions, str) or (len(positions) == 0 and not readings):
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
        "control": [*(controls or []), *parameters],  # in their own units
        "reading": readings,
    }
    names = [name for group in named.values() for name in group] + ([] if trajectory is None else [trajectory])
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"column {name!r} is named {names.count(name)} times; expected each column once")
    return {name: quantity for quantity, group in named.items() for name in group}


def si_factors(
    path: PathLike[str] | None, quantities: Mapping[str, QuantityName], units: Mapping[str, str] | None
) -> dict[str, float]:
    """The factors that convert columns with a unit to SI."""
    units = units or {}
    factors = {}
    for name, unit in units.items():
        if name not in quantities:
            raise DataFileError(
                f"is in `units` ({unit!r}), but not among the named columns: add it, or correct its name",
                path=path,
                column=name,
            )
        if quantities[name] == "control":
            raise DataFileError(
                f"has a unit, {unit!r}; expected none, since controls and parameters are not converted",
                path=path,
                column=name,
            )
        try:
            factors[name] = si_factor(unit, quantities[name])
        except DataFileError as error:  # it does not know file and column
            raise DataFileError(str(error), path=path, column=name) from None
    positions = [name for name, quantity in quantities.items() if quantity == "position"]
    for quantity in ("velocity", "acceleration"):
        rates = [name for name in quantities if quantities[name] == quantity]
        for q, rate in zip(positions, rates, strict=False):
            if q in units and rate in units and measures_angle(units[q]) != measures_angle(units[rate]):
                message = f"is in {units[rate]}, but {q!r} is in {units[q]}; expected both as angles or both as lengths"
                raise DataFileError(message, path=path, column=rate)
    return factors


def check_dof(dof: int | None, positions: Sequence[str] | None) -> None:
    """**Raises:** `ValueError` unless the degrees of freedom are said once, by `dof` or by `positions`."""
    if positions is None and dof is None:
        raise ValueError("`positions` and `dof` are None; expected the number of degrees of freedom of the guesses")
    if positions is None:
        positive_integer("dof", dof)
    elif dof is not None and dof != len(positions):
        raise ValueError(f"`dof` is {dof}, and `positions` names {len(positions)} columns; expected the same, or None")
