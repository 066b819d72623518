"""Figures of computational cost: work-precision diagrams, and run time against the number of parameters."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .axes import axes, legend_below

Points = Mapping[str, Any]


def plot_work_precision(
    points: Points,
    *,
    work: str = "evaluations of the right-hand side",
    error: str = "error",
    ax: Axes | None = None,
) -> Axes:
    """Work-precision diagram: error against work, both logarithmic. Lower and further left is better.

    **Arguments:**

    - `points`: pairs `(work, error)` by method. `work`, `error`: axis labels, with units.
    - `ax`: axes to draw on (default: those of a new figure).

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> ax = nl.analysis.plot_work_precision({"RK4": [(100, 1e-4), (200, 6e-6)]}, error="energy error [J]")
    >>> ax.get_ylabel()
    'energy error [J]'
    ```
    """
    ax = axes(ax)
    for name, pairs in points.items():
        ax.loglog(*np.asarray(pairs, float).T, "o-", markersize=4, label=name)
    ax.set(xlabel=work, ylabel=error)
    _finish(ax)
    return ax


def plot_parameter_scaling(points: Points, *, cost: str = "time [s]", ax: Axes | None = None) -> Axes:
    """Plot cost against the number of parameters, both logarithmic, with the exponent of a `power_law` fit.

    **Arguments:**

    - `points`: pairs `(parameters, cost)` by method. `cost`: axis label, with its unit.
    - `ax`: axes to draw on (default: those of a new figure).

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> ax = nl.analysis.plot_parameter_scaling({"model": [(1e3, 0.1), (1e4, 1.0)]})  # time in proportion to size
    >>> ax.get_legend().get_texts()[0].get_text()
    'model (slope 1.00)'
    ```
    """
    ax = axes(ax)
    for name, pairs in points.items():
        ax.loglog(*np.asarray(pairs, float).T, "o-", markersize=4, label=f"{name} (slope {power_law(pairs):.2f})")
    ax.set(xlabel="parameters", ylabel=cost)
    _finish(ax)
    return ax


def power_law(pairs: Any) -> float:
    """The exponent k of a power law `y = c x^k`, by least squares in the logarithms; NaN for a single pair.

    For cost against the number of parameters, 1 means proportional and 0 means independent.

    **Arguments:**

    - `pairs`: pairs (x, y) of positive numbers, shape `(pair, 2)`.

    **Example:**

    ```python
    >>> import neural_lagrangian as nl
    >>> round(nl.analysis.power_law([(1.0, 2.0), (2.0, 8.0), (4.0, 32.0)]), 3)  # y = 2 x^2
    2.0
    ```
    """
    x, y = np.log(np.asarray(pairs, float)).T
    return float(np.polyfit(x, y, 1)[0]) if len(x) > 1 else np.nan


def _finish(ax: Axes) -> None:
    ax.grid(which="major", alpha=0.3)
    legend_below(ax, columns=2)
