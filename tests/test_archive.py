"""Files of arrays: what is damaged or hostile is refused with a reason, and nothing in a file is ever run."""

import hashlib
import json
import os
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neural_lagrangian._archive import MAX_HEADER_BYTES, ArchiveError, architecture, read_archive, write_archive

TREE = {"a": jnp.arange(6.0).reshape(2, 3), "b": (np.arange(3), jax.random.key(3)), "c": "text", "d": None}
BLANK = {"a": jnp.zeros((2, 3)), "b": (np.zeros(3, int), jax.random.key(0)), "c": "text", "d": None}


def read(path):
    return read_archive(path, "test", lambda header: BLANK)


@pytest.fixture
def content(tmp_path):
    write_archive(tmp_path / "sound", "test", TREE, {"note": "x"})
    return (tmp_path / "sound").read_bytes()


def test_what_is_written_comes_back(tmp_path):
    write_archive(tmp_path / "file", "test", TREE, {"note": "x"})
    header, tree = read(tmp_path / "file")
    assert header["note"] == "x"
    assert isinstance(tree["b"][0], np.ndarray)
    same = jax.tree.map(lambda x, y: x is y or np.array_equal(_plain(x), _plain(y)), tree, TREE)
    assert all(jax.tree.leaves(same))


def _plain(leaf):
    is_key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(leaf) if is_key else leaf


def test_every_truncation_and_ten_thousand_flipped_bits_are_detected(tmp_path, content):
    path = tmp_path / "damaged"
    rng = np.random.default_rng(0)
    damaged = [content[:length] for length in range(len(content))]
    for place, bit in zip(rng.integers(0, len(content), 10_000), rng.integers(0, 8, 10_000), strict=True):
        flipped = bytearray(content)
        flipped[place] ^= 1 << bit
        damaged.append(bytes(flipped))
    for bytes_ in damaged:
        path.write_bytes(bytes_)
        with pytest.raises(ArchiveError):
            read(path)


class Payload:
    def __reduce__(self):
        return (os.mkdir, ("ran",))


def signed(header, arrays=b""):
    """A file whose digest is right."""
    body = (header if isinstance(header, bytes) else json.dumps(header).encode()) + b"\n" + arrays
    return b"neural_lagrangian test 2\n" + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


SOUND = {"architecture": architecture(BLANK)}
ARRAYS = bytes(8 * 6 + 8 * 3 + 2 * 4)


def altered(**names):
    return {"architecture": {**SOUND["architecture"], **names}}


HOSTILE = {
    "pickle": (pickle.dumps(Payload()), "does not begin as one"),
    "pickle behind the first line": (b"neural_lagrangian test 2\n" + pickle.dumps(Payload()), "damaged"),
    "pickle as header": (signed(pickle.dumps(Payload(), 0)), "header"),
    "pickle as arrays": (signed(SOUND, pickle.dumps(Payload())), "bytes of arrays"),
    "zip": (b"PK\x03\x04" + bytes(100), "does not begin as one"),
    "npz of objects": (b"\x93NUMPY\x01\x00v\x00{'descr': '|O'}", "does not begin as one"),
    "empty": (b"", "does not begin as one"),
    "another kind": (signed(SOUND, ARRAYS).replace(b"test 2", b"tent 2"), "does not begin as one"),
    "an older version": (signed(SOUND, ARRAYS).replace(b"test 2", b"test 1"), "does not begin as one"),
    "no digest": (b"neural_lagrangian test 2\n", "damaged"),
    "a digest of letters": (b"neural_lagrangian test 2\n" + b"z" * 64 + b"\n{}\n", "damaged"),
    "a digest that never ends": (b"neural_lagrangian test 2\n" + b"0" * 10_000_000, "damaged"),
    "a header that never ends": (signed(b'{"a": "' + b"x" * (2 * MAX_HEADER_BYTES)), "header"),
    "a header nested without end": (signed(b"[" * 200_000), "header"),
    "a header that is a list": (signed([1, 2]), "header"),
    "a header without architecture": (signed({}), "no architecture"),
    "an architecture that is a path": (signed({"architecture": "../../etc/passwd"}), "no architecture"),
    "names that are paths": (signed(altered(**{"../../elsewhere/x": "float64[1]"}), ARRAYS), r"\.\./elsewhere/x"),
    "an array without end": (signed(altered(**{"['a']": "float64[99999999999]"}), ARRAYS), r"\['a'\] is float64"),
    "an array of objects": (signed(altered(**{"['a']": "object[2, 3]"}), ARRAYS), "object"),
    "a negative shape": (signed(altered(**{"['a']": "float64[-2, 3]"}), ARRAYS), "-2"),
    "another leaf": (signed(altered(**{"['c']": "'__import__(\"os\")'"}), ARRAYS), "__import__"),
    "arrays too short": (signed(SOUND, ARRAYS[:-1]), "bytes of arrays"),
    "arrays too long": (signed(SOUND, ARRAYS + bytes(1000)), "bytes of arrays"),
}


@pytest.mark.double
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_with_a_reason(name, tmp_path, monkeypatch):
    bytes_, reason = HOSTILE[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_bytes(bytes_)
    with pytest.raises(ArchiveError, match=reason):
        read(tmp_path / "file")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.double
def test_the_same_file_without_hostility_is_read(tmp_path):
    (tmp_path / "file").write_bytes(signed(SOUND, ARRAYS))
    assert np.array_equal(read(tmp_path / "file")[1]["a"], np.zeros((2, 3)))
