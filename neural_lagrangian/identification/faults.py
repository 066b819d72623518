"""What may be wrong without a fault of the program: it is said in one line, without a traceback."""

from ..models import ModelFileError
from ..training import CheckpointError, DivergenceError
from ..trajectories import DataFileError, TrajectoryError


class NoAnswerError(Exception):
    """The data, a file or the training do not allow what is asked for; the message says why, and what would help."""


class UsageError(Exception):
    """Options that contradict each other, or the kind of file."""


EXPECTED = (
    NoAnswerError,
    DataFileError,
    TrajectoryError,
    ModelFileError,
    CheckpointError,
    DivergenceError,
    OSError,
    ImportError,
)
"""ImportError: a format whose package is not installed."""
