"""Train models on recorded motion: `fit`, losses, penalties, callbacks, and second-order methods."""

from .checkpoints import CheckpointError
from .equation_losses import (
    acceleration_mae,
    acceleration_mse,
    discrete_euler_lagrange_mse,
    euler_lagrange_mse,
    torque_mse,
)
from .fit import fit
from .fit_options import Rollouts, Running, Watching
from .gauss_newton import gauss_newton
from .history import History
from .jacobians import forward_or_reverse as forward_or_reverse
from .jacobians import normal_equations as normal_equations
from .loss import Loss as Loss
from .loss import check_driven as check_driven
from .loss import evaluated as evaluated
from .penalties import force_penalty, gauge_penalty, penalized, scale_penalty, symmetry_penalty
from .polish import Polished, StartError, polish
from .polish import fixed_windows as fixed_windows
from .progress import Callback as Callback
from .progress import Progress, json_lines, scalars
from .residuals import acceleration_residual, torque_residual, trajectory_residual
from .result import DivergenceError, FitResult
from .rollout_losses import multiple_shooting, multiple_shooting_mse, trajectory_mae, trajectory_mse, weighted
from .safe_gradient import CAUSES, SafeGradient, safe_gradient
from .solves import STEPS_EXHAUSTED as STEPS_EXHAUSTED
from .solves import failures_of as failures_of
from .solves import in_words as in_words
from .step import MEMBER

__all__ = [
    "CAUSES",
    "MEMBER",
    "CheckpointError",
    "DivergenceError",
    "FitResult",
    "History",
    "Polished",
    "Progress",
    "Rollouts",
    "Running",
    "SafeGradient",
    "StartError",
    "Watching",
    "acceleration_mae",
    "acceleration_mse",
    "acceleration_residual",
    "discrete_euler_lagrange_mse",
    "euler_lagrange_mse",
    "fit",
    "force_penalty",
    "gauge_penalty",
    "gauss_newton",
    "json_lines",
    "multiple_shooting",
    "multiple_shooting_mse",
    "penalized",
    "polish",
    "safe_gradient",
    "scalars",
    "scale_penalty",
    "symmetry_penalty",
    "torque_mse",
    "torque_residual",
    "trajectory_mae",
    "trajectory_mse",
    "trajectory_residual",
    "weighted",
]
