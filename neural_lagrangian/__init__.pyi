from . import (
    analysis,
    control,
    datasets,
    discovery,
    export,
    identification,
    integrators,
    lagrangians,
    mechanics,
    models,
    networks,
    observation,
    systems,
    training,
    trajectories,
)
from ._errors import NeuralLagrangianError
from .datasets import simulate
from .identification import load_model
from .integrators import GalerkinGaussLobatto, StepsPerSample
from .lagrangians import MechanicalLagrangian
from .mechanics import EulerLagrangeTerm, acceleration, energy, mass_matrix, momentum
from .models import HamiltonianNetwork, NeuralLagrangian, NeuralODE, Scaled, load, save
from .networks import PeriodicEmbedding
from .training import fit, trajectory_mse
from .trajectories import Trajectories, read_trajectories

__version__: str

__all__ = [
    "EulerLagrangeTerm",
    "GalerkinGaussLobatto",
    "HamiltonianNetwork",
    "MechanicalLagrangian",
    "NeuralLagrangian",
    "NeuralLagrangianError",
    "NeuralODE",
    "PeriodicEmbedding",
    "Scaled",
    "StepsPerSample",
    "Trajectories",
    "acceleration",
    "analysis",
    "control",
    "datasets",
    "discovery",
    "energy",
    "export",
    "fit",
    "identification",
    "integrators",
    "lagrangians",
    "load",
    "load_model",
    "mass_matrix",
    "mechanics",
    "models",
    "momentum",
    "networks",
    "observation",
    "read_trajectories",
    "save",
    "simulate",
    "systems",
    "training",
    "trajectories",
    "trajectory_mse",
]
