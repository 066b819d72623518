"""Judging and showing rollouts."""

from .metrics import angle_rmse, energy_error, perturbation_floor, phase_shift, rollouts, valid_time, wrap_angle
from .plots import plot_error_growth, plot_history, plot_trajectories

__all__ = [
    "angle_rmse",
    "energy_error",
    "perturbation_floor",
    "phase_shift",
    "plot_error_growth",
    "plot_history",
    "plot_trajectories",
    "rollouts",
    "valid_time",
    "wrap_angle",
]
