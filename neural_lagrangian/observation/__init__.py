"""What sensors see of a motion: observation models, and their likelihood for training."""

from .acceleration import Acceleration
from .accelerometer import Accelerometer
from .applied_force import AppliedForce
from .calibrate import calibrate
from .determination import information
from .filter import Belief, ExtendedKalmanFilter, Innovation
from .gyroscope import Gyroscope
from .information import Information
from .instant import Instant
from .likelihood import negative_log_likelihood, observation_residual
from .merge import merge_channels
from .noise import estimate_noise
from .observed import Observed
from .population import Normal, Population
from .position import Position
from .reading import AbstractReading
from .sensor import Sensor
from .smoother import Smoothed, smooth
from .spread import estimate_spread
from .state_function import StateFunction
from .velocity import Velocity

__all__ = [
    "AbstractReading",
    "Acceleration",
    "Accelerometer",
    "AppliedForce",
    "Belief",
    "ExtendedKalmanFilter",
    "Gyroscope",
    "Information",
    "Innovation",
    "Instant",
    "Normal",
    "Observed",
    "Population",
    "Position",
    "Sensor",
    "Smoothed",
    "StateFunction",
    "Velocity",
    "calibrate",
    "estimate_noise",
    "estimate_spread",
    "information",
    "merge_channels",
    "negative_log_likelihood",
    "observation_residual",
    "smooth",
]
