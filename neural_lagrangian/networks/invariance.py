"""Networks of particles that are invariant under translations or rotations."""

from itertools import combinations
from math import comb

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import positive_integer
from .._types import Network
from .embedding import clock_and_state


class TranslationInvariant(eqx.Module):
    r"""A network of particles that is exactly invariant under translations: its inputs are relative positions,

    $$f(x, \dot x) = N(x - \bar x, \dot x), \qquad \bar x = \frac1N \sum_i x_i.$$

    As a Lagrangian it conserves the total momentum $\sum_i \partial L / \partial \dot x_i$ for all weights. (Noether
    1918.) The input size of the network does not change, so other wrappers fit inside. Around a `RotationInvariant`
    network, angular momentum is conserved about every point.

    **Arguments:**

    - `network`: any callable on `[q, v]`, or on coordinates alone. Time features in front of the state are passed on.
    - `dof`: degrees of freedom n. Coordinates are ordered by particle.
    - `dimension`: dimension of space.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> network = nl.networks.TranslationInvariant(lambda y: y, dof=2, dimension=1)
    >>> network(jnp.array([1.0, 3.0, 0.0, 5.0])).tolist()  # two particles on a line, about their mean
    [-1.0, 1.0, 0.0, 5.0]
    ```
    """

    network: Network
    dof: int = eqx.field(static=True)
    dimension: int = eqx.field(static=True)

    def __init__(self, network: Network, dof: int, dimension: int):
        _check_particles(dof, dimension)
        self.network = network
        self.dof = dof
        self.dimension = dimension

    @property
    def in_size(self) -> int:
        """Size of the state `[q, v]` that it takes."""
        return 2 * self.dof

    def __call__(self, y: Array) -> Array:
        clock, q, v = clock_and_state(y, self.dof)
        x = q.reshape(-1, self.dimension)
        relative = x - jnp.mean(x, axis=0, keepdims=True)
        return self.network(jnp.concatenate([clock, relative.ravel(), v]))


class RotationInvariant(eqx.Module):
    r"""A network of particles, exactly invariant under rotations about the origin: its inputs are scalar products,

    $$f(x, \dot x) = N(u_a \cdot u_b, \; a \le b), \qquad u = (x_1, \dots, x_N, \dot x_1, \dots, \dot x_N).$$

    Every function that is invariant under rotations and reflections is a function of these products (Weyl 1946, theorem
    2.9.A). If a reflection changes the motion, as in a magnetic field, set `reflections=False`: the network then also
    receives the oriented products $u_a \times u_b$ in the plane, or $u_a \cdot (u_b \times u_c)$ in space. As a
    Lagrangian it conserves angular momentum for all weights.

    **Arguments:**

    - `network`: any callable on the products. Their number is `RotationInvariant.features(...)`. Time features in front
      of the state stay in front of the products.
    - `dof`: degrees of freedom n. Coordinates are ordered by particle.
    - `dimension`: dimension d of space.
    - `reflections`: whether the system is also invariant under reflections. `False` requires dimension 2 or 3.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> network = nl.networks.RotationInvariant(lambda products: products, dof=2, dimension=2)
    >>> network(jnp.array([3.0, 4.0, 0.0, 1.0])).tolist()  # x.x, x.v and v.v of one particle
    [25.0, 4.0, 1.0]
    ```
    """

    network: Network
    dof: int = eqx.field(static=True)
    dimension: int = eqx.field(static=True)
    reflections: bool = eqx.field(static=True)

    def __init__(self, network: Network, dof: int, dimension: int, *, reflections: bool = True):
        _check_particles(dof, dimension)
        if not reflections and dimension not in (2, 3):
            raise ValueError(f"`dimension` is {dimension}; expected 2 or 3, since `reflections` is False")
        self.network = network
        self.dof = dof
        self.dimension = dimension
        self.reflections = bool(reflections)

    @staticmethod
    def features(dof: int, dimension: int, *, reflections: bool = True, coordinates_alone: bool = False) -> int:
        """The number of products that the network receives; with `coordinates_alone`, of positions only."""
        k = (1 if coordinates_alone else 2) * dof // dimension
        return k * (k + 1) // 2 + (0 if reflections else comb(k, dimension))

    @property
    def in_size(self) -> int:
        """Size of the state `[q, v]` that it takes."""
        return 2 * self.dof

    def __call__(self, y: Array) -> Array:
        clock, q, v = clock_and_state(y, self.dof)
        u = jnp.concatenate([q, v]).reshape(-1, self.dimension)
        a, b = np.triu_indices(len(u))
        products = [clock, jnp.sum(u[a] * u[b], axis=1)]
        if not self.reflections:
            products.append(_oriented_products(u))
        return self.network(jnp.concatenate(products))


def _oriented_products(u: Float[Array, "vector dimension"]) -> Float[Array, " product"]:
    """The determinants of all pairs of vectors (in the plane), or of all triples (in space)."""
    k, d = u.shape
    chosen = np.array(list(combinations(range(k), d)), int).reshape(-1, d).T
    if d == 2:
        a, b = u[chosen[0]], u[chosen[1]]
        return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return jnp.sum(u[chosen[0]] * jnp.cross(u[chosen[1]], u[chosen[2]]), axis=1)


def _check_particles(dof: int, dimension: int) -> None:
    positive_integer("dof", dof)
    positive_integer("dimension", dimension)
    if dof % dimension:
        raise ValueError(f"`dof` is {dof}; expected a multiple of `dimension`, {dimension}")
