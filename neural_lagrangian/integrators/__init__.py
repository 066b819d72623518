"""Solvers and rollouts."""

from .fixed_step import StepsPerSample
from .rk4 import RK4
from .rollout import AbstractMotionModel, AbstractRolloutModel, Integration

__all__ = ["RK4", "AbstractMotionModel", "AbstractRolloutModel", "Integration", "StepsPerSample"]
