"""Models in files: arrays with their SHA-256, the package's version and the architecture; no code, no pickle.

Layout: the line `neural_lagrangian model 1`, a line of JSON, then the bytes of the arrays, little-endian, in order.
"""

import hashlib
import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._atomic import atomic_write
from ..integrators import AbstractMotionModel

MAGIC = b"neural_lagrangian model 1\n"
MAX_HEADER = 1 << 20
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")

Model = TypeVar("Model")


class ModelFileError(ValueError):
    """A model file that is damaged, or that holds another architecture."""


def save(path: str | Path, model: Any) -> None:
    """Write a model: all or nothing, so that a crash leaves the previous file as it was.

    How it is integrated is left out, but for a variational solver and its step: they belong to what was learned.

    **Arguments:**

    - `path`: the file to write; its folder must exist.
    - `model`: any Equinox module.
    """
    arrays = [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(model, _is_array))]
    payload = b"".join(a.astype(a.dtype.newbyteorder("<")).tobytes() for a in arrays)
    header = {
        "version": version("neural_lagrangian"),
        "architecture": _architecture(model),
        "rule": _rule(model),
        "sha256": hashlib.sha256(payload).hexdigest(),
    }
    with atomic_write(path) as file:
        file.write(MAGIC + json.dumps(header).encode() + b"\n" + payload)


def load(path: str | Path, like: Model) -> Model:
    """Read a model written by `save`.

    **Arguments:**

    - `path`: the file.
    - `like`: a model of the same architecture, whose arrays are replaced.

    **Raises:** `ModelFileError` if the file is not a model, is damaged, holds another architecture (naming the first
    array that differs), or was saved with a variational solver or a step that `like` has not; `OSError` if it cannot
    be opened.
    """
    content = Path(path).read_bytes()
    end = content.find(b"\n", len(MAGIC), len(MAGIC) + MAX_HEADER)
    if not content.startswith(MAGIC) or end < 0:
        raise ModelFileError(f"{path} is not a model file: it does not begin as one")
    try:
        header = json.loads(content[len(MAGIC) : end])
        stored, digest = dict(header["architecture"]), header["sha256"]
        rule = header.get("rule")  # files of version 0.1 have none
    except (ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{path} is damaged: its header cannot be read ({error})") from error
    payload = content[end + 1 :]
    if hashlib.sha256(payload).hexdigest() != digest:
        raise ModelFileError(f"{path} is damaged: the SHA-256 of its arrays is not the one recorded")
    expected = _architecture(like)
    for name in [*expected, *stored]:
        if expected.get(name) != stored.get(name):
            raise ModelFileError(
                f"{path} holds another architecture: {name} is {stored.get(name, 'absent')} in the file, "
                f"{expected.get(name, 'absent')} in `like`"
            )
    if rule is not None and rule != _rule(like):
        own = _rule(like) or "another kind of solver"
        raise ModelFileError(f"{path} was learned with {rule}, and is right with it alone; `like` has {own}")
    dynamic, static = eqx.partition(like, _is_array)
    leaves, structure = jax.tree.flatten(dynamic)
    arrays, start = [], 0
    for leaf in leaves:
        stop = start + leaf.dtype.itemsize * leaf.size
        array = np.frombuffer(payload[start:stop], np.dtype(leaf.dtype).newbyteorder("<")).reshape(leaf.shape)
        array = array.astype(leaf.dtype)
        arrays.append(array if isinstance(leaf, np.ndarray) else jnp.asarray(array))
        start = stop
    return eqx.combine(jax.tree.unflatten(structure, arrays), static)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray)


def _rule(model: Any) -> str | None:
    rule = model.integration.rule if isinstance(model, AbstractMotionModel) else None
    return None if rule is None else _ADDRESS.sub("", rule)


def _architecture(model: Any) -> dict[str, str]:
    """Shape and dtype of every array by its path in the model, every other leaf, and the structure around them.

    How a model is integrated is no part of it.
    """
    if isinstance(model, AbstractMotionModel):
        model = eqx.tree_at(lambda m: m.integration, model, None)
    leaves, structure = jax.tree_util.tree_flatten_with_path(model)

    def describe(leaf: Any) -> str:
        return f"{leaf.dtype}{list(leaf.shape)}" if _is_array(leaf) else _ADDRESS.sub("", repr(leaf))

    parts = {jax.tree_util.keystr(path): describe(leaf) for path, leaf in leaves}
    return {**parts, "structure": hashlib.sha256(_ADDRESS.sub("", str(structure)).encode()).hexdigest()}
