"""Generalised forces with internal states: friction, hysteresis, viscoelasticity, and lag of actuators."""

from .actuator_lag import FirstOrderLag, SecondOrderLag
from .bouc_wen import BoucWen
from .force_with_memory import AbstractForceWithMemory
from .joints import MemoryAtJoints
from .learned import LearnedMemory
from .lugre import LuGre
from .maxwell import Maxwell

__all__ = [
    "AbstractForceWithMemory",
    "BoucWen",
    "FirstOrderLag",
    "LearnedMemory",
    "LuGre",
    "Maxwell",
    "MemoryAtJoints",
    "SecondOrderLag",
]
