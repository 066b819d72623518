"""Figures of the report, as PNG images."""

import io
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from ...analysis import plot_energy, plot_error_growth, plot_history, plot_phase_portrait, plot_trajectories
from ...training import History
from ..evidence import Bands, Diagnosis, Whiteness
from ..judging import Errors
from ..recordings import Columns, Starts


def predictions(starts: Starts, rollouts: Mapping[str, np.ndarray], columns: Columns) -> bytes:
    """Plot each coordinate against time, and its phase portrait, from the first start."""
    figure = Figure(figsize=(11, 3.6 * columns.dof), layout="constrained")
    axes = figure.subplots(columns.dof, 2, squeeze=False, width_ratios=(2, 1))
    truth, first = np.asarray(starts.ys[0]), {name: ys[0] for name, ys in rollouts.items()}
    for i, (time, phase) in enumerate(axes):
        labels = columns.labels(i)
        plot_trajectories(starts.ts[0], truth, first, coordinate=i, label=labels[0], ax=time)
        plot_phase_portrait(truth, first, coordinate=i, labels=labels, ax=phase)
    return _png(figure)


def error_growth(errors: Errors, columns: Columns) -> bytes:
    """Plot the error of each coordinate against time."""
    across, down = min(columns.dof, 2), (columns.dof + 1) // 2
    figure = Figure(figsize=(5.5 * across, 3.6 * down), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for i, ax in enumerate(axes[: columns.dof]):
        of_one = {name: error[:, 1:, i] for name, error in errors.by_name.items()}
        plot_error_growth(errors.times[1:], of_one, label=f"error of {columns.labels(i)[0]}", ax=ax)
    for ax in axes[columns.dof :]:
        ax.set_axis_off()
    return _png(figure)


def prediction_with_band(bands: Bands, columns: Columns) -> bytes:
    """Plot each coordinate of the first held-out windows: recorded, predicted, and the band of the prediction."""
    across = min(len(bands.ts), 3)
    figure = Figure(figsize=(4.2 * across, 2.8 * columns.dof), layout="constrained")
    axes = figure.subplots(columns.dof, across, squeeze=False)
    chosen = np.linspace(0, len(bands.ts) - 1, across).astype(int)
    for i, row in enumerate(axes):
        for ax, k in zip(row, chosen, strict=True):
            t, y, half = bands.ts[k], bands.predicted[k, :, i], bands.half[k, :, i]
            ax.fill_between(t[bands.seen :], (y - half)[bands.seen :], (y + half)[bands.seen :], alpha=0.3, lw=0)
            ax.plot(t, y, lw=1.2, label="prediction")
            ax.plot(t, bands.recorded[k, :, i], "k.", ms=2.5, label="recording")
            ax.axvline(t[bands.seen], color="0.6", lw=0.8)
            ax.set_xlabel("time [s]")
        row[0].set_ylabel(columns.labels(i)[0])
    axes[0, 0].legend(loc="best", fontsize="small")
    return _png(figure)


def missing_force(diagnosis: Diagnosis) -> bytes:
    """Plot the missing force at each joint against position, velocity and energy, with means in ten classes."""
    count = len(diagnosis.names)
    figure = Figure(figsize=(11, 2.8 * count), layout="constrained")
    for i, row in enumerate(figure.subplots(count, 3, squeeze=False)):
        f = diagnosis.force[:, i]
        quantities = {"position": diagnosis.position[:, i], "velocity": diagnosis.velocity[:, i]}
        quantities["energy"] = diagnosis.energy
        for ax, (name, x) in zip(row, quantities.items(), strict=True):
            ax.plot(x, f, ".", ms=2, alpha=0.5)
            classes = np.array_split(np.argsort(x), 10)
            ax.plot([x[k].mean() for k in classes if len(k)], [f[k].mean() for k in classes if len(k)], "k-", lw=1.2)
            ax.axhline(0.0, color="0.6", lw=0.8)
            ax.set_xlabel(f"{name}, {diagnosis.names[i]}")
        row[0].set_ylabel("missing force")
    return _png(figure)


def correlations(whiteness: Whiteness) -> bytes:
    """Plot the correlation of the errors of each coordinate against the time between them, with the band of noise."""
    figure = Figure(figsize=(11, 2.8), layout="constrained")
    ax = figure.subplots()
    for name, values in zip(whiteness.names, whiteness.correlation.T, strict=True):
        ax.plot(whiteness.lags[1:], values[1:], ".-", ms=4, lw=1, label=name)
    ax.axhspan(-whiteness.band, whiteness.band, color="0.85", lw=0, label="white noise")
    ax.axhline(0.0, color="0.6", lw=0.8)
    ax.set_xlabel("time between errors [s]")
    ax.set_ylabel("correlation")
    ax.legend(loc="best", fontsize="small")
    return _png(figure)


def energy_and_history(model: Any, starts: Starts, rollout: np.ndarray, history: History | None) -> bytes:
    """Plot the learned energy from the first start, and the training losses, if a network was trained."""
    model = starts.model_of(model)
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    axes = figure.subplots(1, 1 if history is None else 2, squeeze=False)[0]
    ts, ys = starts.ts[0], starts.ys[0]

    def energy(ys: Any) -> np.ndarray:
        split = np.split(np.asarray(ys), 2, axis=1)
        return np.asarray(jax.jit(jax.vmap(model.energy))(ts, *split))

    plot_energy(ts, {"predicted": energy(rollout), "recorded": energy(ys)}, label="learned energy", ax=axes[0])
    if history is not None:
        plot_history({"training": history}, ax=axes[1])
    return _png(figure)


def _named(ax: Axes) -> list[Text]:
    """Texts of a plot that may contain names of columns."""
    legend = ax.get_legend()
    return [ax.title, ax.xaxis.label, ax.yaxis.label, *([] if legend is None else legend.get_texts())]


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    for text in (text for ax in figure.axes for text in _named(ax)):
        text.set_parse_math(False)  # a dollar sign in the name of a column does not start a formula
        text.set_text(text.get_text().encode("utf-8", "backslashreplace").decode())
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
