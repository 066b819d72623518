"""Figures of functions of two variables: a Lagrangian over phase space, a loss over two parameters."""

from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Float
from matplotlib.axes import Axes

from .._types import Lagrangian
from .axes import axes, legend_below


def plot_lagrangian(
    lagrangian: Lagrangian,
    q: Any,
    v: Any,
    *,
    kind: Literal["contour", "surface"] = "contour",
    t: float = 0.0,
    levels: Any = 20,
    labels: tuple[str, str] = ("q", "dq/dt"),
    ax: Axes | None = None,
) -> Axes:
    """Plot a Lagrangian with one degree of freedom over coordinate and velocity.

    To compare a learned Lagrangian with the true one, apply `mechanics.gauge_fix` to both first.

    **Arguments:**

    - `lagrangian`: callable `(t, q, v) -> scalar`. `t`: time, in seconds.
    - `q`, `v`: grids, shapes `(k,)` and `(m,)`.
    - `kind`: filled contours, or a surface (`ax` must then have `projection="3d"`).
    - `levels`: contour levels, as for matplotlib. Use the same levels in panels to compare.
    - `labels`: names and units of coordinate and velocity.
    - `ax`: axes to draw on (default: those of a new figure).

    **Raises:** `ValueError` for another `kind`.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> oscillator, grid = nl.systems.HarmonicOscillator(), np.linspace(-1.0, 1.0, 11)
    >>> nl.analysis.plot_lagrangian(oscillator.lagrangian, grid, grid, labels=("q [m]", "v [m/s]")).get_xlabel()
    'q [m]'
    ```
    """
    if kind not in ("contour", "surface"):
        raise ValueError(f"`kind` is {kind!r}; expected 'contour' or 'surface'")
    values = _on_grid(lambda q, v: lagrangian(t, q[None], v[None]), q, v)
    if kind == "contour":
        ax = axes(ax)
        filled = ax.contourf(np.asarray(q), np.asarray(v), values.T, levels=levels)
        ax.figure.colorbar(filled, ax=ax, label="Lagrangian")
    else:
        ax = plt.figure(layout="constrained").add_subplot(projection="3d") if ax is None else ax
        grid = np.meshgrid(np.asarray(q), np.asarray(v), indexing="ij")
        ax.plot_surface(*grid, values, cmap="viridis", linewidth=0)  # pyright: ignore[reportAttributeAccessIssue]
        ax.set_zlabel("Lagrangian")  # pyright: ignore[reportAttributeAccessIssue]
    ax.set(xlabel=labels[0], ylabel=labels[1])
    return ax


def plot_loss_landscape(
    loss: Callable[[Array, Array], Array],
    first: Any,
    second: Any,
    *,
    labels: tuple[str, str],
    truth: tuple[Any, Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot a non-negative loss over two parameters, with its minimum on the grid and the true parameters.

    The colour scale is logarithmic and covers at most ten decades.

    **Arguments:**

    - `loss`: `(first, second) -> scalar`, differentiable or not.
    - `first`, `second`: grids, shapes `(k,)` and `(m,)`. `labels`: their names and units.
    - `truth`: the true parameters, if known.
    - `ax`: axes to draw on (default: those of a new figure).

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> loss, grid = lambda m, k: (k / m - 4.0) ** 2, np.linspace(1.0, 5.0, 11)
    >>> nl.analysis.plot_loss_landscape(loss, grid, grid, labels=("m [kg]", "k [N/m]"), truth=(1.0, 4.0)).get_xlabel()
    'm [kg]'
    ```
    """
    ax = axes(ax)
    values = _on_grid(loss, first, second)
    first, second = np.asarray(first), np.asarray(second)
    values = np.where(np.isfinite(values), values, np.nan)
    filled = ax.contourf(first, second, np.log10(np.maximum(values, 1e-10 * np.nanmax(values))).T, levels=20)
    ax.figure.colorbar(filled, ax=ax, label="log10 loss")
    i, j = np.unravel_index(np.nanargmin(values), values.shape)
    ax.plot(first[i], second[j], "w+", markersize=12, markeredgewidth=2, label="least on the grid")
    if truth is not None:
        ax.plot(*truth, "ro", markerfacecolor="none", markersize=10, label="truth")
    ax.set(xlabel=labels[0], ylabel=labels[1])
    legend_below(ax, columns=2, background="0.7")
    return ax


def _on_grid(f: Callable[[Array, Array], Array], x: Any, y: Any) -> Float[np.ndarray, "k m"]:
    x, y = jnp.asarray(x, jnp.result_type(float)), jnp.asarray(y, jnp.result_type(float))
    return np.asarray(eqx.filter_jit(jax.vmap(jax.vmap(f, (None, 0)), (0, None)))(x, y))
