"""What can be wrong with recorded motion, each fault with the place where it was found."""


class TrajectoryError(ValueError):
    """A fault in trajectory data. `trajectory` and `index` locate it (`None` where it concerns the whole)."""

    def __init__(self, message: str, *, trajectory: int | None = None, index: int | None = None):
        place = [f"trajectory {trajectory}"] if trajectory is not None else []
        place += [f"index {index}"] if index is not None else []
        super().__init__(": ".join([", ".join(place), message]) if place else message)
        self.trajectory = trajectory
        self.index = index


class ShapeError(TrajectoryError):
    """Arrays whose shapes do not fit together."""


class DtypeError(TrajectoryError):
    """Values that are not real floating-point numbers."""


class NonFiniteError(TrajectoryError):
    """NaN or infinity where a measurement should be."""


class TimeOrderError(TrajectoryError):
    """Times that do not strictly increase."""
