"""Recorded and simulated motion."""

from .container import Trajectories
from .errors import DtypeError, NonFiniteError, ShapeError, TimeOrderError, TrajectoryError
from .windows import Windows

__all__ = [
    "DtypeError",
    "NonFiniteError",
    "ShapeError",
    "TimeOrderError",
    "Trajectories",
    "TrajectoryError",
    "Windows",
]
