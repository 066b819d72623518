"""Simulated and measured motion."""

from .files import DataFileError
from .kaheman import kaheman_pendulum
from .simulate import simulate

__all__ = ["DataFileError", "kaheman_pendulum", "simulate"]
