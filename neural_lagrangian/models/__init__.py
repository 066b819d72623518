"""Networks as models of motion; no physical system is known here."""

from .controlled import with_control
from .embedding import PeriodicEmbedding
from .files import ModelFileError, load, save
from .initialization import cranmer_init
from .lagrangian import AbstractLagrangian, StateNetwork
from .lattice import LatticeLagrangian
from .mechanical import MechanicalLagrangian
from .neural_lagrangian import NeuralLagrangian
from .neural_ode import NeuralODE
from .particles import Particle, ParticleLagrangian, RadialPair, SymmetricPair
from .precision import with_precision
from .scaled import Scaled
from .time_reversal import TimeReversible

__all__ = [
    "AbstractLagrangian",
    "LatticeLagrangian",
    "MechanicalLagrangian",
    "ModelFileError",
    "NeuralLagrangian",
    "NeuralODE",
    "Particle",
    "ParticleLagrangian",
    "PeriodicEmbedding",
    "RadialPair",
    "Scaled",
    "StateNetwork",
    "SymmetricPair",
    "TimeReversible",
    "cranmer_init",
    "load",
    "save",
    "with_control",
    "with_precision",
]
