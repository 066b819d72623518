"""Lagrangian neural networks: any network as a Lagrangian."""

from typing import Any

import diffrax
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PyTree

from .. import mechanics
from .._checks import check_instance
from .._types import Coordinates, Force, Lagrangian, MassMatrix, Network, Scalar, State
from ..integrators import DEFAULT_MAX_STEPS, AbstractRolloutModel, Controller, Integration, check_state
from ..lagrangians import AbstractLagrangian, check_velocity_hessian, of_coordinates, of_state, scalar_network
from ..mechanics import AbstractMassSolve, EulerLagrangeTerm, HolonomicConstraint
from ..networks import unfrozen, with_args


class NeuralLagrangian(AbstractRolloutModel):
    r"""A Lagrangian neural network: a network as a Lagrangian, and its equations of motion.

    $$L(t, q, v) = \mathrm{network}([q, v]) + \tfrac{k}{2} v \cdot v, \qquad
      \dot y = [v, M^{+} b], \qquad M = \frac{\partial^2 L}{\partial v^2}.$$

    (Cranmer et al. 2020, eq. 6.) A rollout `model(ts, y0)` is differentiable with respect to the network, `y0` and
    `ts`.

    **Arguments:**

    - `network`: any callable from states `[q, v]`, shape `(2 dof,)`, to a scalar (or to shape `(1,)`), such as
      `eqx.nn.MLP(2 * n, "scalar", 128, 2, activation=jax.nn.softplus, key=key)`; or a Lagrangian of this package,
      such as a `MechanicalLagrangian`, a sum of Lagrangians or a formula. For any other callable `(t, q, v)` use
      `NeuralLagrangian.from_lagrangian`. Its arrays are trained. A plain Python function has no trainable arrays, even
      if it closes over a network: make the network a field of an `eqx.Module`.
    - `solver`: any diffrax solver, or a variational solver such as `GalerkinGaussLobatto`.
    - `dof`: degrees of freedom n. `None` means half of the network's `in_size`, or that of the first call.
    - `kinetic_prior`: $k \ge 0$. With `k = 1` an untrained network is nearly a free particle of unit mass, a good start
      for training. `None` means 1 for a network on states (also inside wrappers), and 0 for a Lagrangian.
    - `force`: optional callable `(t, q, v) -> (dof,)`, the generalised force $Q$. Its arrays are trained with the
      network.
    - `constraint`: optional `HolonomicConstraint`. Its arrays are trained with the network. Initial states must satisfy
      it.
    - `mass_solve`: method to solve $M a = b$. `None` means the default of the Lagrangian, such as `PseudoInverse()`.
    - `stepsize_controller`, `dt0`, `adjoint`, `max_steps`: see `Integration`.

    **Raises:** `ValueError` if the network has the wrong input or output size, or no second derivative in the
    velocities. Networks with ReLU or other piecewise linear activations have none: $M = 0$.

    **Example:**

    ```python
    >>> import equinox as eqx, jax, jax.numpy as jnp, neural_lagrangian as nl
    >>> mlp = eqx.nn.MLP(2, "scalar", 8, 1, activation=jax.nn.softplus, key=jax.random.key(0))
    >>> model = nl.NeuralLagrangian(mlp)  # untrained: nearly a free particle
    >>> model(jnp.linspace(0.0, 1.0, 11), jnp.array([0.5, 0.0])).shape
    (11, 2)
    ```
    """

    network: Network
    force: Force | None
    constraint: HolonomicConstraint | None
    mass_solve: AbstractMassSolve
    integration: Integration
    kinetic_prior: float = eqx.field(static=True)
    dof: int | None = eqx.field(static=True)

    def __init__(
        self,
        network: Network,
        solver: diffrax.AbstractSolver | None = None,
        *,
        dof: int | None = None,
        kinetic_prior: float | None = None,
        force: Force | None = None,
        constraint: HolonomicConstraint | None = None,
        mass_solve: AbstractMassSolve | None = None,
        stepsize_controller: Controller | None = None,
        dt0: float | Array | None = None,
        adjoint: diffrax.AbstractAdjoint | None = None,
        max_steps: int = DEFAULT_MAX_STEPS,
    ):
        lagrangian, dof, prior = scalar_network(network, dof, kinetic_prior)
        if dof is not None:
            check_velocity_hessian(lagrangian, dof, potential_allowed=prior > 0)
        check_instance("mass_solve", mass_solve, AbstractMassSolve, optional=True)
        if not isinstance(constraint, HolonomicConstraint | None):
            raise ValueError(f"`constraint` is {constraint!r}; expected a HolonomicConstraint, or None")
        self.network = network
        self.force = force
        self.constraint = constraint
        self.mass_solve = lagrangian.mass_solve if mass_solve is None else mass_solve
        self.integration = Integration(
            solver, stepsize_controller=stepsize_controller, dt0=dt0, adjoint=adjoint, max_steps=max_steps
        )
        self.kinetic_prior = prior
        self.dof = dof

    @classmethod
    def from_lagrangian(
        cls, lagrangian: Lagrangian, solver: diffrax.AbstractSolver | None = None, **options: Any
    ) -> "NeuralLagrangian":
        """A model from any Lagrangian, a callable `lagrangian(t, q, v) -> scalar` such as a formula.

        If the callable is an `eqx.Module`, its arrays are trained.

        **Arguments:** as for `NeuralLagrangian`. Give `dof` to check shapes before the first call.

        **Example:**

        ```python
        >>> import jax.numpy as jnp, neural_lagrangian as nl
        >>> spring = lambda t, q, v: 0.5 * v @ v - 2.0 * q @ q  # 1 kg, 4 N/m
        >>> model = nl.NeuralLagrangian.from_lagrangian(spring, dof=1)
        >>> model.acceleration(0.0, jnp.array([1.0]), jnp.array([0.0])).tolist()
        [-4.0]
        ```

        **Raises:** `ValueError` as `NeuralLagrangian`, and for a network on states.
        """
        return cls(of_coordinates("lagrangian", lagrangian), solver, **options)

    @property
    def lagrangian(self) -> AbstractLagrangian:
        """The learned Lagrangian alone, callable as `(t, q, v) -> scalar`, with its kinetic prior."""
        return _LearnedLagrangian(of_state(self.network), self.mass_solve, self.kinetic_prior, self.dof)

    def mass_matrix(self, t: ArrayLike, q: Array, v: Array) -> MassMatrix:
        r"""$M = \partial^2 L / \partial v^2$, shape `(dof, dof)`."""
        return mechanics.mass_matrix(self.lagrangian, t, q, v)

    def momentum(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        r"""Conjugate momentum $p = \partial L / \partial v$, shape `(dof,)`."""
        return mechanics.momentum(self.lagrangian, t, q, v)

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        r"""Energy $p \cdot v - L$ of the learned Lagrangian, known up to a scale and a constant."""
        return mechanics.energy(self.lagrangian, t, q, v)

    def acceleration(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        """The acceleration from the Euler-Lagrange equations, shape `(dof,)`."""
        return self.vector_field(t, jnp.concatenate([q, v]))[q.shape[0] :]

    def term(self, y: State) -> EulerLagrangeTerm:
        check_state(y, self.dof)
        if self.dof is None:  # the network could not be checked when the model was built
            check_velocity_hessian(of_state(self.network), y.shape[0] // 2, potential_allowed=self.kinetic_prior > 0)
        force, constraint = unfrozen((self.force, self.constraint))
        return EulerLagrangeTerm(self.lagrangian, force, constraint=constraint, mass_solve=self.mass_solve)

    def vector_field(self, t: ArrayLike, y: Array, args: PyTree = None) -> State:
        return with_args(self, args).term(y).vf(t, y, None)


class _LearnedLagrangian(AbstractLagrangian):
    """The Lagrangian of a model: network plus kinetic prior."""

    network: Network
    solve: AbstractMassSolve
    kinetic_prior: float = eqx.field(static=True)
    _dof: int | None = eqx.field(static=True)

    @property
    def dof(self) -> int | None:
        return self._dof

    @property
    def mass_solve(self) -> AbstractMassSolve:
        return self.solve

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        L = self.network(t, q, v)
        return L + 0.5 * self.kinetic_prior * jnp.dot(v, v) if self.kinetic_prior else L
