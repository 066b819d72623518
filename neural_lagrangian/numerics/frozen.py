"""What no training changes."""

import equinox as eqx
from jaxtyping import PyTree


class AbstractFrozen(eqx.Module):
    """Numbers that no training changes, wherever they are in a model."""


def trained_and_rest(tree: PyTree) -> tuple[PyTree, PyTree]:
    """The floating-point arrays that training changes, and all else."""
    return eqx.partition(tree, eqx.is_inexact_array, is_leaf=lambda node: isinstance(node, AbstractFrozen))
