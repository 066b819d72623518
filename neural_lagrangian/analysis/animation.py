"""Animations of a system, with several motions side by side."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.axes import Axes

from ..systems import AbstractSystem


def animate(
    system: AbstractSystem,
    ts: Any,
    motions: Any,
    *,
    path: str | Path | None = None,
    frames_per_second: int = 30,
    speed: float = 1.0,
    trace: float = 1.0,
    size: float = 3.0,
) -> FuncAnimation:
    """Animate one or several motions of a system side by side. Each body has a trace behind it.

    Positions are interpolated linearly between samples. A motion that is no longer finite stops, with a note.

    **Arguments:**

    - `system`: the system, whose `drawing` is animated with its parameters.
    - `ts`: times in the system's unit, shape `(time,)`.
    - `motions`: states, shape `(time, 2 dof)`, or a mapping of names to such states, with one panel for each.
    - `path`: the file to write, `.gif` (by Pillow) or `.html` (frames inside the page). `None` writes no file.
    - `frames_per_second`: frame rate of the animation. `speed`: time of the motion per second of animation.
    - `trace`: length of the traces, in time of the motion.
    - `size`: size of each panel, in inches.

    **Returns:** the `matplotlib.animation.FuncAnimation`. Show it in a notebook with `HTML(animation.to_jshtml())`.

    **Raises:** `ValueError` for shapes that do not match the system, if no motion is finite, or for another suffix.

    **Example:**

    ```python
    >>> import numpy as np, neural_lagrangian as nl
    >>> ts, ys = np.array([0.0, 0.1]), np.array([[0.1, 0.0], [0.1, 0.0]])
    >>> animation = nl.analysis.animate(nl.systems.Pendulum(), ts, {"truth": ys, "model": ys}, path="swing.gif")
    >>> type(animation).__name__
    'FuncAnimation'
    ```
    """
    times = np.asarray(ts, float)
    named = motions if isinstance(motions, Mapping) else {"": motions}
    path = None if path is None else Path(path)
    if path is not None and path.suffix not in (".gif", ".html"):
        raise ValueError(f"`path` ends in {path.suffix!r}; expected '.gif' or '.html'")
    if not named:
        raise ValueError("`motions` is empty; expected at least one motion")
    shape = (times.size, 2 * system.dof)
    for name, ys in named.items():
        if np.shape(ys) != shape:
            raise ValueError(f"`motions` {name!r} has shape {np.shape(ys)}; expected {shape}, as [q, v] at `ts`")
    if not any(np.isfinite(np.asarray(ys)[0]).all() for ys in named.values()):
        raise ValueError("`motions` begin with states that are not finite; expected at least one finite initial state")
    frames = np.arange(times[0], times[-1], speed / frames_per_second)
    drawings = {name: _drawings(system, times, np.asarray(ys, float), frames) for name, ys in named.items()}

    figure, axes = plt.subplots(
        1, len(named), figsize=(size * len(named), size), squeeze=False, layout="constrained", sharex=True, sharey=True
    )
    axes[0, 0].set_ylabel("y")
    limits = _limits(drawings.values())
    trail = max(1, round(trace / speed * frames_per_second))
    panels = [
        _Panel(ax, name, drawing, limits, trail) for ax, (name, drawing) in zip(axes[0], drawings.items(), strict=True)
    ]
    clock = figure.supxlabel("", fontsize="small")

    def update(frame: int) -> list[Any]:
        clock.set_text(f"t = {frames[frame]:.2f}")
        return [clock, *(artist for panel in panels for artist in panel.draw(frame))]

    animation = FuncAnimation(figure, update, frames=len(frames), interval=1000 / frames_per_second, blit=False)
    if path is not None:
        if path.suffix == ".gif":
            animation.save(path, writer=PillowWriter(fps=frames_per_second))
        else:
            path.write_text(animation.to_jshtml(fps=frames_per_second))
    plt.close(figure)
    return animation


class _Frames(NamedTuple):
    """The drawings of a motion at each frame: `bodies` (frame, body, 2) and `lines` (frame, line, point, 2)."""

    bodies: np.ndarray
    lines: np.ndarray


class _Panel:
    """The panel of one motion: lines, bodies and traces."""

    def __init__(self, ax: Axes, name: str, drawing: _Frames, limits: tuple[Any, Any], trail: int):
        self.drawing, self.trail = drawing, trail
        _, body_count, _ = drawing.bodies.shape
        colors = [f"C{i}" for i in range(body_count)]
        self.lines = [ax.plot([], [], color="0.4", linewidth=1.2)[0] for _ in range(drawing.lines.shape[1])]
        self.traces = [ax.plot([], [], color=color, alpha=0.4, linewidth=1)[0] for color in colors]
        self.bodies = ax.scatter(np.zeros(body_count), np.zeros(body_count), c=colors, s=40, zorder=3)
        self.note = ax.text(0.5, 0.03, "", transform=ax.transAxes, ha="center", color="C3", fontsize="small")
        ax.set(xlim=limits[0], ylim=limits[1], title=name, xlabel="x")
        ax.set_aspect("equal")
        ax.tick_params(labelsize="x-small")

    def draw(self, frame: int) -> list[Any]:
        bodies, lines = self.drawing
        finite = np.isfinite(bodies[: frame + 1]).all(axis=(1, 2))
        last = int(np.argmin(finite)) - 1 if not finite.all() else frame
        self.note.set_text("" if finite.all() else "no longer finite")
        first = max(0, last - self.trail)
        self.bodies.set_offsets(bodies[last])
        for i, trace in enumerate(self.traces):
            trace.set_data(*bodies[first : last + 1, i].T)
        for i, line in enumerate(self.lines):
            line.set_data(*lines[last, i].T)
        return [self.bodies, self.note, *self.traces, *self.lines]


def _drawings(system: AbstractSystem, ts: np.ndarray, ys: np.ndarray, frames: np.ndarray) -> _Frames:
    index = np.clip(np.searchsorted(ts, frames, side="right") - 1, 0, len(ts) - 2)
    fraction = (frames - ts[index]) / (ts[index + 1] - ts[index])
    with np.errstate(invalid="ignore"):
        q = ys[index] + fraction[:, None] * (ys[index + 1] - ys[index])
    drawn = eqx.filter_jit(jax.vmap(lambda q: system.drawing(q)))(
        jnp.asarray(q[:, : system.dof], jnp.result_type(float))
    )
    return _Frames(np.asarray(drawn.bodies, float), np.asarray(drawn.lines, float))


def _limits(drawings: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    """The limits of a square that contains all finite points, with a margin."""
    points = np.concatenate([np.concatenate([d.bodies.reshape(-1, 2), d.lines.reshape(-1, 2)]) for d in drawings])
    points = points[np.isfinite(points).all(axis=1)]
    low, high = points.min(axis=0), points.max(axis=0)
    middle, half = (low + high) / 2, 0.55 * max((high - low).max(), 1e-9)
    return (middle[0] - half, middle[0] + half), (middle[1] - half, middle[1] + half)
