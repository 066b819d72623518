"""Networks as models of motion; no physical system is known here."""

from .controlled import with_control
from .embedding import PeriodicEmbedding
from .files import ModelFileError, load, save
from .initialization import cranmer_init
from .lagrangian import AbstractLagrangian, StateNetwork
from .mechanical import MechanicalLagrangian
from .neural_lagrangian import NeuralLagrangian
from .neural_ode import NeuralODE
from .precision import with_precision
from .scaled import Scaled
from .time_reversal import TimeReversible

__all__ = [
    "AbstractLagrangian",
    "MechanicalLagrangian",
    "ModelFileError",
    "NeuralLagrangian",
    "NeuralODE",
    "PeriodicEmbedding",
    "Scaled",
    "StateNetwork",
    "TimeReversible",
    "cranmer_init",
    "load",
    "save",
    "with_control",
    "with_precision",
]
