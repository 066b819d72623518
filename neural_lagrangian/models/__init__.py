"""Trainable models of motion. For ready-made physical systems see `systems`."""

from .controlled import control_sizes as control_sizes
from .controlled import driven_by as driven_by
from .controlled import is_driven as is_driven
from .controlled import takes_control as takes_control
from .controlled import with_control
from .controlled import with_dead_time as with_dead_time
from .controlled import with_held_control as with_held_control
from .controlled import with_holding as with_holding
from .controlled import without_control as without_control
from .files import ModelFileError, load, save
from .hamiltonian import HamiltonianNetwork
from .memory import WithMemory
from .memory import has_memory as has_memory
from .neural_lagrangian import NeuralLagrangian
from .neural_ode import NeuralODE
from .positions import position_errors as position_errors
from .positions import recovered_velocities
from .precision import with_precision
from .scaled import Scaled
from .warm_up import warmed_up

__all__ = [
    "HamiltonianNetwork",
    "ModelFileError",
    "NeuralLagrangian",
    "NeuralODE",
    "Scaled",
    "WithMemory",
    "load",
    "recovered_velocities",
    "save",
    "warmed_up",
    "with_control",
    "with_precision",
]
