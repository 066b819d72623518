"""Learn the Lagrangian of a mechanical system from its motion, and integrate what was learned."""

from importlib.metadata import version

from . import analysis, datasets, integrators, mechanics, models, systems, training, trajectories
from .datasets import kaheman_pendulum, simulate
from .integrators import RK4, StepsPerSample
from .mechanics import (
    Cholesky,
    DampedInverse,
    PseudoInverse,
    acceleration,
    energy,
    euler_lagrange_residual,
    mass_matrix,
    mass_matrix_report,
    momentum,
)
from .models import (
    NeuralLagrangian,
    NeuralODE,
    PeriodicEmbedding,
    TimeReversible,
    cranmer_init,
    load,
    save,
    with_precision,
)
from .training import FitResult, acceleration_mse, fit, trajectory_mse
from .trajectories import Trajectories, TrajectoryError

__version__ = version("neural_lagrangian")

__all__ = [
    "RK4",
    "Cholesky",
    "DampedInverse",
    "FitResult",
    "NeuralLagrangian",
    "NeuralODE",
    "PeriodicEmbedding",
    "PseudoInverse",
    "StepsPerSample",
    "TimeReversible",
    "Trajectories",
    "TrajectoryError",
    "acceleration",
    "acceleration_mse",
    "analysis",
    "cranmer_init",
    "datasets",
    "energy",
    "euler_lagrange_residual",
    "fit",
    "integrators",
    "kaheman_pendulum",
    "load",
    "mass_matrix",
    "mass_matrix_report",
    "mechanics",
    "models",
    "momentum",
    "save",
    "simulate",
    "systems",
    "training",
    "trajectories",
    "trajectory_mse",
    "with_precision",
]
