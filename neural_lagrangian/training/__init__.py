"""Learning from motion."""

from .fit import FitResult, History, fit
from .losses import (
    acceleration_mae,
    acceleration_mse,
    discrete_euler_lagrange_mse,
    torque_mse,
    trajectory_mae,
    trajectory_mse,
)
from .penalties import force_penalty, penalized, symmetry_penalty
from .safe_gradient import SafeGradient, safe_gradient

__all__ = [
    "FitResult",
    "History",
    "SafeGradient",
    "acceleration_mae",
    "acceleration_mse",
    "discrete_euler_lagrange_mse",
    "fit",
    "force_penalty",
    "penalized",
    "safe_gradient",
    "symmetry_penalty",
    "torque_mse",
    "trajectory_mae",
    "trajectory_mse",
]
