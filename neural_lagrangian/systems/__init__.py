"""Physical systems, one a file."""

from .double_pendulum import DoublePendulum
from .system import AbstractSystem

__all__ = ["AbstractSystem", "DoublePendulum"]
