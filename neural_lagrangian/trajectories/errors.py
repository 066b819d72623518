"""What can be wrong with recorded motion, each fault with the place where it was found."""

from os import PathLike

from .._errors import NeuralLagrangianError


class TrajectoryError(NeuralLagrangianError, ValueError):
    """A fault in trajectory data. `trajectory` and `index` locate it (`None` where it concerns the whole)."""

    def __init__(self, message: str, *, trajectory: int | None = None, index: int | None = None):
        place = [f"trajectory {trajectory}"] if trajectory is not None else []
        place += [f"index {index}"] if index is not None else []
        super().__init__(": ".join([", ".join(place), message]) if place else message)
        self.trajectory = trajectory
        self.index = index


class ShapeError(TrajectoryError):
    """Arrays whose shapes do not fit together."""


class DtypeError(TrajectoryError):
    """Values that are not real floating-point numbers."""


class NonFiniteError(TrajectoryError):
    """NaN or infinity where a measurement should be."""


class TimeOrderError(TrajectoryError):
    """Times that do not strictly increase."""


class SplitError(TrajectoryError):
    """Parts into which a set of trajectories cannot be split."""


class DataFileError(NeuralLagrangianError, ValueError):
    """A data file that cannot be had, cannot be read, or is not the file it should be.

    `path`, `row` and `column` locate the fault (`None` where it concerns the whole). The row is counted from 1; of
    text it is the line of the file, as an editor shows it.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | PathLike[str] | None = None,
        row: int | None = None,
        column: str | None = None,
        counted: str = "row",
    ):
        place = [str(path)] if path is not None else []
        place += [f"{counted} {row}"] if row is not None else []
        place += [f"column {column!r}"] if column is not None else []
        super().__init__(": ".join([", ".join(place), message]) if place else message)
        self.path = path
        self.row = row
        self.column = column
