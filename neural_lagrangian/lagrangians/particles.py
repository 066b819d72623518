"""Lagrangians of many particles: a sum over particles and over pairs."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PyTree

from .._checks import is_concrete, positive_integer
from .._types import Scalar
from ..mechanics import AbstractMassSolve, BlockDiagonal, PseudoInverse
from ..numerics import at_regular_point
from .lagrangian import AbstractLagrangian


class Particle(NamedTuple):
    """One particle: position `x` and velocity `v`, shape `(dimension,)`, and its `features`, such as mass or charge.

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

    with $q = [x_1, x_2, \dots]$ as in `systems.NBody`. All particles share one function, and all pairs share one. So L
    does not change when identical particles are exchanged, and a model trained on few particles can be used for many.
    If $u$ is a `RadialPair`, the mass matrix has one block for each particle, and the cost of an acceleration is
    proportional to the number of pairs.

    For gravity with unknown masses, the features are the masses $m_i$, $\ell = \tfrac12 m v^2$ and
    $u = m_i m_j U(r)$.

    **Arguments:**

    - `one`: $\ell$, callable from a `Particle` to a scalar.
    - `pair`: $u$, callable from two `Particle`s to a scalar, such as `RadialPair` and `SymmetricPair`. It must be
      symmetric under exchange of the two. `None` means that the particles do not interact.
    - `dimension`: dimension of space.
    - `features`: $c_i$, such as masses and charges: an array with one row for each particle, or a tuple or dict of such
      arrays. They are trained too. `None` if all particles are identical.
    - `bonds`: the pairs that interact, as indices of particles, integers of shape `(bond, 2)`. `None` means all
      $N (N - 1) / 2$ pairs.

    **Raises:** `ValueError` if the arrays of `features` have different numbers of rows, if `bonds` contains an index
    without a row of `features`, or, when called, if `q` has another number of particles.

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
        positive_integer("dimension", dimension)
        self.one = one
        self.pair = pair
        self.features = jax.tree.map(jnp.asarray, features)
        self.bonds, self.bonded = (None, 0) if bonds is None else _checked_bonds(bonds)
        self.dimension = dimension
        if any(leaf.ndim == 0 for leaf in jax.tree.leaves(self.features)):
            raise ValueError("`features` has a number without rows; expected arrays with one row for each particle")
        if len(counts := self._counts()) > 1:
            raise ValueError(
                f"`features` have {sorted(counts)} rows; expected the same number in all, one row for each particle"
            )
        if counts and self.bonded > (known := min(counts)):
            raise ValueError(
                f"`bonds` has the index {self.bonded - 1}, but `features` has {known} rows; expected indices from 0 to "
                f"{known - 1}: correct `bonds`, or give the features of all particles"
            )

    def with_particles(
        self, features: PyTree = None, bonds: ArrayLike | Sequence[tuple[int, int]] | None = None
    ) -> "ParticleLagrangian":
        """The same Lagrangian for other particles: new `features` and `bonds`, and any number of particles."""
        return ParticleLagrangian(self.one, self.pair, dimension=self.dimension, features=features, bonds=bonds)

    @property
    def dof(self) -> int | None:
        return next((count * self.dimension for count in self._counts()), None)

    @property
    def mass_solve(self) -> AbstractMassSolve:
        """`BlockDiagonal` if the pair function does not depend on velocities, else `PseudoInverse`."""
        apart = self.pair is None or isinstance(self.pair, RadialPair)
        return BlockDiagonal(self.dimension) if apart else PseudoInverse()

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        count, rest = divmod(q.shape[0], self.dimension)
        if rest:
            raise ValueError(f"`q` has {q.shape[0]} coordinates; expected a multiple of `dimension` {self.dimension}")
        known = max(self._counts(), default=None)
        if known is not None and count != known:
            raise ValueError(
                f"`q` holds {count} particles; expected {known}, one for each row of `features`. For other particles "
                f"use `with_particles(features, bonds)`"
            )
        if count < self.bonded:
            raise ValueError(
                f"`q` holds {count} particles; expected at least {self.bonded}, since `bonds` has the index "
                f"{self.bonded - 1}. For other particles use `with_particles(features, bonds)`"
            )
        particles = Particle(q.reshape(count, -1), v.reshape(count, -1), self.features)
        L = jnp.sum(_scalars("one", jax.vmap(self.one)(particles)))
        i, j = np.triu_indices(count, 1) if self.bonds is None else self.bonds.T
        if self.pair is None or not len(i):
            return L
        first, second = (jax.tree.map(lambda x, k=k: x[k], particles) for k in (i, j))
        return L + jnp.sum(_scalars("pair", jax.vmap(self.pair)(first, second)))

    def _counts(self) -> set[int]:
        """The numbers of rows of `features`."""
        return {len(leaf) for leaf in jax.tree.leaves(self.features)}


class RadialPair(eqx.Module):
    r"""A pair interaction that depends on the distance only: $u = w(c_i, c_j)\, f(|x_i - x_j|)$.

    It is invariant under translations, rotations, reflections and exchange of the particles, so momentum and angular
    momentum are conserved exactly. The potential energy is $-u$.

    **Arguments:**

    - `function`: $f$, callable from a distance (a scalar) to a scalar, such as `eqx.nn.MLP("scalar", "scalar", ...)`.
    - `weight`: $w$, symmetric callable from the `features` of two particles to a scalar, such as `jnp.multiply` for
      charges. `None` means 1.

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
        # The distance has no derivative where two particles meet, but a smooth function of its square has one.
        u = at_regular_point(lambda x: jnp.asarray(self.function(jnp.linalg.norm(x))), 2, first.x - second.x)
        return u if self.weight is None else self.weight(first.features, second.features) * u


class SymmetricPair(eqx.Module):
    r"""A pair interaction from any network, symmetric under exchange: $u = N(s_i, s_j) + N(s_j, s_i)$.

    $s = [x, v, c]$ is the state of one particle. The network may couple velocities, so the mass matrix is dense. No
    other symmetry is built in.

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
    """Check the bonds. Returns them as an array, and the smallest number of particles that contains all indices."""
    array = jnp.asarray(bonds)
    if array.ndim != 2 or array.shape[1] != 2 or not jnp.issubdtype(array.dtype, jnp.integer):
        raise ValueError(f"`bonds` has shape {array.shape}, dtype {array.dtype}; expected integers, (bond, 2)")
    if not is_concrete(array):
        raise ValueError("`bonds` is a traced array; expected known integers: build the Lagrangian outside `jit`")
    ends = np.asarray(array)
    if np.any(ends < 0) or np.any(ends[:, 0] == ends[:, 1]):
        raise ValueError("`bonds` holds a negative index, or joins a particle to itself; expected pairs of particles")
    return array, int(ends.max(initial=-1)) + 1
