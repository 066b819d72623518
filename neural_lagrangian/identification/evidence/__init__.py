"""How sure the best candidate is, what it does not explain, and what to record next."""

from .bands import Bands
from .diagnosis import Diagnosis
from .energies import Energies, energies_of, energy_range
from .examination import Examination, Lacking, examined, lacking
from .sensors import Sensors, sensors_of
from .whiteness import Whiteness

__all__ = [
    "Bands",
    "Diagnosis",
    "Energies",
    "Examination",
    "Lacking",
    "Sensors",
    "Whiteness",
    "energies_of",
    "energy_range",
    "examined",
    "lacking",
    "sensors_of",
]
