"""Trainable Lagrangians: callables `(t, q, v) -> scalar` from networks, formulas, particles and fields."""

from .armature import Armature
from .degrees_of_freedom import infer_dof as infer_dof
from .degrees_of_freedom import scalar_network as scalar_network
from .lagrangian import AbstractLagrangian, StateNetwork
from .lagrangian import GivenLagrangian as GivenLagrangian
from .lagrangian import of_coordinates as of_coordinates
from .lagrangian import of_state as of_state
from .lattice import LatticeLagrangian
from .mechanical import MechanicalLagrangian
from .parametric import ParametricLagrangian
from .particles import Particle, ParticleLagrangian, RadialPair, SymmetricPair
from .polynomial import AdditivePolynomial, ProductPolynomial
from .time_dependent import TimeDependent
from .velocity_hessian import check_velocity_hessian as check_velocity_hessian

__all__ = [
    "AbstractLagrangian",
    "AdditivePolynomial",
    "Armature",
    "LatticeLagrangian",
    "MechanicalLagrangian",
    "ParametricLagrangian",
    "Particle",
    "ParticleLagrangian",
    "ProductPolynomial",
    "RadialPair",
    "StateNetwork",
    "SymmetricPair",
    "TimeDependent",
]
