"""Networks as models of motion; no physical system is known here."""

from .embedding import PeriodicEmbedding
from .initialization import cranmer_init
from .neural_lagrangian import NeuralLagrangian
from .neural_ode import NeuralODE

__all__ = ["NeuralLagrangian", "NeuralODE", "PeriodicEmbedding", "cranmer_init"]
