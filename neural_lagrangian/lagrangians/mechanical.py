"""Lagrangians of the form kinetic minus potential energy, with a positive definite mass matrix."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, DTypeLike, PRNGKeyArray

from .._checks import positive_integer
from .._types import MassMatrix, Network, Scalar
from ..mechanics import AbstractMassSolve, Cholesky
from ..networks import Conditioned, PeriodicEmbedding, WithInputs
from ..numerics import lower_triangular
from .lagrangian import AbstractLagrangian


class MechanicalLagrangian(AbstractLagrangian):
    r"""Kinetic minus potential energy, with a mass matrix that is positive definite for all weights:

    $$L = \tfrac12 v^\top M(q)\, v + A(q) \cdot v - V(q), \qquad M = C C^\top + \epsilon I, \quad C = I + N(q).$$

    $N$ is lower triangular or diagonal. The term $A(q) \cdot v$ describes magnetic and Coriolis forces. With weights
    near zero the Lagrangian is that of a free particle of unit mass. (Lutter, Ritter and Peters 2019, eq. 13, without
    $A$.)

    `MechanicalLagrangian.from_mlp(dof, key=key)` also builds the networks.

    **Arguments:**

    - `potential`: $V$, callable from coordinates, shape `(dof,)`, to a scalar or shape `(1,)`; in joules.
    - `mass`: the entries of $N$: `dof (dof + 1) / 2` of them, row by row, for a full mass matrix, or `dof` for a
      diagonal one. A callable of the coordinates, or an array for a constant mass. `None` means $M = I$.
    - `dof`: degrees of freedom n.
    - `linear`: $A$, callable of the coordinates to shape `(dof,)`, or `None`.
    - `floor`: $\epsilon \ge 0$, the smallest possible inertia. The default, and the unit mass at the start of training,
      suit motion of order one. For other motion use natural units (`Scaling`).

    **Raises:** `ValueError` if `potential`, `mass` or `linear` returns a wrong shape.

    **Example:**

    ```python
    >>> import jax, jax.numpy as jnp, neural_lagrangian as nl
    >>> lagrangian = nl.MechanicalLagrangian.from_mlp(2, width=8, depth=1, key=jax.random.key(0))
    >>> M = lagrangian.mass_matrix(jnp.array([0.3, -1.0]))
    >>> M.shape, bool(jnp.linalg.eigvalsh(M).min() > 0)  # positive definite at any weights
    ((2, 2), True)
    ```
    """

    potential: Network | None
    mass: Network | Array | None
    linear: Network | None
    _dof: int = eqx.field(static=True)
    floor: float = eqx.field(static=True)

    def __init__(
        self,
        potential: Network | None,
        mass: Network | Array | None = None,
        *,
        dof: int,
        linear: Network | None = None,
        floor: float = 1e-3,
    ):
        dof = positive_integer("dof", dof)
        if not floor >= 0:
            raise ValueError(f"`floor` is {floor!r}; expected a number >= 0")
        for name, value in {"potential": potential, "linear": linear}.items():
            if value is not None and not callable(value):
                raise ValueError(f"`{name}` is {value!r}; expected a callable of the coordinates, or None")
        self.potential = potential
        self.mass = mass if mass is None or callable(mass) else jnp.asarray(mass)
        self.linear = linear
        self._dof = dof
        self.floor = float(floor)

    @classmethod
    def from_mlp(
        cls,
        dof: int,
        width: int = 128,
        depth: int = 2,
        *,
        mass: Literal["full", "diagonal", "constant", "constant diagonal", "unit"] = "full",
        linear: bool = False,
        periodic: Sequence[int] = (),
        parameters: Mapping[str, ArrayLike] | None = None,
        activation: Callable[[Array], Array] = jax.nn.silu,
        floor: float = 1e-3,
        dtype: DTypeLike | None = None,
        key: PRNGKeyArray,
    ) -> "MechanicalLagrangian":
        """Build a `MechanicalLagrangian` from multilayer perceptrons (MLPs) for potential, mass and linear term.

        **Arguments:**

        - `dof`: degrees of freedom. `width`, `depth`: width and number of the hidden layers of each network.
        - `mass`: the form of the mass matrix. `"full"` and `"diagonal"` are networks of the coordinates. `"constant"`,
          `"constant diagonal"` and `"unit"` do not depend on the coordinates.
        - `linear`: whether there is a term linear in the velocities (magnetic or Coriolis forces).
        - `periodic`: indices of the coordinates that are angles, see `PeriodicEmbedding`.
        - `parameters`: typical values by name of known parameters that differ between runs, such as `{"length": 1.0}`.
          The networks get them as inputs, divided by these values, see `networks.Conditioned`.
        - `activation`: activation function. `dtype`: precision of the weights.
        - `floor`: as for `MechanicalLagrangian`. `key`: JAX random key for the initial weights.
        """
        sizes = {"full": dof * (dof + 1) // 2, "diagonal": dof}
        kinds = [*sizes, "constant", "constant diagonal", "unit"]
        if mass not in kinds:
            raise ValueError(f"`mass` is {mass!r}; expected one of {', '.join(map(repr, kinds))}")

        def network(out: int | Literal["scalar"], number: int) -> Network:
            in_size = dof + len(periodic) + sum(np.size(value) for value in (parameters or {}).values())
            own = jax.random.fold_in(key, number)
            mlp = eqx.nn.MLP(in_size, out, width, depth, activation=activation, dtype=dtype, key=own)
            features = mlp if parameters is None else Conditioned(WithInputs(mlp, parameters), parameters)
            return PeriodicEmbedding(features, dof, periodic) if periodic else features

        if mass in sizes:
            masses = network(sizes[mass], 1)
        elif mass == "unit":
            masses = None
        else:
            masses = jnp.zeros(sizes["diagonal" if mass == "constant diagonal" else "full"], dtype)
        return cls(network("scalar", 0), masses, dof=dof, linear=network(dof, 2) if linear else None, floor=floor)

    @property
    def dof(self) -> int:
        return self._dof

    @property
    def mass_solve(self) -> AbstractMassSolve:
        return Cholesky()

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        L = self._kinetic(q, v)
        if self.linear is not None:
            L += jnp.dot(_of_shape("linear", self.linear(q), (self.dof,)), v)
        return L if self.potential is None else L - self.potential_energy(q)

    def potential_energy(self, q: Array) -> Scalar:
        """$V(q)$, a scalar."""
        if self.potential is None:
            return jnp.zeros((), q.dtype)
        V = jnp.asarray(self.potential(q))
        return V.reshape(()) if V.shape == (1,) else _of_shape("potential", V, ())

    def mass_matrix(self, q: Array) -> MassMatrix:
        """$M(q)$, shape `(dof, dof)`."""
        C = self._factor(q)
        full = jnp.diag(C**2) if C.ndim == 1 else C @ C.T
        return full + self.floor * jnp.eye(self.dof, dtype=full.dtype)

    def _kinetic(self, q: Array, v: Array) -> Scalar:
        C = self._factor(q)
        u = C * v if C.ndim == 1 else v @ C
        return 0.5 * (jnp.dot(u, u) + self.floor * jnp.dot(v, v))

    def _factor(self, q: Array) -> Array:
        """$C = I + N(q)$: lower triangular, or its diagonal, shape `(dof,)`."""
        n = self.dof
        if self.mass is None:
            return jnp.ones(n, q.dtype)
        N = lower_triangular("mass", self.mass(q) if callable(self.mass) else self.mass, n)
        return N + (1 if N.ndim == 1 else jnp.eye(n, dtype=N.dtype))


def _of_shape(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    array = jnp.asarray(value)
    if array.shape != shape:
        raise ValueError(f"`{name}` returned shape {array.shape}; expected {shape}")
    return array
