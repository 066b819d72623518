"""Parameters of physical systems: values, units, and checks."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._checks import is_concrete

Value: TypeAlias = float | Array
"""A number: a Python float, or a scalar array, which can be differentiated or trained."""

Sign: TypeAlias = Literal["positive", "non-negative", "any"]


class Parameter(NamedTuple):
    """A parameter of a system.

    - `value`: one number, or one for each part of the system, in `unit`.
    - `unit`: the SI unit as text, such as `"kg m^2/s"`; `"1"` for a pure number.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> length = nl.systems.parameters(nl.systems.Pendulum(length=2.0))["length"]
    >>> length.value, length.unit
    (2.0, 'm')
    ```
    """

    value: Any
    unit: str


def parameter(
    unit: str, default: Any, *, sign: Sign = "positive", entries: int | str | None = None, matrix: bool = False
) -> Any:
    """Declare a physical parameter as a field of a system class.

    **Arguments:**

    - `unit`: unit, SI or the system's own, factors separated by spaces; `"1"` for a pure number.
    - `default`: default value. A tuple declares one number for each part of the system.
    - `sign`: allowed values: `"positive"`, `"non-negative"` or `"any"`.
    - `entries`: length of the tuple, or the name of a parameter with the same length. `None` allows any length.
    - `matrix`: whether an array is allowed in place of the number. The system must check it.

    **Example:**

    ```python
    >>> import equinox as eqx, neural_lagrangian as nl
    >>> class Ball(eqx.Module):
    ...     mass: float = nl.systems.parameter("kg", 0.5)
    >>> nl.systems.parameters(Ball(mass=0.2))
    {'mass': Parameter(value=0.2, unit='kg')}
    ```
    """
    metadata = {"unit": unit, "sign": sign, "entries": entries, "matrix": matrix}
    converter = _array if matrix else _each if isinstance(default, tuple) else _as_is
    return eqx.field(default=default, converter=converter, metadata=metadata)


def parameters(system: eqx.Module) -> dict[str, Parameter]:
    """The parameters of a system by name, with values and units. Parameters that are `None` are left out.

    **Arguments:**

    - `system`: a system, such as `Pendulum()`.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> {name: f"{value} {unit}" for name, (value, unit) in nl.systems.parameters(nl.systems.Pendulum()).items()}
    {'mass': '1.0 kg', 'length': '1.0 m', 'gravity': '9.81 m/s^2'}
    ```
    """
    declared = (f for f in dataclasses.fields(system) if "unit" in f.metadata)
    listed = {f.name: Parameter(getattr(system, f.name), f.metadata["unit"]) for f in declared}
    return {name: parameter for name, parameter in listed.items() if parameter.value is not None}


def check_parameters(system: eqx.Module) -> None:
    """Raise `ValueError` for the first parameter of a system with a wrong value, shape or number of entries."""
    for field in dataclasses.fields(system):
        value = getattr(system, field.name)
        if "unit" not in field.metadata or (value is None and field.default is None):
            continue
        if isinstance(field.default, tuple):
            _check_entries(system, field.name, value, field.metadata)
        elif not (field.metadata["matrix"] and isinstance(value, Array) and value.ndim > 0):
            _check_number(field.name, value, value, field.metadata["sign"])


def _check_entries(system: eqx.Module, name: str, value: Any, metadata: Mapping[str, Any]) -> None:
    if not isinstance(value, tuple) or not value:
        raise ValueError(f"`{name}` is {value!r}; expected a sequence of numbers")
    expected = metadata["entries"]
    expected = len(getattr(system, expected)) if isinstance(expected, str) else expected
    if expected is not None and len(value) != expected:
        raise ValueError(f"`{name}` has {len(value)} entries; expected {expected}")
    for number in value:
        _check_number(name, value, number, metadata["sign"])


def _check_number(name: str, value: Any, number: Any, sign: Sign) -> None:
    expected = "a finite number" if sign == "any" else f"a {sign}, finite number"
    scalar = isinstance(number, float | int | np.ndarray | np.generic | Array) and np.ndim(number) == 0
    if not scalar or (is_concrete(number) and not (np.isfinite(number) and _allowed(np.asarray(number), sign))):
        wrong = "" if number is value else f" in place of {number!r}"
        raise ValueError(f"`{name}` is {value!r}; expected {expected}{wrong}")


def _allowed(number: np.ndarray, sign: Sign) -> bool:
    return bool(number > 0 if sign == "positive" else number >= 0 if sign == "non-negative" else True)


def _as_is(value: Any) -> Any:
    return value


def _each(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) or getattr(value, "ndim", 0) else value


def _array(value: Any) -> Any:
    return jnp.asarray(value) if isinstance(value, list | tuple | np.ndarray) else value
