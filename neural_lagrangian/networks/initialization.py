"""Initial weights for networks that are differentiated twice."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray


def cranmer_init(mlp: eqx.nn.MLP, key: PRNGKeyArray) -> eqx.nn.MLP:
    r"""Initial weights for Lagrangian networks (Cranmer et al. 2020, appendix C, found by symbolic regression).

    Returns `mlp` with new weights. Biases are zero. Weights are normally distributed with standard deviation
    $c / \sqrt{w}$, w the width; c is 2.2 in the first layer, $0.58\,i$ in hidden layer i, and w in the last layer.

    **Arguments:**

    - `mlp`: a network with at least one hidden layer.
    - `key`: a JAX random key.

    **Raises:** `ValueError` for a network without a hidden layer.

    **Example:**

    ```python
    >>> import equinox as eqx, jax, jax.numpy as jnp, neural_lagrangian as nl
    >>> mlp = eqx.nn.MLP(2, "scalar", 8, 1, activation=jax.nn.softplus, key=jax.random.key(0))
    >>> mlp = nl.networks.cranmer_init(mlp, jax.random.key(1))
    >>> float(jnp.abs(mlp.layers[0].bias).max())  # biases start at zero
    0.0
    ```
    """
    layers, width = mlp.layers, mlp.width_size
    if len(layers) < 2:
        raise ValueError(f"`mlp` has {len(layers)} layer; expected at least 2: use `depth` of at least 1")
    factors = [2.2, *(0.58 * i for i in range(1, len(layers) - 1)), float(width)]

    def redraw(layer: eqx.nn.Linear, factor: float, key: PRNGKeyArray) -> eqx.nn.Linear:
        draw = jax.random.normal(key, layer.weight.shape, layer.weight.dtype)
        layer = eqx.tree_at(lambda m: m.weight, layer, factor / width**0.5 * draw)
        return layer if layer.bias is None else eqx.tree_at(lambda m: m.bias, layer, jnp.zeros_like(layer.bias))

    keys = jax.random.split(key, len(layers))
    drawn = tuple(redraw(*triple) for triple in zip(layers, factors, keys, strict=True))
    return eqx.tree_at(lambda m: m.layers, mlp, drawn)
