"""Frozen parts of a model: training does not change them."""

from typing import Any, TypeVar

import jax
from jaxtyping import Array

from ..numerics import AbstractFrozen

Tree = TypeVar("Tree")


class Frozen(AbstractFrozen):
    """Freeze a part of a model, so that training does not change it: a layer, a network, a force, or any pytree.

    `fit`, `polish` and `gauss_newton` do not change its arrays, with any optimiser (weight decay included). Gradients
    with respect to them are zero. `save` and `load` keep the wrapper. Calls and attributes are those of `value`, so the
    model is used as before. `unfrozen` removes the wrappers.

    In your own training loop, exclude these arrays from the optimiser:
    `eqx.partition(model, eqx.is_inexact_array, is_leaf=lambda x: isinstance(x, Frozen))`.

    **Arguments:**

    - `value`: the part to freeze.

    **Example:**

    ```python
    >>> import equinox as eqx, jax, jax.numpy as jnp, neural_lagrangian as nl
    >>> mlp = eqx.nn.MLP(2, "scalar", 8, 2, activation=jax.nn.softplus, key=jax.random.key(0))
    >>> mlp = eqx.tree_at(lambda m: m.layers[0], mlp, replace_fn=nl.networks.Frozen)
    >>> gradient = eqx.filter_grad(lambda mlp: mlp(jnp.ones(2)))(mlp)
    >>> [bool(jnp.any(layer.weight != 0)) for layer in gradient.layers]  # training changes layers 1 and 2
    [False, True, True]
    ```
    """

    value: Any

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        if not callable(self.value):
            raise TypeError(
                f"a frozen {type(self.value).__name__} cannot be called; call the part of `unfrozen(model)` instead"
            )
        return unfrozen(self)(*args, **keywords)

    def __getattr__(self, name: str) -> Any:
        if name == "value" or (name.startswith("__") and name.endswith("__")):  # not set yet, or a special method
            raise AttributeError(f"{type(self).__name__} has no attribute {name}")
        return getattr(unfrozen(self), name)

    def __jax_array__(self) -> Array:
        return jax.numpy.asarray(unfrozen(self))


def unfrozen(tree: Tree) -> Tree:
    """The same model without `Frozen` wrappers: each is replaced by its value, whose gradient is zero.

    **Arguments:**

    - `tree`: a model, or another pytree.

    **Example:**

    ```python
    >>> import equinox as eqx, jax, neural_lagrangian as nl
    >>> layer = nl.networks.Frozen(eqx.nn.Linear(2, 3, key=jax.random.key(0)))
    >>> type(nl.networks.unfrozen(layer)).__name__
    'Linear'
    ```
    """
    if not any(map(_is_frozen, jax.tree.leaves(tree, is_leaf=_is_frozen))):
        return tree
    return jax.tree.map(lambda node: _stopped(node.value) if _is_frozen(node) else node, tree, is_leaf=_is_frozen)


def _is_frozen(node: Any) -> bool:
    return isinstance(node, Frozen)


def _stopped(value: Any) -> Any:
    def stop(leaf: Any) -> Any:
        return jax.lax.stop_gradient(leaf) if isinstance(leaf, jax.Array) else leaf

    return jax.tree.map(stop, unfrozen(value))
