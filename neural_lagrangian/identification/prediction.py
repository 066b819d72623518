"""Predict a motion with a model, in the units of its recording."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..models import with_control
from ..observation import Observed
from ..training import failures_of, in_words
from ..trajectories import Trajectories, write_trajectories
from .choices import Predictor
from .faults import NoAnswerError, UsageError
from .folders import may_be_used, predictor_of, read_columns, read_folder
from .recordings import WRITTEN_SUFFIXES, Columns, Region, signal_of
from .reports import NOT_BETTER

MAX_ROWS = 10_000_000
"""Largest number of rows of a predicted motion, so that a wrong step does not fill the memory."""


def predicted(
    folder: str,
    start: Sequence[float],
    *,
    until: float,
    step: float,
    output: str | Path | None = None,
    predictor: Predictor | None = None,
    anyway: bool = False,
    parameters: Mapping[str, float] | None = None,
    controls: Mapping[str, float] | str | Path | None = None,
) -> tuple[Trajectories, Columns]:
    """Predict the motion from a start, and what its sensors read. Returns the motion and the columns of the recording.

    **Arguments:**

    - `folder`: the folder of the model.
    - `start`: coordinates, then velocities, in the units of the recording.
    - `until`, `step`: duration, and time between two rows, in the recording's unit of time.
    - `output`: the file that the caller will write. Its name is checked before anything is computed.
    - `predictor`: as for `load_model`.
    - `anyway`: whether to use a model that predicts no better than the baselines.
    - `parameters`: those of the system by name, in the units of the recording, if the model has parameters.
    - `controls`: a file with the columns of time and controls of the recording, whose first row is the start, linear
      between its rows; or constant controls by name. A driven model needs it.

    **Raises:** `UsageError` for impossible values, and for missing or unknown parameters or controls; `NoAnswerError`
    if the model should not be used, or if the rollout is not finite; the errors of `read_trajectories` for `controls`.
    """
    columns = read_columns(folder)
    _check(start, until, step, output, columns)
    predictor = predictor_of(folder, predictor)
    if not anyway and not may_be_used(folder, predictor):
        raise NoAnswerError(f"{folder}: the {predictor} {NOT_BETTER}; `anyway` uses it nevertheless")
    learned = read_folder(folder, predictor).of_one_system(parameters)
    model = learned.model
    times = step * np.arange(int(until / step * (1 + 1e-12)) + 1)
    dtype = jnp.result_type(float)
    ts = jnp.asarray(times * columns.time_factor, dtype)
    if (signal := signal_of(folder, columns, controls, float(ts[-1]))) is not None:
        model = with_control(model, *(jnp.asarray(part, dtype) for part in signal))
    y0 = jnp.asarray(start * columns.state_factors, dtype)
    ys = np.asarray(eqx.filter_jit(model)(ts, y0))
    reached = np.isfinite(ys).all(axis=1)
    if not reached.all():
        why = in_words(failures_of(model, ts[None], y0[None]), model.integration.max_steps)
        raise NoAnswerError(
            f"{folder}: the rollout is not finite from {times[np.argmin(reached)]:.6g} on{why and ': '}{why}"
        )
    seen = Observed(model, learned.sensors).readings(ts, ys) if learned.sensors else None
    return Trajectories(np.asarray(ts), ys, observations=jax.tree.map(np.asarray, seen)), columns


def outside_training(folder: str, motion: Trajectories, predictor: Predictor | None = None) -> list[str]:
    """Sentences: where a predicted motion leaves the range of states and energies of the training data, if it does."""
    learned = read_folder(folder, predictor)
    columns, region = learned.columns, Region.read(learned.settings)
    names, found = (*columns.coordinates, *columns.rates), []
    if region is not None and (text := region.outside(motion.ys[0], names, "predicted motion")):
        found.append(f"{folder}: {text}")
    judged = learned.settings.get("judged")
    of_one = judged.get(learned.predictor) if isinstance(judged, dict) else None
    limits = of_one.get("energy") if isinstance(of_one, dict) else None
    if isinstance(limits, list) and len(limits) == 2 and None not in limits:
        q, v = jnp.split(jnp.asarray(motion.ys[0, 0], jnp.result_type(float)), 2)
        if not limits[0] <= float(learned.model.energy(0.0, q, v)) <= limits[1]:
            found.append(f"{folder}: the energy of the start lies outside of the energies in the recording")
    return found


def write_predicted(path: str | Path, motion: Trajectories, columns: Columns) -> None:
    """Write a motion and the readings of its sensors to a file, with the names and units of `columns`."""
    names = {"time": columns.time, "positions": columns.coordinates, "velocities": columns.rates}
    seen = {name: columns.units[name] for name in motion.observations or {} if name in columns.units}
    write_trajectories(path, motion, units=columns.state_units | seen, **names)


def _check(start: Sequence[float], until: float, step: float, output: str | Path | None, columns: Columns) -> None:
    """**Raises:** `UsageError` for impossible values."""
    if len(start) != 2 * columns.dof:
        names = " ".join((*columns.coordinates, *columns.rates))
        raise UsageError(f"`start` has {len(start)} values; expected {2 * columns.dof}: {names}")
    if step > until:
        raise UsageError(f"`step` is {step}, more than `until` = {until}; expected a smaller step")
    if (rows := until / step) > MAX_ROWS:
        raise UsageError(f"`until` / `step` gives {rows:.3g} rows; expected at most {MAX_ROWS}: choose a larger step")
    if output is None:
        return
    path = Path(output)
    if path.suffix.lower() not in WRITTEN_SUFFIXES:
        raise UsageError(f"`output` is {str(output)!r}; expected a name that ends in {', '.join(WRITTEN_SUFFIXES)}")
    if not path.parent.is_dir():
        raise UsageError(f"`output` is {str(output)!r}, but there is no folder {str(path.parent)!r}; make it first")
