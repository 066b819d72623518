"""Mass solves: methods to solve $M a = b$ for the acceleration."""

from .banded import Banded
from .block_diagonal import BlockDiagonal
from .cholesky import Cholesky
from .damped_inverse import DampedInverse
from .mass_solve import AbstractMassSolve
from .mass_solve import Products as Products
from .pseudo_inverse import PseudoInverse

__all__ = [
    "AbstractMassSolve",
    "Banded",
    "BlockDiagonal",
    "Cholesky",
    "DampedInverse",
    "PseudoInverse",
]
