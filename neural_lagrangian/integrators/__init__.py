"""Solvers and rollouts."""

from .fixed_step import StepsPerSample
from .rk4 import RK4
from .rollout import AbstractRolloutModel, Integration

__all__ = ["RK4", "AbstractRolloutModel", "Integration", "StepsPerSample"]
