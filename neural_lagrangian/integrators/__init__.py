"""Solvers and rollouts."""

from .adaptive_steps import AdaptiveSteps
from .discrete import (
    discrete_euler_lagrange_residual,
    discrete_lagrangian,
    discrete_momenta,
    discrete_position_errors,
)
from .fixed_step import StepsPerSample
from .galerkin_gauss_lobatto import GalerkinGaussLobatto, StormerVerlet, VariationalMidpoint
from .rk4 import RK4
from .rollout import AbstractMotionModel, AbstractRolloutModel, Integration
from .variational import AbstractVariationalSolver

__all__ = [
    "RK4",
    "AbstractMotionModel",
    "AbstractRolloutModel",
    "AbstractVariationalSolver",
    "AdaptiveSteps",
    "GalerkinGaussLobatto",
    "Integration",
    "StepsPerSample",
    "StormerVerlet",
    "VariationalMidpoint",
    "discrete_euler_lagrange_residual",
    "discrete_lagrangian",
    "discrete_momenta",
    "discrete_position_errors",
]
