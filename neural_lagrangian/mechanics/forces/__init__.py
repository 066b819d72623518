"""Generalised forces: control, damping, friction, nonconservative potentials, and forces with memory."""

from .control import ControlForce, SampledControl
from .dead_time import DeadTime
from .dissipation import LinearDamping, RayleighDissipation, SmoothFriction
from .force import AbstractForce
from .force import ForceSum as ForceSum
from .force import summed as summed
from .force import terms_of as terms_of
from .joints import AtJoints
from .load_friction import LoadFriction
from .memory import (
    AbstractForceWithMemory,
    BoucWen,
    FirstOrderLag,
    LearnedMemory,
    LuGre,
    Maxwell,
    MemoryAtJoints,
    SecondOrderLag,
)
from .nonconservative import NonconservativePotential

__all__ = [
    "AbstractForce",
    "AbstractForceWithMemory",
    "AtJoints",
    "BoucWen",
    "ControlForce",
    "DeadTime",
    "FirstOrderLag",
    "LearnedMemory",
    "LinearDamping",
    "LoadFriction",
    "LuGre",
    "Maxwell",
    "MemoryAtJoints",
    "NonconservativePotential",
    "RayleighDissipation",
    "SampledControl",
    "SecondOrderLag",
    "SmoothFriction",
]
