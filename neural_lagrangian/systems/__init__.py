"""Physical systems with known Lagrangians. `SYSTEMS` lists them by name; each has default parameters."""

from .cart_pole import CartPole
from .charged_particle import ChargedParticle
from .constant_force import ConstantForce
from .coupled_pendulums import CoupledPendulums
from .damped_oscillator import DampedOscillator
from .double_pendulum import DoublePendulum
from .drawing import Drawing
from .driven_pendulum import DrivenPendulum
from .duffing import Duffing
from .harmonic_oscillator import HarmonicOscillator
from .henon_heiles import HenonHeiles
from .kepler import Kepler
from .n_body import NBody
from .n_link_pendulum import NLinkPendulum
from .parameter import Parameter, parameter, parameters
from .pendulum import Pendulum
from .poynting_robertson import PoyntingRobertson
from .relativistic_particle import RelativisticParticle
from .spring_pendulum import SpringPendulum
from .system import AbstractConservativeSystem, AbstractSystem
from .wave_equation import WaveEquation

SYSTEMS: dict[str, type[AbstractSystem]] = {
    system.__name__: system
    for system in (
        ConstantForce,
        HarmonicOscillator,
        DampedOscillator,
        Duffing,
        Pendulum,
        DrivenPendulum,
        DoublePendulum,
        NLinkPendulum,
        SpringPendulum,
        CoupledPendulums,
        CartPole,
        ChargedParticle,
        RelativisticParticle,
        Kepler,
        PoyntingRobertson,
        NBody,
        HenonHeiles,
        WaveEquation,
    )
}
"""All systems by name. Each has defaults for all its parameters."""

__all__ = [
    "SYSTEMS",
    "AbstractConservativeSystem",
    "AbstractSystem",
    "CartPole",
    "ChargedParticle",
    "ConstantForce",
    "CoupledPendulums",
    "DampedOscillator",
    "DoublePendulum",
    "Drawing",
    "DrivenPendulum",
    "Duffing",
    "HarmonicOscillator",
    "HenonHeiles",
    "Kepler",
    "NBody",
    "NLinkPendulum",
    "Parameter",
    "Pendulum",
    "PoyntingRobertson",
    "RelativisticParticle",
    "SpringPendulum",
    "WaveEquation",
    "parameter",
    "parameters",
]
