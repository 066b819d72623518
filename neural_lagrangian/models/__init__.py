"""Networks as models of motion; no physical system is known here."""

from .clock import Clock
from .controlled import with_control
from .embedding import PeriodicEmbedding
from .files import ModelFileError, load, save
from .group_average import GroupAverage, parity, permutations, rotations
from .hamiltonian import HamiltonianNetwork
from .initialization import cranmer_init
from .invariance import RotationInvariant, TranslationInvariant
from .lagrangian import AbstractLagrangian, StateNetwork
from .lattice import LatticeLagrangian
from .mechanical import MechanicalLagrangian
from .neural_lagrangian import NeuralLagrangian
from .neural_ode import NeuralODE
from .parametric import ParametricLagrangian
from .particles import Particle, ParticleLagrangian, RadialPair, SymmetricPair
from .polynomial import AdditivePolynomial, ProductPolynomial
from .positions import recovered_velocities
from .precision import with_precision
from .scaled import Scaled
from .time_dependent import TimeDependent
from .time_reversal import TimeReversible

__all__ = [
    "AbstractLagrangian",
    "AdditivePolynomial",
    "Clock",
    "GroupAverage",
    "HamiltonianNetwork",
    "LatticeLagrangian",
    "MechanicalLagrangian",
    "ModelFileError",
    "NeuralLagrangian",
    "NeuralODE",
    "ParametricLagrangian",
    "Particle",
    "ParticleLagrangian",
    "PeriodicEmbedding",
    "ProductPolynomial",
    "RadialPair",
    "RotationInvariant",
    "Scaled",
    "StateNetwork",
    "SymmetricPair",
    "TimeDependent",
    "TimeReversible",
    "TranslationInvariant",
    "cranmer_init",
    "load",
    "parity",
    "permutations",
    "recovered_velocities",
    "rotations",
    "save",
    "with_control",
    "with_precision",
]
