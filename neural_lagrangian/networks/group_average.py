"""Networks that are invariant under a finite symmetry group, by averaging over the group."""

from collections.abc import Sequence
from math import cos, pi, sin
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import positive_integer
from .._types import Network
from .embedding import clock_and_state

MAX_GROUP_SIZE = 1000
"""Maximum number of transformations in a group. It allows the 720 permutations of six particles."""

Matrices = Float[np.ndarray, "transformation dof dof"]


class GroupAverage(eqx.Module):
    r"""A network that is exactly invariant under a finite group G of linear maps of the coordinates,

    $$f(q, v) = \frac{1}{|G|} \sum_{R \in G} N(R q, R v).$$

    One call costs $|G|$ evaluations of the network. The kinetic prior of a `NeuralLagrangian` is also invariant if the
    maps are orthogonal; those of `parity`, `permutations` and `rotations` are.

    **Arguments:**

    - `network`: any callable on states `[q, v]`, or on coordinates alone. It returns a quantity that the group does not
      change, such as a Lagrangian or a potential. Time features in front of the state are passed on.
    - `transformations`: matrices that generate G by multiplication, shape `(k, dof, dof)`. They need not be all members
      of G, and the identity is not needed. Combine several sets as `[*parity(4), *permutations(2, 2)]`.

    **Raises:** `ValueError` if the matrices are not square, or generate more than 1000 maps. A matrix generates
    infinitely many maps if no power of it is the identity.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> network = lambda y: y[0] ** 3 + y[0] ** 2  # averaging removes the odd part
    >>> even = nl.networks.GroupAverage(network, nl.networks.parity(1))
    >>> float(even(jnp.array([3.0, 0.0])))
    9.0
    ```
    """

    network: Network
    group: tuple[tuple[tuple[float, ...], ...], ...] = eqx.field(static=True)

    def __init__(self, network: Network, transformations: Sequence[Any] | Matrices):
        try:
            matrices = np.asarray(transformations, float)
        except (TypeError, ValueError) as error:  # from NumPy, whose message does not name the argument
            raise ValueError(
                f"`transformations` cannot be read as matrices: {error}; expected an array of shape (matrix, dof, dof)"
            ) from error
        if matrices.ndim != 3 or matrices.shape[1] != matrices.shape[2] or 0 in matrices.shape:
            raise ValueError(f"`transformations` has shape {matrices.shape}; expected (k, dof, dof)")
        self.network = network
        self.group = tuple(tuple(tuple(map(float, row)) for row in R) for R in _generated_by(matrices))

    @property
    def dof(self) -> int:
        """Number of degrees of freedom n."""
        return len(self.group[0])

    @property
    def in_size(self) -> int:
        """Size of the input state `[q, v]`."""
        return 2 * self.dof

    def __call__(self, y: Array) -> Array:
        clock, q, v = clock_and_state(y, self.dof)
        R = jnp.asarray(np.array(self.group), y.dtype)
        vectors = jnp.concatenate([q, v]).reshape(-1, self.dof)
        moved = jnp.einsum("gij,aj->gai", R, vectors, precision=jax.lax.Precision.HIGHEST).reshape(len(R), -1)
        ys = jnp.concatenate([jnp.broadcast_to(clock[None], (len(R), clock.size)), moved], axis=1)
        return jnp.mean(jax.vmap(self.network)(ys), axis=0)


def parity(dof: int) -> Matrices:
    r"""The reflection of all coordinates, $q \to -q$, shape `(1, dof, dof)`.

    **Arguments:**

    - `dof`: degrees of freedom n.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> nl.networks.parity(1).tolist()
    [[[-1.0]]]
    ```
    """
    return -np.eye(positive_integer("dof", dof))[None]


def permutations(particles: int, dimension: int) -> Matrices:
    """Two permutations of identical particles that generate all `particles!` permutations, shape `(2, dof, dof)`.

    **Arguments:**

    - `particles`: number of particles. `dimension`: dimension of space. There are `particles * dimension` coordinates.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> swap, _ = nl.networks.permutations(2, dimension=1)
    >>> (swap @ np.array([3.0, 4.0])).tolist()
    [4.0, 3.0]
    ```
    """
    positive_integer("dimension", dimension)
    identity = np.eye(positive_integer("particles", particles))
    swapped = [*range(particles)[1::-1], *range(2, particles)]
    both = np.stack([identity[swapped], np.roll(identity, 1, axis=0)])
    return np.kron(both, np.eye(dimension)[None])


def rotations(order: int, particles: int = 1, dimension: int = 2) -> Matrices:
    r"""The rotation of all particles by $2 \pi /$ `order` in the plane of the first two axes, shape `(1, dof, dof)`.

    **Arguments:**

    - `order`: number of rotations in a full turn.
    - `particles`: number of particles. `dimension`: dimension of space. There are `particles * dimension` coordinates.

    **Raises:** `ValueError` for a `dimension` below 2, or a number that is no positive integer.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> (quarter,) = nl.networks.rotations(4)
    >>> np.round(quarter @ np.array([2.0, 1.0]), 3).tolist()
    [-1.0, 2.0]
    ```
    """
    positive_integer("order", order)
    if positive_integer("dimension", dimension) < 2:
        raise ValueError(f"`dimension` is {dimension}; expected at least 2")
    c, s = cos(2 * pi / order), sin(2 * pi / order)
    R = np.eye(dimension)
    R[:2, :2] = [[c, -s], [s, c]]
    return np.kron(np.eye(positive_integer("particles", particles)), R)[None]


def _generated_by(generators: Matrices) -> Float[np.ndarray, "member dof dof"]:
    """All members of the group (products of the generators), the identity first."""
    if not np.isfinite(generators).all():
        raise ValueError("`transformations` has entries that are not finite; expected finite matrices")
    singular = ~np.isclose(np.abs(np.linalg.det(generators)), 1)
    if singular.any():
        k = int(np.argmax(singular))
        raise ValueError(
            f"`transformations[{k}]` has determinant {np.linalg.det(generators[k]):.6g}; expected 1 or -1: some power "
            f"of each matrix must be the identity"
        )
    group, used = [np.eye(generators.shape[1])], []
    for generator in generators:
        if _contains(group, generator):
            continue
        used.append(generator)
        fresh = group
        while fresh:
            products, fresh = [g @ h for g in used for h in fresh], []
            for product in products:
                if not _contains(group + fresh, product):
                    fresh.append(product)
                if len(group) + len(fresh) > MAX_GROUP_SIZE:
                    raise ValueError(
                        f"`transformations` generate more than {MAX_GROUP_SIZE} maps; expected a smaller finite group. "
                        f"Check that some power of each matrix is the identity"
                    )
            group = group + fresh
    return np.array(group)


def _contains(group: list[np.ndarray], R: np.ndarray) -> bool:
    return bool(np.any(np.max(np.abs(np.array(group) - R[None]), axis=(1, 2)) < 1e-6))
