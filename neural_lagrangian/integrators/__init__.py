"""Solvers, step sizes and rollouts: Runge-Kutta and variational integrators, and discrete mechanics."""

from .adaptive_steps import DEFAULT_SIMULATION_TOLERANCE_FLOAT64 as DEFAULT_SIMULATION_TOLERANCE_FLOAT64
from .adaptive_steps import DEFAULT_TOLERANCE_FLOAT32 as DEFAULT_TOLERANCE_FLOAT32
from .adaptive_steps import AdaptiveSteps
from .discrete import Positions as Positions
from .discrete import discrete_euler_lagrange_residual, discrete_lagrangian, discrete_momenta, discrete_position_errors
from .fixed_step import StepsPerSample
from .galerkin_gauss_lobatto import GalerkinGaussLobatto, StormerVerlet, VariationalMidpoint
from .integration import DEFAULT_MAX_STEPS as DEFAULT_MAX_STEPS
from .integration import Controller as Controller
from .integration import Integration
from .motion_model import AbstractMotionModel, AbstractRolloutModel
from .motion_model import check_rollout_arguments as check_rollout_arguments
from .motion_model import check_state as check_state
from .motion_model import with_integration as with_integration
from .motion_model import without_integration as without_integration
from .rk4 import RK4
from .save_times import SaveTimes as SaveTimes
from .save_times import later as later
from .variational import AbstractVariationalSolver
from .variational import covectors_of as covectors_of

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
