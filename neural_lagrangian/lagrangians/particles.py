"""Lagrangians as sums over particles and over pairs of them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PyTree

from .._checks import is_concrete
from .._types import Scalar
from ..mechanics import AbstractMassSolve, BlockDiagonal, PseudoInverse
from ..numerics import at_regular_point
from .lagrangian import AbstractLagrangian


class Particle(NamedTuple):
    """What is known of one particle: position `x` and velocity `v`, shape `(dimension,)`, and its own `features`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> kinetic = lambda particle: 0.5 * particle.features * particle.v @ particle.v  # the feature is the mass
    >>> float(kinetic(nl.lagrangians.Particle(x=jnp.zeros(2), v=jnp.array([3.0, 4.0]), features=2.0)))
    25.0
    ```
    """

    x: Array
    v: Array
    features: Any


class ParticleLagrangian(AbstractLagrangian):
    r"""Particles that interact in pairs,

    $$L = \sum_i \ell(x_i, v_i, c_i) + \sum_{i < j} u(x_i, v_i, c_i;\; x_j, v_j, c_j),$$

    with $q = [x_1, x_2, \dots]$ as in `systems.NBody`. One function serves every particle and one every pair, so that
    L does not change when equal particles are exchanged, and what was learned from few of them holds for many. With
    $u$ a `RadialPair` the mass matrix has one block for each particle, and an acceleration costs as much for each
    pair, whatever their number.

    Gravity of unknown masses has the features $m_i$, $\ell = \tfrac12 m v^2$ and $u = m_i m_j U(r)$.

    **Arguments:**

    - `one`: $\ell$, callable from a `Particle` to a scalar.
    - `pair`: $u$, callable from two of them to a scalar, such as `RadialPair` and `SymmetricPair`; it must not change
      when they are exchanged. `None` means that they do not interact.
    - `dimension`: of space.
    - `features`: $c_i$, such as masses and charges: an array with one row a particle, or a tuple or dict of such;
      trained with the rest. `None` where all particles are alike.
    - `bonds`: which pairs interact, shape `(bond, 2)`, integers; `None` means all, $N (N - 1) / 2$ of them.

    **Raises:** `ValueError` if the features differ in number, a bond is none, or, in use, `q` does not fit them.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> kinetic = lambda particle: 0.5 * particle.features * particle.v @ particle.v
    >>> gravity = nl.lagrangians.RadialPair(lambda r: 1 / r, weight=jnp.multiply)
    >>> stars = nl.lagrangians.ParticleLagrangian(kinetic, gravity, dimension=2, features=jnp.array([2.0, 3.0]))
    >>> float(stars(0.0, jnp.array([0.0, 0.0, 2.0, 0.0]), jnp.zeros(4)))  # m1 m2 / r
    3.0
    ```
    """

    one: Callable[[Particle], Array]
    pair: Callable[[Particle, Particle], Array] | None
    features: PyTree
    bonds: Array | None
    dimension: int = eqx.field(static=True)
    bonded: int = eqx.field(static=True)

    def __init__(
        self,
        one: Callable[[Particle], Array],
        pair: Callable[[Particle, Particle], Array] | None = None,
        *,
        dimension: int,
        features: PyTree = None,
        bonds: ArrayLike | Sequence[tuple[int, int]] | None = None,
    ):
        if not isinstance(dimension, int) or dimension < 1:
            raise ValueError(f"`dimension` is {dimension!r}; expected a positive integer")
        self.one = one
        self.pair = pair
        self.features = jax.tree.map(jnp.asarray, features)
        self.bonds, self.bonded = (None, 0) if bonds is None else _checked_bonds(bonds)
        self.dimension = dimension
        if len(counts := self._counts()) > 1:
            raise ValueError(f"`features` have {sorted(counts)} rows; expected one a particle, the same number in all")

    def with_particles(
        self, features: PyTree = None, bonds: ArrayLike | Sequence[tuple[int, int]] | None = None
    ) -> "ParticleLagrangian":
        """The same laws for other particles: new `features` and `bonds`, of any number."""
        return ParticleLagrangian(self.one, self.pair, dimension=self.dimension, features=features, bonds=bonds)

    @property
    def dof(self) -> int | None:
        return next((count * self.dimension for count in self._counts()), None)

    @property
    def mass_solve(self) -> AbstractMassSolve:
        """Block by block, unless pairs may couple velocities."""
        apart = self.pair is None or isinstance(self.pair, RadialPair)
        return BlockDiagonal(self.dimension) if apart else PseudoInverse()

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        count, rest = divmod(q.shape[0], self.dimension)
        if rest:
            raise ValueError(f"`q` has {q.shape[0]} coordinates; expected a multiple of `dimension` {self.dimension}")
        if any(count != known for known in self._counts()) or count < self.bonded:
            known = max(self._counts(), default=self.bonded)
            raise ValueError(f"`q` holds {count} particles; `features` and `bonds` are of {known}: see with_particles")
        particles = Particle(q.reshape(count, -1), v.reshape(count, -1), self.features)
        L = jnp.sum(_scalars("one", jax.vmap(self.one)(particles)))
        i, j = np.triu_indices(count, 1) if self.bonds is None else self.bonds.T
        if self.pair is None or not len(i):
            return L
        first, second = (jax.tree.map(lambda x, k=k: x[k], particles) for k in (i, j))
        return L + jnp.sum(_scalars("pair", jax.vmap(self.pair)(first, second)))

    def _counts(self) -> set[int]:
        """The numbers of particles that features are given for."""
        return {len(leaf) if leaf.ndim else 0 for leaf in jax.tree.leaves(self.features)}


class RadialPair(eqx.Module):
    r"""A pair's part of a Lagrangian that only their distance decides: $u = w(c_i, c_j)\, f(|x_i - x_j|)$.

    Unchanged by translations, rotations and reflections of all particles, and by their exchange: momentum and angular
    momentum are conserved exactly. $-u$ is the potential energy.

    **Arguments:**

    - `function`: $f$, callable from a distance, a scalar, to a scalar, such as `eqx.nn.MLP("scalar", "scalar", ...)`.
    - `weight`: $w$, symmetric callable from the `features` of two particles to a scalar, such as `jnp.multiply` for
      charges; `None` means 1.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> gravity = nl.lagrangians.RadialPair(lambda r: 1 / r, weight=jnp.multiply)
    >>> sun = nl.lagrangians.Particle(x=jnp.zeros(2), v=jnp.zeros(2), features=jnp.array(6.0))
    >>> earth = nl.lagrangians.Particle(x=jnp.array([0.0, 2.0]), v=jnp.zeros(2), features=jnp.array(1.0))
    >>> float(gravity(sun, earth))
    3.0
    ```
    """

    function: Callable[[Array], Array]
    weight: Callable[[Any, Any], Array] | None = None

    def __call__(self, first: Particle, second: Particle) -> Scalar:
        # At one place the distance has no derivative, and what depends smoothly on its square has.
        u = at_regular_point(lambda x: jnp.asarray(self.function(jnp.linalg.norm(x))), 2, first.x - second.x)
        return u if self.weight is None else self.weight(first.features, second.features) * u


class SymmetricPair(eqx.Module):
    r"""Any network as a pair's part of a Lagrangian, made symmetric: $u = N(s_i, s_j) + N(s_j, s_i)$.

    $s = [x, v, c]$ of each particle. Velocities may be coupled, so the mass matrix has no structure; and no symmetry
    of space is built in.

    **Arguments:**

    - `network`: callable from shape `(4 dimension + 2 features,)` to a scalar or shape `(1,)`.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> pair = nl.lagrangians.SymmetricPair(lambda s: s[0] * s[3])  # s = [x1, v1, x2, v2]
    >>> one = nl.lagrangians.Particle(jnp.array([1.0]), jnp.array([2.0]), None)
    >>> two = nl.lagrangians.Particle(jnp.array([3.0]), jnp.array([4.0]), None)
    >>> float(pair(one, two)), float(pair(two, one))
    (10.0, 10.0)
    ```
    """

    network: Callable[[Array], Array]

    def __call__(self, first: Particle, second: Particle) -> Scalar:
        a, b = (jnp.concatenate([jnp.ravel(x) for x in jax.tree.leaves(particle)]) for particle in (first, second))
        return self.network(jnp.concatenate([a, b])) + self.network(jnp.concatenate([b, a]))


def _scalars(name: str, values: Array) -> Float[Array, " item"]:
    if values.ndim > 2 or values.shape[1:] not in ((), (1,)):
        raise ValueError(f"`{name}` returned shape {values.shape[1:]}; expected a scalar, () or (1,)")
    return values.reshape(-1)


def _checked_bonds(bonds: ArrayLike | Sequence[tuple[int, int]]) -> tuple[Array, int]:
    """Bonds as an array, and how many particles they take."""
    array = jnp.asarray(bonds)
    if array.ndim != 2 or array.shape[1] != 2 or not jnp.issubdtype(array.dtype, jnp.integer):
        raise ValueError(f"`bonds` has shape {array.shape}, dtype {array.dtype}; expected integers, (bond, 2)")
    if not is_concrete(array):
        raise ValueError("`bonds` is traced; expected an array that is known when the Lagrangian is built")
    ends = np.asarray(array)
    if np.any(ends < 0) or np.any(ends[:, 0] == ends[:, 1]):
        raise ValueError("`bonds` holds a negative index, or joins a particle to itself; expected pairs of particles")
    return array, int(ends.max(initial=-1)) + 1
