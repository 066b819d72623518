"""Generalised forces: control, damping, friction, and nonconservative potentials."""

from .control import ControlForce, SampledControl
from .dissipation import LinearDamping, RayleighDissipation, SmoothFriction
from .force import AbstractForce
from .force import ForceSum as ForceSum
from .joints import AtJoints
from .load_friction import LoadFriction
from .nonconservative import NonconservativePotential

__all__ = [
    "AbstractForce",
    "AtJoints",
    "ControlForce",
    "LinearDamping",
    "LoadFriction",
    "NonconservativePotential",
    "RayleighDissipation",
    "SampledControl",
    "SmoothFriction",
]
