"""Checks of a network or Lagrangian when a model is built: degrees of freedom and output shape."""

from .._checks import positive_integer
from .._types import Network
from ..networks import output_shape, unfrozen
from .lagrangian import AbstractLagrangian, StateNetwork, of_state


def infer_dof(network: Network, dof: int | None) -> int | None:
    """The number of degrees of freedom, from `dof`, the network's `in_size` or a Lagrangian's `dof`.

    It is `None` if none of these is given.

    **Raises:** `ValueError` if they disagree or are not valid.
    """
    if not callable(network):
        raise ValueError(f"`network` is {network!r}; expected a callable on states [q, v]")
    if dof is not None:
        dof = positive_integer("dof", dof)
    network = unfrozen(network)
    if isinstance(network, AbstractLagrangian):
        if dof is not None and network.dof not in (None, dof):
            raise ValueError(f"`network` has {network.dof} degrees of freedom; expected `dof` {dof}")
        return network.dof if dof is None else dof
    in_size = getattr(network, "in_size", None)
    if not isinstance(in_size, int):
        return dof
    if in_size < 2 or in_size % 2:
        raise ValueError(f"`network` has in_size {in_size}; expected an even number, 2 dof, since its input is [q, v]")
    if dof is not None and in_size != 2 * dof:
        raise ValueError(f"`network` has in_size {in_size}; expected {2 * dof} for `dof` {dof}")
    return in_size // 2


def scalar_network(
    network: Network, dof: int | None, kinetic_prior: float | None
) -> tuple[AbstractLagrangian, int | None, float]:
    """A network as a scalar function of (t, q, v), its degrees of freedom and its kinetic prior.

    If `kinetic_prior` is `None`, it is 1 for a network on states, and 0 for other functions.

    **Raises:** `ValueError` as `infer_dof` and `of_state`, if the output is not a scalar, and for a negative prior.
    """
    dof = infer_dof(network, dof)
    function = of_state(network)
    if dof is not None and (shape := _output_shape(function, dof)) not in ((), (1,)):
        raise ValueError(f"`network` returned shape {shape}; expected a scalar, () or (1,)")
    if kinetic_prior is None:
        kinetic_prior = float(function.is_network)
    if not kinetic_prior >= 0:
        raise ValueError(f"`kinetic_prior` is {kinetic_prior!r}; expected a number >= 0")
    return function, dof, float(kinetic_prior)


def _output_shape(function: AbstractLagrangian, dof: int) -> tuple[int, ...]:
    """The output shape of a function of (t, q, v), or of its network if it is a `StateNetwork`."""
    if isinstance(function, StateNetwork):
        return output_shape(function.network, (2 * dof,))
    return output_shape(function, (), (dof,), (dof,))
