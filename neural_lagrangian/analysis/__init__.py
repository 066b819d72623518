"""Analysis of rollouts: errors, conservation, chaos, uncertainty bands, figures and animations."""

from .animation import animate
from .bands import Band, calibrated_factor, coverage, ensemble_band
from .chaos import LyapunovEstimate, lyapunov_exponent
from .conservation import along, energy_drift, energy_error
from .costs import plot_parameter_scaling, plot_work_precision, power_law
from .landscapes import plot_lagrangian, plot_loss_landscape
from .metrics import (
    Summary,
    angle_rmse,
    perturbation_floor,
    relative_rollout_error,
    rollouts,
    summarize,
    valid_time,
    wrap_angle,
)
from .phase import mean_phase_shift, phase_shift
from .poincare import poincare_section
from .portraits import plot_phase_portrait, plot_poincare_section
from .rollout_errors import RolloutErrors, errors
from .series import plot_energy, plot_error_growth, plot_history, plot_trajectories

__all__ = [
    "Band",
    "LyapunovEstimate",
    "RolloutErrors",
    "Summary",
    "along",
    "angle_rmse",
    "animate",
    "calibrated_factor",
    "coverage",
    "energy_drift",
    "energy_error",
    "ensemble_band",
    "errors",
    "lyapunov_exponent",
    "mean_phase_shift",
    "perturbation_floor",
    "phase_shift",
    "plot_energy",
    "plot_error_growth",
    "plot_history",
    "plot_lagrangian",
    "plot_loss_landscape",
    "plot_parameter_scaling",
    "plot_phase_portrait",
    "plot_poincare_section",
    "plot_trajectories",
    "plot_work_precision",
    "poincare_section",
    "power_law",
    "relative_rollout_error",
    "rollouts",
    "summarize",
    "valid_time",
    "wrap_angle",
]
