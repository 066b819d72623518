"""Errors about trajectories and data files, with the place of the error."""

from os import PathLike

from .._errors import NeuralLagrangianError


class TrajectoryError(NeuralLagrangianError, ValueError):
    """Base class of errors in trajectory data. `trajectory` and `index` give the place, or are `None`."""

    def __init__(self, message: str, *, trajectory: int | None = None, index: int | None = None):
        place = [f"trajectory {trajectory}"] if trajectory is not None else []
        place += [f"index {index}"] if index is not None else []
        super().__init__(": ".join([", ".join(place), message]) if place else message)
        self.trajectory = trajectory
        self.index = index


class ShapeError(TrajectoryError):
    """The shapes of the arrays do not match."""


class DtypeError(TrajectoryError):
    """The values are not float32 or float64 numbers."""


class NonFiniteError(TrajectoryError):
    """A value is NaN or infinite."""


class TimeOrderError(TrajectoryError):
    """The times do not strictly increase, or the precision cannot resolve them."""


class SplitError(TrajectoryError):
    """The trajectories cannot be split into the requested parts."""


class DataFileError(NeuralLagrangianError, ValueError):
    """A data file is missing, cannot be read, or has unexpected content.

    `path`, `row` and `column` give the place, or are `None`. Rows are counted from 1. For text files `row` is the line
    number, as an editor shows it.
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
