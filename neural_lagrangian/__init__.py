"""Learn the Lagrangian of a mechanical system from its motion, and integrate what was learned."""

from importlib.metadata import version

from . import analysis, datasets, integrators, mechanics, models, systems, training, trajectories
from .datasets import add_noise, jpl_inner_planets, kaheman_pendulum, simulate
from .integrators import RK4, StepsPerSample
from .mechanics import (
    Cholesky,
    DampedInverse,
    HolonomicConstraint,
    PseudoInverse,
    acceleration,
    energy,
    euler_lagrange_residual,
    mass_matrix,
    mass_matrix_report,
    momentum,
)
from .models import (
    MechanicalLagrangian,
    NeuralLagrangian,
    NeuralODE,
    PeriodicEmbedding,
    Scaled,
    TimeReversible,
    cranmer_init,
    load,
    save,
    with_precision,
)
from .training import FitResult, acceleration_mse, fit, trajectory_mse
from .trajectories import (
    Scaling,
    Trajectories,
    TrajectoryError,
    differentiate,
    read_trajectories,
    write_trajectories,
)

__version__ = version("neural_lagrangian")

__all__ = [
    "RK4",
    "Cholesky",
    "DampedInverse",
    "FitResult",
    "HolonomicConstraint",
    "MechanicalLagrangian",
    "NeuralLagrangian",
    "NeuralODE",
    "PeriodicEmbedding",
    "PseudoInverse",
    "Scaled",
    "Scaling",
    "StepsPerSample",
    "TimeReversible",
    "Trajectories",
    "TrajectoryError",
    "acceleration",
    "acceleration_mse",
    "add_noise",
    "analysis",
    "cranmer_init",
    "datasets",
    "differentiate",
    "energy",
    "euler_lagrange_residual",
    "fit",
    "integrators",
    "jpl_inner_planets",
    "kaheman_pendulum",
    "load",
    "mass_matrix",
    "mass_matrix_report",
    "mechanics",
    "models",
    "momentum",
    "read_trajectories",
    "save",
    "simulate",
    "systems",
    "training",
    "trajectories",
    "trajectory_mse",
    "with_precision",
    "write_trajectories",
]
