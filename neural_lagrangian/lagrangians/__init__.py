"""Lagrangians with structure: any of them is a callable `(t, q, v) -> scalar`."""

from .degrees_of_freedom import infer_dof as infer_dof
from .lagrangian import AbstractLagrangian, StateNetwork
from .lagrangian import as_lagrangian as as_lagrangian
from .lagrangian import default_kinetic_prior as default_kinetic_prior
from .lagrangian import takes_time_and_state as takes_time_and_state
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
