"""Figures in phase space: phase portraits and Poincare sections."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .axes import axes, legend_below, nan_where_infinite


def plot_phase_portrait(
    truth: Any,
    predicted: Mapping[str, Any],
    *,
    coordinate: int = 0,
    labels: tuple[str, str] = ("q", "dq/dt"),
    ax: Axes | None = None,
) -> Axes:
    """Phase portrait: velocity against coordinate, with predictions in colour, the truth dashed, and the start a dot.

    **Arguments:**

    - `truth` and each of `predicted`: states, shape `(time, 2 dof)`.
    - `coordinate`: index of the coordinate. `labels`: names and units of coordinate and velocity.
    - `ax`: axes to draw on (default: those of a new figure).

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> t = np.linspace(0.0, 6.0, 61)
    >>> circle = np.stack([np.cos(t), -np.sin(t)], axis=1)
    >>> nl.analysis.plot_phase_portrait(circle, {"model": 1.1 * circle}, labels=("q [m]", "v [m/s]")).get_ylabel()
    'v [m/s]'
    ```
    """
    ax = axes(ax)
    truth = np.asarray(truth)
    pair = [coordinate, truth.shape[1] // 2 + coordinate]
    for name, ys in predicted.items():
        ax.plot(*nan_where_infinite(np.asarray(ys)[:, pair]).T, label=name, linewidth=1.2)
    ax.plot(*truth[:, pair].T, "k--", label="truth", linewidth=1.0)
    ax.plot(*truth[0, pair], "ko", markersize=5, label="start")
    ax.set(xlabel=labels[0], ylabel=labels[1])
    legend_below(ax)
    return ax


def plot_poincare_section(
    sections: Mapping[str, Any], *, columns: tuple[int, int], labels: tuple[str, str], ax: Axes | None = None
) -> Axes:
    """Plot Poincare sections, with one colour for each motion or model.

    **Arguments:**

    - `sections`: states on the surface by name, from `poincare_section`, shape `(crossing, 2 dof)`.
    - `columns`: the two components of the state to show. `labels`: their names and units.
    - `ax`: axes to draw on (default: those of a new figure).

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> points = np.ones((5, 4))  # five crossings of a motion with two coordinates
    >>> ax = nl.analysis.plot_poincare_section({"truth": points}, columns=(1, 3), labels=("y [m]", "v_y [m/s]"))
    >>> ax.get_xlabel()
    'y [m]'
    ```
    """
    ax = axes(ax)
    for name, points in sections.items():
        ax.plot(*np.asarray(points)[:, list(columns)].T, ".", markersize=2.5, label=name)
    ax.set(xlabel=labels[0], ylabel=labels[1])
    legend_below(ax)
    return ax
