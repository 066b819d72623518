"""Controllers from learned models: linear-quadratic regulator, computed torque, swing-up, trajectory optimisation."""

from .closed_loop import ClosedLoop, closed_loop
from .computed_torque import ComputedTorque
from .controller import AbstractController, ControlLimits, Limited
from .cost import AbstractCost, QuadraticCost, total_cost
from .domain import Guarded, TrainedRegion
from .energy_shaping import Catch, EnergyShaping, attraction_level
from .errors import ControlError
from .linearization import Linearization, linearize
from .regulator import LinearQuadraticRegulator, lqr
from .report import ControlReport, control_report
from .trajectory_optimization import Plan, RecedingHorizon, optimize_trajectory

__all__ = [
    "AbstractController",
    "AbstractCost",
    "Catch",
    "ClosedLoop",
    "ComputedTorque",
    "ControlError",
    "ControlLimits",
    "ControlReport",
    "EnergyShaping",
    "Guarded",
    "Limited",
    "LinearQuadraticRegulator",
    "Linearization",
    "Plan",
    "QuadraticCost",
    "RecedingHorizon",
    "TrainedRegion",
    "attraction_level",
    "closed_loop",
    "control_report",
    "linearize",
    "lqr",
    "optimize_trajectory",
    "total_cost",
]
