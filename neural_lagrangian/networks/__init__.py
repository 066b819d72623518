"""Wrappers for networks: input features, built-in symmetries, initial weights, and frozen (untrained) parts."""

from .clock import Clock
from .conditioned import RUN as RUN
from .conditioned import AbstractUnknown as AbstractUnknown
from .conditioned import Conditioned, with_parameters
from .conditioned import WithInputs as WithInputs
from .conditioned import check_runs as check_runs
from .conditioned import parameters_of_runs as parameters_of_runs
from .conditioned import unknown_of as unknown_of
from .conditioned import with_args as with_args
from .embedding import PeriodicEmbedding
from .frozen import Frozen, unfrozen
from .group_average import GroupAverage, parity, permutations, rotations
from .initialization import cranmer_init
from .invariance import RotationInvariant, TranslationInvariant
from .late import AbstractLate as AbstractLate
from .shapes import network_dtype as network_dtype
from .shapes import output_shape as output_shape
from .time_reversal import TimeReversible
from .time_reversal import check_time_reversible_dof as check_time_reversible_dof

__all__ = [
    "Clock",
    "Conditioned",
    "Frozen",
    "GroupAverage",
    "PeriodicEmbedding",
    "RotationInvariant",
    "TimeReversible",
    "TranslationInvariant",
    "cranmer_init",
    "parity",
    "permutations",
    "rotations",
    "unfrozen",
    "with_parameters",
]
