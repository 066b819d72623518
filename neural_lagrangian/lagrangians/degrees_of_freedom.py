"""What a network maps: its input and output size, checked before anything runs."""

from .._types import Network
from ..networks import output_shape, unfrozen
from .lagrangian import AbstractLagrangian, StateNetwork


def infer_dof(network: Network, dof: int | None) -> int | None:
    """Degrees of freedom from `dof`, the network's `in_size` or a Lagrangian's `dof`; `None` where none says.

    Raises `ValueError` where they disagree or make no sense.
    """
    if not callable(network):
        raise ValueError(f"`network` is {network!r}; expected a callable on states [q, v]")
    if dof is not None and (not isinstance(dof, int) or dof < 1):
        raise ValueError(f"`dof` is {dof!r}; expected a positive integer")
    network = unfrozen(network)
    if isinstance(network, AbstractLagrangian):
        if dof is not None and network.dof not in (None, dof):
            raise ValueError(f"`network` has {network.dof} degrees of freedom; expected `dof` {dof}")
        return network.dof if dof is None else dof
    in_size = getattr(network, "in_size", None)
    if not isinstance(in_size, int):
        return dof
    if in_size < 2 or in_size % 2:
        raise ValueError(f"`network` has in_size {in_size}; expected an even number, 2 dof, as it takes [q, v]")
    if dof is not None and in_size != 2 * dof:
        raise ValueError(f"`network` has in_size {in_size}; expected {2 * dof} for `dof` {dof}")
    return in_size // 2


def output_of(lagrangian: AbstractLagrangian, dof: int) -> tuple[int, ...]:
    """Shape that a Lagrangian of `dof` degrees of freedom returns, or the network on states that it is."""
    if isinstance(lagrangian, StateNetwork):
        return output_shape(lagrangian.network, (2 * dof,))
    return output_shape(lagrangian, (), (dof,), (dof,))
