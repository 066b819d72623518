"""What a recording holds, before anything is learned from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path

import numpy as np

from ..trajectories import Trajectories
from .columns import Columns, roles
from .declared import Declared, columns_of, columns_of_motion
from .faults import UsageError
from .model_folder import Learned, is_folder, read_folder
from .recording import Recording, read_recording, recording_of, wrong_rates
from .remark import Remark
from .suspicious import described, refusals, suspicious
from .tables import aligned, stated_all

IN_MEMORY = "trajectories in memory"
"""Name of a recording that is no file."""


@dataclass(frozen=True)
class Inspection:
    """What `inspect` finds in a recording; printed, a summary.

    `name`: of the recording, and its `path` if it is a file. `columns`: which column is what. `recording`: the motion
    in SI units.

    **Example:**

    ```python
    t = np.arange(0.0, 10.0, 0.02)
    turning = nl.Trajectories(t, np.stack([3 * t % (2 * np.pi), np.full(500, 3.0)], axis=1), names=["phi"])
    found = nl.identification.inspect(turning)
    found.refusals[0].options  # {'angles': ['phi']}
    nl.identification.inspect(turning, angles=["phi"]).refusals  # ()
    ```
    """

    name: str
    path: Path | None
    columns: Columns
    recording: Recording

    @property
    def trajectories(self) -> Trajectories:
        """The motion that `identify` learns from, in SI units: the runs between gaps, angles without jumps."""
        return self.recording.trajectories

    @cached_property
    def remarks(self) -> tuple[Remark, ...]:
        """What is suspicious, and the options that would help."""
        return tuple(suspicious(self.recording.recorded, self.columns))

    @cached_property
    def wrong_rates(self) -> tuple[Remark, ...]:
        """Which recorded velocities are not the rates of their coordinates."""
        return tuple(wrong_rates(self.recording.trajectories, self.columns))

    @cached_property
    def refusals(self) -> tuple[Remark, ...]:
        """Why `identify` would refuse to learn from it; empty if it would not."""
        still_or_jumping = refusals(self.recording, self.columns)
        return (*still_or_jumping, *self.wrong_rates)

    @property
    def described(self) -> str:
        """How much motion there is, and how densely it is sampled."""
        return described(self.recording.recorded)

    @property
    def roles(self) -> str:
        """Which column is what, and in which unit."""
        return roles(self.path, self.columns)

    def facts(self, written: Callable[[Remark], str] = str) -> list[tuple[str, str]]:
        """Topics, and what there is to say on each; `written` gives the text of a remark."""
        rows = [["column, in SI", "least", "mean", "most", "spread"]]
        motion = self.recording.observed
        names = [*self.columns.coordinates, *self.columns.velocities]
        for name, x in zip(names, motion.ys[motion.mask].T, strict=False):
            rows.append([name, *(f"{value:.4g}" for value in (x.min(), np.mean(x), x.max(), np.std(x)))])
        return [
            ("recording", f"{self.name}: {self.described}"),
            ("columns", self.roles),
            ("ranges", aligned(rows)),
            ("suspicious", "\n".join(map(written, self.remarks)) or "nothing"),
        ]

    def __str__(self) -> str:
        refused = [("refused", "\n".join(map(str, self.refusals)))] if self.refusals else []
        return stated_all([*self.facts(), *refused])

    def _repr_html_(self) -> str:
        """As a notebook shows it."""
        return f"<pre>{escape(str(self))}</pre>"


def inspect(
    source: str | Path | Trajectories,
    *,
    dof: int | None = None,
    time: str | None = None,
    coordinates: Sequence[str] | None = None,
    velocities: Sequence[str] | None = None,
    trajectory: str | None = None,
    units: Mapping[str, str] | None = None,
    angles: Sequence[str | int] | None = None,
    gap: float | None = None,
) -> Inspection | Learned:
    """What a recording holds, and what looks wrong with it: samples, spacing, gaps, ranges, jumps, spikes.

    **Arguments:**

    - `source`: a file (`.csv`, `.txt`, `.npz`, `.parquet`, `.h5`, a spreadsheet, ...) with one sample a row; or
      trajectories, for which `angles`, `gap` and `velocities=[]` alone are taken; or a folder of `identify`.
    - `dof`: degrees of freedom: so many columns after the time are coordinates, the next ones their velocities. All
      columns are coordinates if neither this nor `coordinates` is given.
    - `time`: column of times; the first column of numbers or dates unless given.
    - `coordinates`: columns of the coordinates.
    - `velocities`: columns of the velocities; an empty list means that they are found from the coordinates.
    - `trajectory`: column that tells several motions apart.
    - `units`: units by column, such as `{"t": "ms", "theta": "deg"}`, where the headings do not say them; SI otherwise.
    - `angles`: coordinates that are angles, by name or number: the model is periodic in them, and jumps of a turn are
      undone. Those in units of angle unless given.
    - `gap`: longest interval in seconds that is no gap; seven times the usual interval around it unless given.

    **Returns:** an `Inspection`; of a folder all that is known of the model in it, `Learned`.

    **Raises:** `UsageError` for options that contradict each other or that `source` does not take; `NoAnswerError`,
    `DataFileError` or `TrajectoryError`, each a `NeuralLagrangianError`, for a recording that cannot be read; `OSError`
    for a file that is not there.

    **Example:**

    ```python
    t = np.arange(0.0, 10.0, 0.02)
    motion = nl.Trajectories(t, np.stack([np.sin(2 * t), 2 * np.cos(2 * t)], axis=1), names=["x"])
    print(nl.identification.inspect(motion))  # 500 samples, 9.98 s in all, 0.02 s apart; suspicious: nothing
    ```
    """
    declared = Declared(
        dof=dof,
        time=time,
        coordinates=coordinates,
        velocities=velocities,
        trajectory=trajectory,
        units=units,
        angles=angles,
        gap=gap,
    )
    if not isinstance(source, Trajectories) and (is_folder(Path(source)) or Path(source).is_dir()):
        if declared != Declared():
            raise UsageError(f"{source} is a folder of a model; expected no options, its columns are known")
        return read_folder(source)  # checks the SHA-256
    return inspected(source, declared, all_are_coordinates=True)


def inspected(
    source: str | Path | Trajectories, declared: Declared, *, all_are_coordinates: bool = False
) -> Inspection:
    """What a recording holds; arguments and errors as for `inspect`."""
    if not isinstance(source, Trajectories):
        path = Path(source)
        columns = columns_of(path, declared, all_are_coordinates=all_are_coordinates)
        return Inspection(str(path), path, columns, read_recording(path, columns))
    if source.controls is not None:
        raise UsageError("the trajectories have controls; expected none: motion that is driven is not identified")
    columns = columns_of_motion(source, declared)
    plain = Trajectories(source.ts, source.ys, mask=source.mask, names=source.names).astype(np.float64)
    return Inspection(IN_MEMORY, None, columns, recording_of(IN_MEMORY, plain, columns))
