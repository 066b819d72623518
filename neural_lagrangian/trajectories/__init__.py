"""Recorded and simulated motion."""

from .container import Trajectories
from .differentiate import differentiate, noise_gain, without_velocities
from .errors import (
    DataFileError,
    DtypeError,
    NonFiniteError,
    ShapeError,
    SplitError,
    TimeOrderError,
    TrajectoryError,
)
from .files import read_trajectories, write_trajectories
from .scaling import Scaling
from .split import split
from .windows import Windows

__all__ = [
    "DataFileError",
    "DtypeError",
    "NonFiniteError",
    "Scaling",
    "ShapeError",
    "SplitError",
    "TimeOrderError",
    "Trajectories",
    "TrajectoryError",
    "Windows",
    "differentiate",
    "noise_gain",
    "read_trajectories",
    "split",
    "without_velocities",
    "write_trajectories",
]
