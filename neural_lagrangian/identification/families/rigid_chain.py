"""The family of planar chains of rigid bodies: absolute or relative angles, sensor offsets, friction at the joints."""

from itertools import combinations
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ..._types import Scalar
from ...discovery import Library, angle_name, coordinate_names, velocity_names
from ...mechanics import Cholesky
from .chain_start import estimated, unknowns_of
from .drawing import hanging
from .family import AbstractBody, AbstractFamily, Pieces, Slices, Units
from .joint_forces import JointForces

MAX_BODIES = 3
"""Largest number of bodies of a chain that is tried."""


class RigidChain(AbstractBody):
    r"""A chain of rigid bodies in a plane, the first of which turns about a fixed axis. With $\phi = \theta + o$:

    $$L = \tfrac12 \sum_{ij} I_{ij} \cos(\phi_i - \phi_j)\, \dot\phi_i \dot\phi_j + \sum_i g_i \cos \phi_i$$

    with forces at joint rates $r_k = \dot\phi_k - \dot\phi_{k-1}$, for the angles $\theta$ of the bodies. `inertia`:
    $I$, symmetric. `weight`: $g$. `offset`: $o$, in radians.
    """

    inertia: Float[Array, "body body"]
    weight: Float[Array, " body"]
    offset: Float[Array, " body"]
    forces: JointForces

    def lagrangian(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        phi = q + self.offset
        M = self.inertia * jnp.cos(phi[:, None] - phi[None])
        return v @ M @ v / 2 + self.weight @ jnp.cos(phi)

    def acceleration(self, q: Array, v: Array, u: Array) -> Array:
        """The acceleration in closed form; NaN if the mass matrix is not positive definite."""
        phi = q + self.offset
        between = phi[:, None] - phi[None]
        f = self.forces(jnp.diff(v, prepend=jnp.zeros_like(v[:1])), u)
        b = f - jnp.append(f[1:], jnp.zeros_like(f[:1]))  # a joint turns both of its bodies
        b = b - self.weight * jnp.sin(phi) - (self.inertia * jnp.sin(between)) @ v**2
        solve = Cholesky()
        return solve.apply(solve.factor(self.inertia * jnp.cos(between)), b)


class Frame(NamedTuple):
    r"""How the recorded angles $q$ give the angles of the bodies: $\theta = B q$. `kind` is a word for it."""

    kind: str
    matrix: np.ndarray


def frames(dof: int) -> list[Frame]:
    """Absolute angles and, with more than one body, relative ones: each from the direction of the body before."""
    absolute = Frame("absolute", np.eye(dof, dtype=int))
    return [absolute] if dof == 1 else [absolute, Frame("relative", np.tril(np.ones((dof, dof), int)))]


class ChainFamily(AbstractFamily):
    r"""Rigid chains. The unknowns: $\log I_{ii} / I_{11}$ without the first; $I_{ij} / \sqrt{I_{ii} I_{jj}}$; $g_i$
    divided by $I_{ii}$; offsets in radians; friction and gains of joint $i$ divided by $I_{ii}$.
    """

    matrix: Float[Array, "dof dof"]
    width: Float[Array, " joint"]
    relative: Float[Array, ""]

    def __init__(self, frame: Frame, width: np.ndarray):
        dtype = jnp.result_type(float)
        self.matrix, self.width = jnp.asarray(frame.matrix, dtype), jnp.asarray(width, dtype)
        self.relative = jnp.asarray(float(frame.kind == "relative"), dtype)  # an array: frames share a program

    @property
    def bodies(self) -> int:
        """Number of bodies."""
        return len(self.width)

    @property
    def name(self) -> str:
        if self.bodies == 1:
            return "rigid chain of 1 body"
        return f"rigid chain of {self.bodies} bodies, {'relative' if self.relative else 'absolute'} angles"

    @property
    def slices(self) -> Slices:
        n = self.bodies
        return Slices.of(n - 1 + n * (n - 1) // 2 + n, n, n)

    @property
    def optional(self) -> np.ndarray:
        return self.slices.of_friction

    @property
    def joints(self) -> np.ndarray:
        return np.eye(self.bodies) - np.eye(self.bodies, k=-1)

    @property
    def joint_names(self) -> list[str]:
        return [f"joint {k + 1}" for k in range(self.bodies)]

    def drawn(
        self, theta: Float[np.ndarray, "time dof"], x: Float[np.ndarray, " unknown"]
    ) -> Float[np.ndarray, "time point 2"]:
        """The joints, and the end of the last body, with bodies of equal length."""
        ends = np.cumsum(hanging(theta + x[self.slices.offset]), axis=1)
        return np.concatenate([np.zeros_like(ends[:, :1]), ends], axis=1)

    def body(self, x: Array) -> RigidChain:
        n, at = self.bodies, self.slices
        logarithms, couplings, weight = jnp.split(x[at.constants], [n - 1, n - 1 + n * (n - 1) // 2])
        own = jnp.exp(jnp.concatenate([jnp.zeros_like(x[:1]), logarithms]))
        root = jnp.sqrt(own)
        coupling = jnp.eye(n, dtype=x.dtype)
        for k, (i, j) in enumerate(combinations(range(n), 2)):
            coupling = coupling.at[i, j].set(couplings[k]).at[j, i].set(couplings[k])
        forces = at.forces(x, self.width).times(own)
        inertia = coupling * root[:, None] * root[None]
        return RigidChain(inertia=inertia, weight=weight * own, offset=x[at.offset], forces=forces)

    def start(self, pieces: Pieces) -> np.ndarray | None:
        found = estimated(pieces, np.asarray(self.width))
        return None if found is None else unknowns_of(found)

    def scale(self, x: Array, units: Units) -> tuple[Array, Array]:
        first = jnp.where(self.relative > 0, self.bodies - 1, 0)  # the velocity whose square has the coefficient 1/2
        inertia = self.body(x).inertia
        return 1 / (inertia[first, first] * units.time**2), jnp.ones_like(self.width)

    def constants(self, x: Array, units: Units) -> Array:
        chain, (factor, _) = self.body(x), self.scale(x, units)
        inertia = chain.inertia[np.triu_indices(self.bodies)] * units.time**2
        return jnp.concatenate([factor * inertia, factor * chain.weight, jnp.rad2deg(chain.offset)])

    @property
    def labels(self) -> list[tuple[str, str]]:
        n = self.bodies
        pairs = [(f"I_{i + 1}{j + 1}", "") for i, j in zip(*np.triu_indices(n), strict=True)]
        units = {"g": "1/s^2", "offset": "deg"}
        return [*pairs, *((f"{name}_{i}", unit) for name, unit in units.items() for i in range(1, n + 1))]

    def library(self, names: list[str] | None) -> Library:
        return chain_library(np.asarray(self.matrix).astype(int), names)


def chain_library(B: np.ndarray, names: list[str] | None) -> Library:
    """The terms of chains whose bodies have the angles $B q$."""
    dof = len(B)
    rates, coordinates = velocity_names(dof, names), coordinate_names(dof, names)
    terms: dict[tuple, None] = {}

    def squares(i: int, j: int) -> list[tuple]:
        pairs = sorted({tuple(sorted((a, b))) for a in np.flatnonzero(B[i]) for b in np.flatnonzero(B[j])})
        return [((rates[a], 2),) if a == b else ((rates[a], 1), (rates[b], 1)) for a, b in pairs]

    def waves(k: np.ndarray) -> list[tuple]:
        sign = np.sign(k[np.flatnonzero(k)[0]])  # names of waves begin with a positive multiple
        angle = angle_name((sign * k).tolist(), coordinates)
        return [((f"cos({angle})", 1),), ((f"sin({angle})", 1),)]

    for i in range(dof):
        terms |= dict.fromkeys(squares(i, i))
    for i, j in combinations(range(dof), 2):
        terms |= dict.fromkeys((*wave, *product) for wave in waves(B[i] - B[j]) for product in squares(i, j))
    for i in range(dof):
        terms |= dict.fromkeys(waves(B[i]))
    return Library(dof, atoms_of_a_chain(dof, names).atoms, list(terms))


def atoms_of_a_chain(dof: int, names: list[str] | None) -> Library:
    """A library with every factor of the terms of a chain."""
    return Library.waves(dof, dof, names=names) + Library.velocities(dof, 1, names=names)
