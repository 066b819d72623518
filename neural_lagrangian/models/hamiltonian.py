"""Hamiltonian neural networks: any network as a Hamiltonian."""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, PyTree

from .._checks import same_precision
from .._types import Coordinates, Network, Scalar, State, VectorFunction
from ..integrators import DEFAULT_MAX_STEPS, AbstractRolloutModel, Controller, Integration, check_state
from ..lagrangians import of_coordinates, of_state, scalar_network
from ..networks import unfrozen, with_args


class HamiltonianNetwork(AbstractRolloutModel):
    r"""A Hamiltonian neural network: a network as a Hamiltonian, and its equations of motion.

    $$H(q, p) = \mathrm{network}([q, p]) + \tfrac{k}{2} p \cdot p, \qquad
      \dot q = \frac{\partial H}{\partial p}, \quad \dot p = -\frac{\partial H}{\partial q}.$$

    (Greydanus, Dzamba and Yosinski 2019, eqs. 1-3.) States are `[q, v]`, so the momentum must be known as a function
    $p = P(t, q, v)$. The acceleration is then

    $$\dot v = \Bigl(\frac{\partial P}{\partial v}\Bigr)^{-1}
      \Bigl(\dot p - \frac{\partial P}{\partial q} \dot q - \frac{\partial P}{\partial t}\Bigr).$$

    Without `momentum`, $p = v$. This is correct in two cases: the data are states `[q, p]`, or all masses are one and
    no force depends on the velocities. For other data `[q, v]` is not canonical. The flow of the model then preserves
    volume in (q, v), which the true flow does not, so no network can represent the motion. (Unneberg and Kaarbø 2023,
    section 1; Cranmer et al. 2020, section 2.) A `NeuralLagrangian` does not need momenta.

    Train it on trajectories, not on accelerations alone, because $\dot q$ need not equal v.

    **Arguments:**

    - `network`: any callable from `[q, p]`, shape `(2 dof,)`, to a scalar or to shape `(1,)`. For a Hamiltonian
      `(t, q, p) -> scalar` use `HamiltonianNetwork.from_hamiltonian`.
    - `solver`: any diffrax solver.
    - `momentum`: P, callable `(t, q, v) -> (dof,)`, invertible in v, such as
      `lambda t, q, v: mechanics.momentum(lagrangian, t, q, v)`. Its arrays are trained with the network.
    - `dof`: degrees of freedom n. `None` means half of the network's `in_size`, or that of the first call.
    - `kinetic_prior`: $k \ge 0$. `None` means 1 for a network on states, and 0 for a Hamiltonian `(t, q, p)`.
    - `stepsize_controller`, `dt0`, `adjoint`, `max_steps`: see `Integration`.

    **Raises:** `ValueError` if the network has the wrong input or output size, or if the momentum does not have the
    shape of v.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> model = nl.HamiltonianNetwork(lambda y: 2.0 * y[0] ** 2, dof=1)  # H = 2 q^2 + p^2 / 2
    >>> model.vector_field(0.0, jnp.array([1.0, 3.0])).tolist()  # dH/dp and -dH/dq
    [3.0, -4.0]
    ```
    """

    network: Network
    legendre: VectorFunction | None
    integration: Integration
    kinetic_prior: float = eqx.field(static=True)
    dof: int | None = eqx.field(static=True)

    def __init__(
        self,
        network: Network,
        solver: diffrax.AbstractSolver | None = None,
        *,
        momentum: VectorFunction | None = None,
        dof: int | None = None,
        kinetic_prior: float | None = None,
        stepsize_controller: Controller | None = None,
        dt0: float | Array | None = None,
        adjoint: diffrax.AbstractAdjoint | None = None,
        max_steps: int = DEFAULT_MAX_STEPS,
    ):
        _, dof, prior = scalar_network(network, dof, kinetic_prior)
        if momentum is not None and not callable(momentum):
            raise ValueError(f"`momentum` is {momentum!r}; expected a callable (t, q, v) -> (dof,), or None")
        self.network = network
        self.legendre = momentum
        self.integration = Integration(
            solver, stepsize_controller=stepsize_controller, dt0=dt0, adjoint=adjoint, max_steps=max_steps
        )
        self.kinetic_prior = prior
        self.dof = dof

    @classmethod
    def from_hamiltonian(
        cls, hamiltonian: Callable[..., Scalar], solver: diffrax.AbstractSolver | None = None, **options: Any
    ) -> "HamiltonianNetwork":
        """A model from any Hamiltonian, a callable `hamiltonian(t, q, p) -> scalar`.

        **Arguments:** as for `HamiltonianNetwork`. Give `dof` to check shapes before the first call.

        **Raises:** `ValueError` as `HamiltonianNetwork`, and for a network on states.

        **Example:**

        ```python
        >>> import jax.numpy as jnp, neural_lagrangian as nl
        >>> spring = lambda t, q, p: 0.25 * p @ p + 2.0 * q @ q  # 2 kg, 4 N/m
        >>> model = nl.HamiltonianNetwork.from_hamiltonian(spring)
        >>> model.vector_field(0.0, jnp.array([1.0, 3.0])).tolist()  # of q and p
        [1.5, -4.0]
        ```
        """
        return cls(of_coordinates("hamiltonian", hamiltonian), solver, **options)

    def hamiltonian(self, t: ArrayLike, q: Array, p: Array) -> Scalar:
        """The Hamiltonian $H(t, q, p)$, a scalar."""
        H = of_state(self.network)(t, q, p)
        return H + 0.5 * self.kinetic_prior * jnp.dot(p, p) if self.kinetic_prior else H

    def momentum(self, t: ArrayLike, q: Array, v: Array) -> Coordinates:
        """The momentum $p = P(t, q, v)$, shape `(dof,)`."""
        if self.legendre is None:
            return v
        p = jnp.asarray(unfrozen(self.legendre)(t, q, v))
        if p.shape != v.shape:
            raise ValueError(f"`momentum` returned shape {p.shape}; expected {v.shape}, that of `v`")
        return p

    def energy(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        """The energy: the Hamiltonian at the momentum of v, known up to a constant."""
        return self.hamiltonian(t, q, self.momentum(t, q, v))

    def term(self, y: State) -> diffrax.ODETerm:
        check_state(y, self.dof)
        return diffrax.ODETerm(lambda t, y, args: same_precision(self.vector_field(t, y, args), y))

    def vector_field(self, t: ArrayLike, y: Array, args: PyTree = None) -> State:
        if args is not None:
            return with_args(self, args).vector_field(t, y)
        check_state(y, self.dof)
        q, v = jnp.split(y, 2)
        t = jnp.asarray(t, y.dtype)
        p = self.momentum(t, q, v)
        dH_dq, dH_dp = jax.grad(self.hamiltonian, argnums=(1, 2))(t, q, p)
        q_dot, p_dot = dH_dp, -dH_dq
        if self.legendre is None:
            return jnp.concatenate([q_dot, p_dot])
        _, drift = jax.jvp(lambda t, q: self.momentum(t, q, v), (t, q), (jnp.ones_like(t), q_dot))
        dP_dv = jax.jacfwd(self.momentum, argnums=2)(t, q, v)
        return jnp.concatenate([q_dot, jnp.linalg.solve(dP_dv, p_dot - drift)])
