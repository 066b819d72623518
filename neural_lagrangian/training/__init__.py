"""Learning from motion."""

from .fit import FitResult, History, fit
from .losses import acceleration_mse, torque_mse, trajectory_mse
from .safe_gradient import SafeGradient, safe_gradient

__all__ = [
    "FitResult",
    "History",
    "SafeGradient",
    "acceleration_mse",
    "fit",
    "safe_gradient",
    "torque_mse",
    "trajectory_mse",
]
