"""`rollout`: a motion predicted by a model, as a table."""

import argparse
import tempfile
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..identification import (
    NOT_BETTER,
    SUFFIXES,
    Columns,
    NoAnswerError,
    UsageError,
    may_be_used,
    read_columns,
    read_folder,
)
from ..training import failures_of, in_words
from ..trajectories import Trajectories, write_trajectories
from .text import write_table

MOST_ROWS = 10_000_000


def run(asked: argparse.Namespace) -> None:
    """Roll out from the start, and write times and states, all in the units of the model's recording."""
    columns = read_columns(asked.model)
    _check(asked, columns)
    if not asked.anyway and not may_be_used(asked.model, asked.predictor):
        raise NoAnswerError(f"{asked.model}: the {asked.predictor} {NOT_BETTER}; --anyway rolls it out all the same")
    model = read_folder(asked.model, asked.predictor).model
    times = asked.step * np.arange(int(asked.until / asked.step * (1 + 1e-12)) + 1)
    dtype = jnp.result_type(float)
    ts = jnp.asarray(times * columns.time_factor, dtype)
    y0 = jnp.asarray(asked.start * columns.state_factors, dtype)
    ys = np.asarray(eqx.filter_jit(model)(ts, y0))
    reached = np.isfinite(ys).all(axis=1)
    if not reached.all():
        why = in_words(failures_of(model, ts[None], y0[None]), model.integration.max_steps)
        raise NoAnswerError(
            f"{asked.model}: the rollout is not finite from {times[np.argmin(reached)]:.6g} on{why and ': '}{why}"
        )
    motion = Trajectories(np.asarray(ts), ys)
    names = {"time": columns.time, "positions": columns.coordinates, "velocities": columns.rates}
    if asked.output is not None:
        write_trajectories(asked.output, motion, units=columns.state_units, **names)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_trajectories(table := Path(folder) / "rollout.csv", motion, units=columns.state_units, **names)
        write_table(table.read_text(encoding="utf-8"))


def _check(asked: argparse.Namespace, columns: Columns) -> None:
    """That the options make sense, before anything is computed."""
    if len(asked.start) != 2 * columns.dof:
        names = " ".join((*columns.coordinates, *columns.rates))
        raise UsageError(f"--start has {len(asked.start)} values; expected {2 * columns.dof}: {names}")
    if asked.step > asked.until:
        raise UsageError(f"--step is {asked.step}, more than --until, {asked.until}")
    if (rows := asked.until / asked.step) > MOST_ROWS:
        raise UsageError(f"--until over --step makes {rows:.3g} rows; expected at most {MOST_ROWS}")
    if asked.output is None:
        return
    path = Path(asked.output)
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--output is {asked.output!r}; expected a file that ends in {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise UsageError(f"--output is {asked.output!r}; there is no folder {str(path.parent)!r}")
