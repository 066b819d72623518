"""Archive files for trees of arrays. Writing is atomic, SHA-256 checks the content, and reading runs no stored code.

Layout: the line `neural_lagrangian KIND 2`; a line with the SHA-256 of the rest of the file; a line of JSON (the
header); then the bytes of the arrays, little-endian, in the order of the tree.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ._atomic import atomic_write
from ._errors import NeuralLagrangianError

MAX_HEADER_BYTES = 1 << 24
"""Maximum size of the JSON header, in bytes. It limits the memory that a damaged file can make the reader use."""
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")

Tree = TypeVar("Tree")


class ArchiveError(NeuralLagrangianError, ValueError):
    """The file has unexpected content, or it is damaged."""


class DamageError(ArchiveError):
    """The file is incomplete, or it changed after it was written."""


def write_archive(path: str | os.PathLike[str], kind: str, tree: Any, header: dict[str, Any]) -> None:
    """Write the arrays of a tree, and a header that can be read before the arrays."""
    arrays = [_on_host(leaf) for leaf in jax.tree.leaves(eqx.filter(tree, is_array))]
    known = {**header, "version": version("neural_lagrangian"), "architecture": architecture(tree)}
    line = json.dumps(known).encode() + b"\n"
    if len(line) > MAX_HEADER_BYTES:
        raise ArchiveError(f"{path}: a tree of {len(arrays)} arrays is too large; expected fewer, larger arrays")
    content = b"".join([line, *(a.astype(a.dtype.newbyteorder("<")).tobytes() for a in arrays)])
    digest = hashlib.sha256(content).hexdigest()
    with atomic_write(path) as file:
        file.write(_first_line(kind) + digest.encode() + b"\n" + content)


def read_archive(
    path: str | os.PathLike[str], kind: str, like: Callable[[dict[str, Any]], Tree]
) -> tuple[dict[str, Any], Tree]:
    """Read the header and the tree that `write_archive` wrote.

    **Arguments:**

    - `like`: callable from the header to a tree of the same architecture. Its arrays are replaced by those of the
      file. It may raise `ArchiveError` to reject a header.

    **Raises:** `ArchiveError` if the file is of another kind, is damaged, or holds another architecture (the message
    names the first array that differs). `OSError` if the file cannot be opened.
    """
    path = Path(path)
    if path.is_dir():
        raise ArchiveError(f"{path} is a folder; expected a {kind} file")
    with path.open("rb") as file:
        if file.readline(len(_first_line(kind))) != _first_line(kind):
            raise DamageError(
                f"{path} is not a {kind} file: it does not begin as one; expected one that this version has written"
            )
        digest = file.readline(65).rstrip(b"\n").decode("ascii", "replace")
        start = file.tell()
        if hashlib.file_digest(file, "sha256").hexdigest() != digest:
            raise _damaged(path, "the SHA-256 of its content is not the one recorded")
        end = file.tell()
        file.seek(start)
        header = _header(path, file)
        tree = like(header)
        _check_architecture(path, header.get("architecture"), tree)
        return header, _restored(path, file, end - file.tell(), tree)


def is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray)


def without_addresses(text: str) -> str:
    """A `repr` without memory addresses, so that it is the same in every process."""
    return _ADDRESS.sub("", text)


def architecture(tree: Any) -> dict[str, str]:
    """The shape and dtype of every array, the `repr` of every other leaf, and a hash of the tree structure.

    The keys are the paths in the tree.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(tree)

    def describe(leaf: Any) -> str:
        return f"{leaf.dtype}{list(leaf.shape)}" if is_array(leaf) else without_addresses(repr(leaf))

    parts = {jax.tree_util.keystr(path): describe(leaf) for path, leaf in leaves}
    return {**parts, "structure": hashlib.sha256(without_addresses(str(structure)).encode()).hexdigest()}


def _damaged(path: str | os.PathLike[str], fault: str) -> DamageError:
    return DamageError(f"{path} is damaged: {fault}; use a copy of the file, or write it again")


def _first_line(kind: str) -> bytes:
    return f"neural_lagrangian {kind} 2\n".encode()


def _header(path: str | os.PathLike[str], file: BinaryIO) -> dict[str, Any]:
    line = file.readline(MAX_HEADER_BYTES)
    try:
        header = json.loads(line)
    except (ValueError, RecursionError) as error:  # from JSON or from the text encoding
        raise _damaged(path, f"its header cannot be read ({type(error).__name__})") from error
    if not line.endswith(b"\n") or not isinstance(header, dict):
        raise _damaged(path, "its header is no line of JSON with names")
    return header


def _check_architecture(path: str | os.PathLike[str], stored: Any, like: Any) -> None:
    if not isinstance(stored, dict):
        raise _damaged(path, "its header has no architecture")
    expected = architecture(like)
    names = [name for name in dict.fromkeys([*expected, *stored]) if name != "structure"]
    for name in [*names, "structure"]:  # the hash comes last: its message says the least
        if expected.get(name) != stored.get(name):
            raise ArchiveError(
                f"{path} holds another architecture: {name} is {stored.get(name, 'absent')} in the file, "
                f"{expected.get(name, 'absent')} in `like`"
            )


def _restored(path: str | os.PathLike[str], file: BinaryIO, size: int, like: Tree) -> Tree:
    dynamic, static = eqx.partition(like, is_array)
    leaves, structure = jax.tree.flatten(dynamic)
    hosts = [_on_host(leaf) for leaf in leaves]
    if size != (expected := sum(a.nbytes for a in hosts)):
        raise DamageError(f"{path} is damaged: it has {size} bytes of arrays; expected {expected}")
    arrays = []
    for leaf, a in zip(leaves, hosts, strict=True):
        content = np.frombuffer(file.read(a.nbytes), a.dtype.newbyteorder("<")).reshape(a.shape).astype(a.dtype)
        if _is_key(leaf):
            arrays.append(jax.random.wrap_key_data(jnp.asarray(content), impl=jax.random.key_impl(leaf)))
        else:
            arrays.append(content if isinstance(leaf, np.ndarray) else jnp.asarray(content))
    return eqx.combine(jax.tree.unflatten(structure, arrays), static)


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _on_host(leaf: Any) -> np.ndarray:
    return np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)
