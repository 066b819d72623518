"""Data sets: simulated motion, published recordings, and measurement noise."""

from .files import DataFile, Provenance
from .jpl import jpl_inner_planets
from .kaheman import kaheman_pendulum
from .noise import add_noise
from .provenance import MEASURED, provenance
from .simulate import SimulationError, simulate

__all__ = [
    "MEASURED",
    "DataFile",
    "Provenance",
    "SimulationError",
    "add_noise",
    "jpl_inner_planets",
    "kaheman_pendulum",
    "provenance",
    "simulate",
]
