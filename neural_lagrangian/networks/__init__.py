"""What a network sees of a state, how it starts, and what of it is not trained; no model of motion is known here."""

from .clock import Clock
from .embedding import PeriodicEmbedding
from .frozen import Frozen, unfrozen
from .group_average import GroupAverage, parity, permutations, rotations
from .initialization import cranmer_init
from .invariance import RotationInvariant, TranslationInvariant
from .shapes import network_dtype as network_dtype
from .shapes import output_shape as output_shape
from .time_reversal import TimeReversible
from .time_reversal import check_state_is_told_apart as check_state_is_told_apart

__all__ = [
    "Clock",
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
]
