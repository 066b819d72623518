"""What is known of the sensor of a channel: gain, offset, delay and noise, with standard errors."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ...networks import Frozen
from ...observation import Sensor
from .channel_reading import reading_of
from .channels import Channel
from .columns import Columns

HALF_INTERVAL = 1.96
"""Half of a 95 % interval, in standard errors."""


class Estimate(NamedTuple):
    """A value and its standard error; the error is infinite for what the recording does not determine."""

    value: float
    error: float

    def text(self, scale: float = 1.0) -> str:
        """The value and half of its 95 % interval, times `scale`."""
        half = HALF_INTERVAL * self.error * scale
        return f"{self.value * scale:.5g} ± {half:.2g}" if half < float("inf") else "not determined"


class Calibrated(NamedTuple):
    r"""The sensor of a channel, $y = \text{gain} \cdot h(t - \text{delay}) + \text{offset} + \text{noise}$.

    `unit`: SI unit of the channel; empty if it is not known. `offset` and `noise` are in this unit, `delay` in seconds.
    """

    channel: Channel
    unit: str
    gain: Estimate
    offset: Estimate
    delay: Estimate
    noise: Estimate

    def sensor(self, columns: Columns) -> Sensor:
        """The sensor, with known quantities."""
        gain, offset, delay, noise = (Frozen(one.value) for one in (self.gain, self.offset, self.delay, self.noise))
        return Sensor(reading_of(self.channel, columns.coordinates), gain=gain, offset=offset, delay=delay, noise=noise)

    def row(self, name: str) -> list[str]:
        """The cells of a table."""
        unit = f" [{self.unit}]" if self.unit else ""
        quantities = [self.gain.text(), self.offset.text(), self.delay.text(1e3), self.noise.text()]
        return [f"{name}{unit}", self.channel.title, *quantities]

    @property
    def settings(self) -> dict[str, Any]:
        """The sensor for the settings of a model."""
        return self._asdict() | {"channel": str(self.channel)}


HEADER = ["sensor", "sees", "gain", "offset", "delay [ms]", "noise"]
"""The first row of a table of sensors."""


def table_of(sensors: Mapping[str, Calibrated]) -> list[list[str]]:
    """Sensors as rows of text, the header first. Each value has half of its 95 % interval."""
    return [HEADER, *(one.row(name) for name, one in sensors.items())] if sensors else []


def read_calibrated(settings: Mapping[str, Any], columns: Columns) -> dict[str, Calibrated]:
    """The sensors in the settings of a model, by channel; none in those of earlier versions.

    **Raises:** `ValueError`, `KeyError` or `TypeError` for damaged settings.
    """
    stored = settings.get("sensors", {})
    return {name: _read(stored[name], columns.observations[name]) for name in stored}


def _read(one: Mapping[str, Any], channel: Channel) -> Calibrated:
    def estimate(name: str) -> Estimate:
        value, error = one[name]
        return Estimate(float(value), float("inf") if error is None else float(error))

    gain, offset, delay, noise = map(estimate, ("gain", "offset", "delay", "noise"))
    known = Calibrated(channel, str(one["unit"]), gain, offset, delay, noise)
    if not all(np.isfinite(getattr(known, name).value) for name in ("gain", "offset", "delay", "noise")):
        raise ValueError(f"the sensor of {channel} has a value that is not finite")
    return known
