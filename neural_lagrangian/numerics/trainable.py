"""Separation of a model into trainable arrays and the rest."""

import equinox as eqx
from jaxtyping import PyTree


class AbstractFrozen(eqx.Module):
    """Base class of the parts of a model that training never changes."""


def trained_and_rest(tree: PyTree) -> tuple[PyTree, PyTree]:
    """Partition a model into the floating-point arrays that training changes, and all other leaves."""
    return eqx.partition(tree, eqx.is_inexact_array, is_leaf=lambda node: isinstance(node, AbstractFrozen))
