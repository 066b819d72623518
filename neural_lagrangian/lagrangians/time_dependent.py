"""Lagrangians that depend explicitly on time, for driven systems."""

from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from .._checks import positive_integer
from .._types import Network, Scalar
from ..mechanics import AbstractMassSolve, PseudoInverse
from ..networks import Clock, check_time_reversible_dof
from .lagrangian import AbstractLagrangian


class TimeDependent(AbstractLagrangian):
    r"""A time-dependent Lagrangian network, $L(t, q, \dot q) = N([\mathrm{clock}(t), q, \dot q])$.

    The clock is $(\cos \omega_1 t, \dots, \sin \omega_1 t, \dots)$ for the frequencies of a drive, or $t$ itself. The
    equations of motion include the term $-\partial^2 L / \partial t \partial \dot q$, so momenta may depend on time
    too. A `NeuralLagrangian` adds its kinetic prior, as to every network.

    Put embeddings inside: `TimeDependent(PeriodicEmbedding(mlp, dof), dof, frequencies=1.2)`, where `mlp` has input
    size `clock + 2 dof + dof`. In a `Scaled` model, frequencies are in radians per unit of the scaled time.

    **Arguments:**

    - `network`: any callable from shape `(clock + 2 dof,)` to a scalar or to shape `(1,)`. `clock` is twice the number
      of frequencies, or 1 for $t$ itself.
    - `dof`: degrees of freedom n.
    - `frequencies`: frequencies of the drive, in radians per unit of time. `None` means $t$ itself.
    - `trainable`: whether the frequencies are trained, see `Clock`.

    **Raises:** `ValueError` if a frequency is zero or not finite, or if a `TimeReversible` network has no `dof`, so
    that it cannot separate the clock from the state.

    **Example:**

    ```python
    >>> import jax.numpy as jnp, neural_lagrangian as nl
    >>> drive = nl.lagrangians.TimeDependent(lambda x: x[0] * x[2], dof=1, frequencies=2.0)  # q cos 2 t
    >>> float(drive(0.0, jnp.array([3.0]), jnp.array([0.0])))
    3.0
    ```
    """

    is_network: ClassVar[bool] = True

    network: Network
    clock: Clock
    _dof: int = eqx.field(static=True)

    def __init__(
        self,
        network: Network,
        dof: int,
        frequencies: ArrayLike | Sequence[float] | None = None,
        *,
        trainable: bool = False,
    ):
        if not callable(network):
            raise ValueError(f"`network` is {network!r}; expected a callable on [clock, q, v]")
        check_time_reversible_dof(network)
        self.network = network
        self.clock = Clock(frequencies, trainable=trainable)
        self._dof = positive_integer("dof", dof)

    @property
    def dof(self) -> int:
        return self._dof

    @property
    def in_size(self) -> int:
        """Size of the state `[q, v]`."""
        return 2 * self.dof

    @property
    def frequencies(self) -> Array:
        r"""The frequencies of the clock, shape `(frequency,)`; empty if the clock is $t$ itself."""
        return self.clock.frequencies

    @property
    def mass_solve(self) -> AbstractMassSolve:
        return PseudoInverse()

    def __call__(self, t: ArrayLike, q: Array, v: Array) -> Scalar:
        L = jnp.asarray(self.network(jnp.concatenate([self.clock(t, q.dtype), q, v])))
        if L.shape not in ((), (1,)):
            raise ValueError(f"`network` returned shape {L.shape}; expected a scalar, () or (1,)")
        return L.reshape(())
