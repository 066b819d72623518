"""The same case in other units: what every number of the laboratory is multiplied by."""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..helpers import DOUBLE

LARGEST = 9 if DOUBLE else 3
"""Units change by powers of ten up to this, and down. All is computed in double precision; but single precision, in
which answers are given where the program has it, holds no number beyond 1e38, and coefficients have units to the fifth.
"""


class Units(NamedTuple):
    """What numbers of the laboratory are multiplied by: lengths of either coordinate, times, the Lagrangian."""

    lengths: tuple[float, float] = (1.0, 1.0)
    time: float = 1.0
    energy: float = 1.0
    clock: float = 0.0

    @staticmethod
    def drawn(seed):
        """Four powers of ten, each drawn by itself."""
        first, second, time, energy = 10.0 ** np.random.default_rng(seed).integers(-LARGEST, LARGEST + 1, 4)
        return Units((first, second), time, energy)

    def times(self, ts):
        return (np.asarray(ts) + self.clock) * self.time

    def rows(self, ys, dof):
        s = np.asarray(self.lengths[:dof])
        return np.asarray(ys) * np.concatenate([s, s / self.time])

    def accelerations(self, a, dof):
        return np.asarray(a) * np.asarray(self.lengths[:dof]) / self.time**2

    def lagrangian(self, L, dof):
        """L as it is written in these units."""
        return Lagrangian(L, *(jnp.asarray(x, float) for x in (self.lengths[:dof], self.time, self.energy)))

    def acceleration(self, a, dof):
        """A field of accelerations as it is written in these units."""
        return Acceleration(a, *(jnp.asarray(x, float) for x in (self.lengths[:dof], self.time)))

    def terms(self, library):
        """The unit of each term of a library of monomials, by name."""
        coordinates, velocities = library.symbols
        of = dict(zip(coordinates, self.lengths, strict=False))
        of |= {v: s / self.time for v, s in zip(velocities, self.lengths, strict=False)}
        products = (np.prod([of[name] ** power for name, power in term]) for term in library.terms)
        return dict(zip(library.names, map(float, products), strict=True))

    def formula(self, found, library):
        """Coefficients of the candidate found, and the matrices beside it, in units of the laboratory."""
        if found.candidate is None:
            return {}
        of, dof = self.terms(library), library.dof
        pivot = of[f"{library.symbols[1][0]}^2"]
        told = {name: float(c) * of[name] / pivot for name, c in found.candidate.named.items()}
        s = np.asarray(self.lengths[:dof])
        if found.damping is not None:
            told |= entries("D", found.damping * np.outer(s, s) / self.time / pivot)
        if found.control is not None:
            told |= entries("G", found.control * s[:, None] / pivot)
        return told


def entries(name, matrix):
    return {f"{name}{i}{j}": float(x) for (i, j), x in np.ndenumerate(matrix)}


class Lagrangian(eqx.Module):
    """With its units in arrays: one program serves all of them."""

    lagrangian: Any
    lengths: Array
    time: Array
    energy: Array

    def __call__(self, t, q, v):
        return self.energy * self.lagrangian(t / self.time, q / self.lengths, v * self.time / self.lengths)


class Acceleration(eqx.Module):
    """As `Lagrangian`."""

    acceleration: Any
    lengths: Array
    time: Array

    def __call__(self, t, q, v):
        a = self.acceleration(t / self.time, q / self.lengths, v * self.time / self.lengths)
        return a * self.lengths / self.time**2
