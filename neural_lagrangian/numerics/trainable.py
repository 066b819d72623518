"""Separation of a model into trainable arrays and the rest."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Bool, PyTree


class AbstractFrozen(eqx.Module):
    """Base class of the parts of a model that training never changes."""


def trained_and_rest(tree: PyTree) -> tuple[PyTree, PyTree]:
    """Partition a model into the floating-point arrays that training changes, and all other leaves."""
    return eqx.partition(tree, eqx.is_inexact_array, is_leaf=lambda node: isinstance(node, AbstractFrozen))


def in_layers(trained: PyTree) -> Bool[np.ndarray, " weight"]:
    """Which of all trained numbers are weights of linear layers of networks, in the order of `ravel_pytree`."""

    def is_layer(node: Any) -> bool:
        return isinstance(node, eqx.nn.Linear)

    nodes = jax.tree.leaves(trained, is_leaf=is_layer)
    sizes = [sum(leaf.size for leaf in jax.tree.leaves(node)) for node in nodes]
    return np.repeat(np.array([is_layer(node) for node in nodes], bool), sizes)
