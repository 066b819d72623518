"""When the controls of a recording act."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from ...models import with_dead_time, with_holding

Model = TypeVar("Model")


class Timing(NamedTuple):
    """When controls act: `delay` seconds after their own time, linear between samples; or they are `held` from one
    sample to the next. A line through held samples is half a sample early, which is their `delay`.
    """

    delay: float = 0.0
    held: bool = False

    def of(self, model: Model, dof: int) -> Model:
        """The same model for controls as they are recorded."""
        return with_holding(model, dof) if self.held else with_dead_time(model, self.delay)

    @property
    def settings(self) -> dict[str, Any]:
        """The fields, for the settings of a model."""
        return self._asdict()

    @staticmethod
    def read(settings: Mapping[str, Any]) -> "Timing":
        """The timing in the settings of a model; that of controls without delay in those of earlier versions.

        **Raises:** `ValueError`, `KeyError` or `TypeError` for damaged settings.
        """
        stored = settings.get("control_timing", Timing().settings)
        found = Timing(float(stored["delay"]), stored["held"])
        if not (0 <= found.delay < float("inf") and isinstance(found.held, bool)):
            raise ValueError(f"the timing of the controls is {stored}")
        return found
