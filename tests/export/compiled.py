"""Exported files, compiled and called."""

import ctypes
import re
import shutil
import subprocess

import numpy as np
import pytest

from neural_lagrangian.export import to_c

COMPILER = next(filter(None, map(shutil.which, ("gcc", "cc", "clang"))), None)
FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2"]
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler (gcc, cc or clang)")
C_TYPES = {"double": (ctypes.c_double, np.float64), "float": (ctypes.c_float, np.float32)}


class Compiled:
    """The functions of an exported model, called with NumPy arrays."""

    def __init__(self, source):
        self.source, self.header, self.name = source, source.with_suffix(".h"), source.stem
        self.kind, self.dtype = C_TYPES["float" if "float q" in self.header.read_text() else "double"]
        self.path = source.with_suffix(".so")
        compile_file(self.source, self.path)
        self._library = ctypes.CDLL(str(self.path))
        self._declared = dict(re.findall(r"(\w+)\(([^)]*)\);", self.header.read_text()))

    def __call__(self, name, out, **given):
        """A function by its name. `out` is the shape of the result, or None for a number."""
        name = f"{self.name}_{name}"
        call, arguments, results = getattr(self._library, name), [], []
        call.restype = self.kind if out is None else None
        for word in self._declared[name].split(", "):
            one = re.fullmatch(r"(?:const )?\w+ (\w+)(?:\[\d+\])?", word)[1]
            if "[" not in word:
                arguments.append(self.kind(given[one]))
                continue
            array = np.array(given[one], self.dtype) if one in given else np.full(out, np.nan, self.dtype)
            results += [array] * ("const" not in word)
            arguments.append(array.ctypes.data_as(ctypes.POINTER(self.kind)))
            given[one] = array  # it lives until the call is over
        value = call(*arguments)
        return value if out is None else results[0] if len(results) == 1 else np.concatenate(results)


def exported(model, folder, **options):
    """A model, exported and compiled."""
    return Compiled(to_c(model, folder / "model.c", name="model", **options)[0])


def compile_file(source, out):
    command = [COMPILER, *FLAGS, "-shared", "-fPIC", str(source), "-o", str(out), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def constants(text):
    """The constant arrays of a file."""
    found = re.findall(r"^static const (double|float) (w\d+)\[\d+\] = \{([^}]*)\};", text, re.MULTILINE)
    return [np.array(re.sub(r"[F()]", "", body).strip(" ,\n").split(","), float) for _, _, body in found]
