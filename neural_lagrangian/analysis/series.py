"""Figures against time. Each function draws on the given axes and returns them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .axes import axes, legend_below, nan_where_infinite


def plot_trajectories(
    ts: Any, truth: Any, predicted: Mapping[str, Any], *, coordinate: int = 0, label: str = "q", ax: Axes | None = None
) -> Axes:
    """Plot one coordinate against time: predictions in colour, the truth dashed.

    **Arguments:**

    - `ts`: shape `(time,)`. `truth` and each of `predicted`: shape `(time, 2 dof)`.
    - `coordinate`: its index. `label`: its name and unit.
    - `ax`: axes to draw on (default: those of a new figure).

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> t = np.linspace(0.0, 6.0, 61)
    >>> truth = np.stack([np.cos(t), -np.sin(t)], axis=1)
    >>> nl.analysis.plot_trajectories(t, truth, {"model": 1.1 * truth}, label="q [m]").get_ylabel()
    'q [m]'
    ```
    """
    ax = axes(ax)
    for name, ys in predicted.items():
        ax.plot(ts, nan_where_infinite(np.asarray(ys)[:, coordinate]), label=name, linewidth=1.2)
    truth = np.asarray(truth)[:, coordinate]
    ax.plot(ts, truth, "k--", label="truth", linewidth=1.0)
    reach = 1.6 * np.max(np.abs(truth - truth.mean()))
    ax.set_ylim(truth.mean() - reach, truth.mean() + reach)
    ax.set(xlabel="time [s]", ylabel=label)
    legend_below(ax)
    return ax


def plot_energy(
    ts: Any, energies: Mapping[str, Any], truth: Any = None, *, label: str = "energy [J]", ax: Axes | None = None
) -> Axes:
    """Plot the energy, or another conserved quantity, against time; the truth dashed.

    **Arguments:**

    - `ts`: shape `(time,)`. `truth` and each of `energies`: shape `(time,)`.
    - `label`: the quantity and its unit.
    - `ax`: axes to draw on (default: those of a new figure).

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> ts = np.linspace(0.0, 1.0, 11)
    >>> nl.analysis.plot_energy(ts, {"model": 2.0 + 0.01 * ts}, truth=np.full(11, 2.0)).get_ylabel()
    'energy [J]'
    ```
    """
    ax = axes(ax)
    for name, energy in energies.items():
        ax.plot(ts, nan_where_infinite(energy), label=name, linewidth=1.2)
    if truth is not None:
        ax.plot(ts, truth, "k--", label="truth", linewidth=1.0)
    ax.ticklabel_format(axis="y", useOffset=False)
    ax.set(xlabel="time [s]", ylabel=label)
    legend_below(ax)
    return ax


def plot_error_growth(
    ts: Any, errors: Mapping[str, Any], floor: Any = None, *, label: str, ax: Axes | None = None
) -> Axes:
    """Plot the median error over trajectories against time, on a logarithmic scale, with the quartiles shaded.

    **Arguments:**

    - `ts`: shape `(time,)`. `errors`: errors by name, each of shape `(trajectory, time)`.
    - `floor`: error of `perturbation_floor`, shape `(trajectory, time)`, shown dashed as the accuracy limit.
    - `label`: name of the error, with its unit.
    - `ax`: axes to draw on (default: those of a new figure).

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> ts = np.linspace(0.0, 1.0, 11)
    >>> errors = 1e-3 * np.exp(ts) * np.ones((4, 11))  # of four trajectories
    >>> nl.analysis.plot_error_growth(ts, {"model": errors}, label="error [rad]").get_yscale()
    'log'
    ```
    """
    ax = axes(ax)
    tops = []
    for name, error in errors.items():
        low, middle, high = np.quantile(np.asarray(error), [0.25, 0.5, 0.75], axis=0, method="nearest")
        (line,) = ax.plot(ts, middle, label=name, linewidth=1.2)
        ax.fill_between(ts, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        tops.append(middle[np.isfinite(middle) & (middle > 0)])
    if floor is not None:
        ax.plot(ts, np.median(np.asarray(floor), axis=0), "k--", label="perturbed truth", linewidth=1.0)
    ax.set_yscale("log")
    visible = np.concatenate(tops)
    if visible.size:
        ax.set_ylim(max(np.quantile(visible, 0.01), 1e-16) / 2, visible.max() * 3)
    ax.set(xlabel="time [s]", ylabel=label)
    legend_below(ax)
    return ax


def plot_history(histories: Mapping[str, Any], *, ax: Axes | None = None) -> Axes:
    """Plot the training loss against wall time. Each point is the median over about 1 % of the steps.

    **Arguments:**

    - `histories`: `History` of trainings (`fit(...).history`) by name.
    - `ax`: axes to draw on (default: those of a new figure).

    **Example:**

    ```python
    >>> import jax, numpy as np, optax, neural_lagrangian as nl
    >>> t = np.linspace(0.0, 1.0, 11)
    >>> motion = nl.Trajectories(t, np.stack([np.cos(t), -np.sin(t)], axis=1))
    >>> model = nl.NeuralLagrangian(nl.lagrangians.AdditivePolynomial(1, degree_q=2))
    >>> options = {"optimizer": optax.adam(1e-2), "steps": 5, "key": jax.random.key(0)}
    >>> result = nl.fit(model, motion, loss=nl.trajectory_mse, **options)
    >>> nl.analysis.plot_history({"adam": result.history}).get_ylabel()
    'training loss'
    ```
    """
    ax = axes(ax)
    for name, history in histories.items():
        size = max(len(history.loss) // 100, 1)
        count = len(history.loss) // size * size
        blocks = np.asarray(history.loss)[:count].reshape(-1, size)
        ax.plot(np.asarray(history.seconds)[size - 1 : count : size], np.nanmedian(blocks, axis=1), label=name)
    ax.set_yscale("log")
    ax.set(xlabel="wall time, compilation included [s]", ylabel="training loss")
    legend_below(ax)
    return ax
