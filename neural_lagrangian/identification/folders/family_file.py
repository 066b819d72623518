"""The file `family.json` of a model's folder: constants and friction of the best `Family` of the user.

The Lagrangian is a Python function, which no file can hold. It is given again when the file is read.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from ...lagrangians import GivenLagrangian
from ...mechanics import AbstractForce, summed
from ...models import NeuralLagrangian
from ..families import Family, InSI, UserFamily, UserLagrangian, as_json, of_json
from ..faults import NoAnswerError
from ..formulas import RefinedFormula
from ..recordings import Columns
from .json_file import read_json, write_json

FAMILY = "family.json"
"""Name of the file."""


def write_family(folder: Path, found: RefinedFormula | None) -> None:
    """Write the constants and the friction, all or nothing. If `found` is `None`, delete those of an earlier fit."""
    write_json(folder / FAMILY, None if found is None else _content(found))


def _content(found: RefinedFormula) -> dict[str, Any]:
    given = found.model.network
    assert isinstance(given, GivenLagrangian)
    assert isinstance(given.function, InSI)
    lagrangian, family = given.function, given.function.family
    assert isinstance(family, UserFamily)
    values = np.asarray(family.constants(lagrangian.x, lagrangian.units), np.float64).tolist()
    return {
        "name": found.where,
        "constants": dict(zip(family.names, values, strict=True)),
        "friction_at_joints": as_json(found.model.force),
        "standard_errors": [one._asdict() for one in found.constants],
    }


def _parts(content: dict[str, Any]) -> tuple[str, dict[str, float], list[AbstractForce]]:
    """The name, the constants and the friction."""
    constants = {str(name): float(value) for name, value in content["constants"].items()}
    return str(content["name"]), constants, [of_json(part) for part in content["friction_at_joints"]]


def read_family(folder: Path, columns: Columns, candidates: Sequence[Family]) -> NeuralLagrangian:
    """The best family of the user as a model in SI units, in JAX's default precision.

    **Raises:** `NoAnswerError` if there is no such file, if the file is damaged, or if no candidate has its name.
    """
    missing = f"{folder} holds no `Family` of yours: use the formula or the network"
    name, constants, forces = read_json(folder / FAMILY, _parts, missing=missing)
    one = next((one for one in candidates if one.name == name and set(one.start) == set(constants)), None)
    if one is None:
        raise NoAnswerError(
            f"{folder} needs your `Family` {name!r} of {', '.join(constants)}, whose Lagrangian is a function: "
            "give it to `load_model` as `candidates`, or name another `predictor`"
        )
    dtype = jnp.result_type(float)
    lagrangian = UserLagrangian({name: jnp.asarray(c, dtype) for name, c in constants.items()}, one.lagrangian)
    return NeuralLagrangian.from_lagrangian(lagrangian, dof=columns.dof, force=summed(forces))
