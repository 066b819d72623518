"""Operations that only move numbers. They are applied to the numbers of memory cells, while a program is written."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

IDENTITIES = {"copy", "copy_p", "stop_gradient", "name", "optimization_barrier", "reshard", "sharding_constraint"}
"""Operations that change nothing. They may have several operands."""

MOVED_OPERANDS = {
    **dict.fromkeys(("broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "slice", "rev"), 1),
    **dict.fromkeys(("concatenate", "pad", "split", "stack", "unstack"), None),
    **{"gather": 1, "dynamic_slice": 1, "dynamic_update_slice": 2},
}
"""Operations that move their first operands: how many of them (`None`: all). The others are indices."""


def moved(primitive: core.Primitive, params: dict[str, Any], operands: list[np.ndarray]) -> list[np.ndarray]:
    """The operation applied to arrays of cell numbers and indices. A negative number stands for a missing entry."""
    quick = _quickly(primitive.name, params, operands)
    if quick is not None:
        return quick
    if "fill_value" in params:
        params = params | {"fill_value": -1}
    out = evaluated(primitive, params, [np.asarray(x, np.int32) for x in operands])
    return [np.asarray(x, np.int64) for x in out]


def scattered(primitive: core.Primitive, params: dict[str, Any], operands: list[np.ndarray]) -> np.ndarray:
    """The place of each entry of the updates in the flat result of a `scatter`; -1 if it is dropped.

    **Arguments:**

    - `operands`: an array of the shape of the operand, the indices, and an array of the shape of the updates.
    """
    operand, indices, updates = operands
    real = jnp.zeros(operand.shape, jnp.float32)
    # The transpose of a scatter is a gather. It shows to each update the number of its place.
    places = jnp.arange(1, operand.size + 1, dtype=jnp.float32).reshape(operand.shape)
    transpose = jax.linear_transpose(
        lambda u: primitive.bind(real, jnp.asarray(indices), u, **params), jnp.zeros(updates.shape, jnp.float32)
    )
    return np.asarray(transpose(places)[0]).astype(np.int64) - 1


def evaluated(primitive: core.Primitive, params: dict[str, Any], operands: list[np.ndarray]) -> list[np.ndarray]:
    """The operation applied to known numbers."""
    out = primitive.bind(*map(jnp.asarray, operands), **params)
    return [np.asarray(x) for x in (out if primitive.multiple_results else [out])]


def _quickly(name: str, params: dict[str, Any], operands: list[np.ndarray]) -> list[np.ndarray] | None:
    """The same by NumPy, which compiles nothing; `None` for the other operations."""
    x = operands[0]
    if name == "broadcast_in_dim":
        shape, axes = params["shape"], [int(k) for k in params["broadcast_dimensions"]]
        spread = [x.shape[axes.index(k)] if k in axes else 1 for k in range(len(shape))]
        return [np.broadcast_to(x.reshape(spread), shape)]
    if name == "reshape" and params["dimensions"] is None:
        return [x.reshape(params["new_sizes"])]
    if name == "squeeze":
        return [np.squeeze(x, tuple(int(k) for k in params["dimensions"]))]
    if name == "transpose":
        return [np.transpose(x, params["permutation"])]
    if name == "slice":
        strides = params["strides"] or (1,) * x.ndim
        ends = zip(params["start_indices"], params["limit_indices"], strides, strict=True)
        return [x[tuple(slice(int(a), int(b), int(c)) for a, b, c in ends)]]
    if name == "concatenate":
        return [np.concatenate(operands, params["dimension"])]
    if name == "stack":
        return [np.stack(operands, params["axis"])]
    if name == "rev":
        return [np.flip(x, params["dimensions"])]
    if name == "split":
        return np.split(x, np.cumsum([int(size) for size in params["sizes"]])[:-1], params["axis"])
    if name == "pad" and all(low >= 0 and high >= 0 and not inside for low, high, inside in params["padding_config"]):
        out = np.full([n + int(p[0]) + int(p[1]) for n, p in zip(x.shape, params["padding_config"], strict=True)], 0)
        out[...] = operands[1]
        out[tuple(slice(int(p[0]), int(p[0]) + n) for n, p in zip(x.shape, params["padding_config"], strict=True))] = x
        return [out]
    return None
