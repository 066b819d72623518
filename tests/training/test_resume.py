"""A training that was killed, at any moment, ends with the weights that it would have had."""

import random
import subprocess
import sys
import time
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import optax
import pytest

from neural_lagrangian.training import CheckpointError

from .killed import STEPS, data, trained

pytestmark = [pytest.mark.double, pytest.mark.optax, pytest.mark.bad_input]


def same(one, other):
    leaves = (jax.tree.leaves(eqx.filter((r.model, *_record(r.history)), eqx.is_array)) for r in (one, other))
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(*leaves, strict=True))


def _record(history):
    return history.loss, history.causes, history.skipped, history.horizon, history.held_out


@pytest.fixture(scope="module")
def uninterrupted():
    return trained()


class Interrupt(Exception):
    pass


def interrupted(folder, step):
    """Training that is stopped once it has reached a step."""

    def stop(progress):
        if progress.step >= step:
            raise Interrupt

    with pytest.raises(Interrupt):
        trained(folder, callbacks=[stop])


def test_going_on_gives_the_same_weights_and_history(tmp_path, uninterrupted):
    for step in (3, 55, 61, 99):
        interrupted(tmp_path, step)
    assert same(trained(tmp_path), uninterrupted)
    assert same(trained(tmp_path), uninterrupted)  # nothing is left to do
    assert len(list(tmp_path.iterdir())) == 3


def test_another_training_has_other_weights(uninterrupted):
    """Negative control: the comparison would see it."""
    assert not same(trained(batch_size=9), uninterrupted)


def test_the_one_before_is_taken_where_the_newest_is_damaged(tmp_path, uninterrupted):
    interrupted(tmp_path, 70)
    newest = max(tmp_path.iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.warns(UserWarning, match=rf"{newest.name} is damaged.*the checkpoint before it is taken"):
        result = trained(tmp_path)
    assert same(result, uninterrupted)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"batch_size": 9}, "another training: `batch_size` was 8, and is 9"),
        ({"steps": (60, 41)}, "`horizon, steps` was"),
        ({"motion": data(0.1)}, "`trajectories` was"),
        ({"held_out": None}, "`held_out` was"),
        ({"key": 1}, "`key` was"),
        ({"width": 9}, r"weight is float64\[8, 2\] in the file, float64\[9, 2\] in `like`"),
        ({"optimizer": optax.sgd(1e-2)}, "holds another architecture: .*opt_state"),
    ],
)
def test_checkpoints_of_another_training_are_refused(keywords, message, stopped):
    with pytest.raises(CheckpointError, match=message):
        trained(stopped, **keywords)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """Checkpoints of a training that was stopped half-way."""
    folder = tmp_path_factory.mktemp("stopped")
    interrupted(folder, 30)
    return folder


def test_where_all_are_damaged_nothing_is_begun_anew(tmp_path):
    interrupted(tmp_path, 30)
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="3 checkpoints, all damaged"), pytest.warns(UserWarning, match="damaged"):
        trained(tmp_path)


def killed(folder, write=None, after=0.0):
    """A training in another process, killed in the midst of a write, or some time after its first step."""
    command = [sys.executable, "-m", "tests.training.killed", str(folder), *([] if write is None else [str(write)])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as child:
        child.stdout.readline()
        if write is None:
            time.sleep(after)
            child.kill()
        child.communicate()
    return child.returncode


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_any_moment_it_ends_with_the_same_weights(kills, tmp_path, uninterrupted):
    """Half of them inside a write: what was half written is not taken for a checkpoint, and is cleared away."""
    draw, midway = random.Random(0), 0
    for kill in range(kills):
        folder = tmp_path / str(kill)
        if kill % 2:
            assert killed(folder, write=draw.randint(1, 8)) == -9
            assert any(path.name.startswith(".") for path in folder.iterdir())
        else:
            killed(folder, after=draw.uniform(0, 0.3))
        steps = []
        assert same(
            trained(folder, callbacks=[lambda progress, steps=steps: steps.append(progress.step)]), uninterrupted
        )
        midway += bool(steps) and steps[0] < sum(STEPS)
        assert sorted(path.suffix for path in folder.iterdir()) == [".checkpoint"] * len(list(folder.iterdir()))
    assert midway >= kills // 2
