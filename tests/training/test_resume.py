"""A training that was killed, at any moment, ends with the weights that it would have had."""

import random
import subprocess
import sys
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neural_lagrangian as nl
from neural_lagrangian.training import CheckpointError, History
from neural_lagrangian.training.checkpoints import Checkpoints
from neural_lagrangian.training.devices import digests
from neural_lagrangian.training.resume import resumed
from neural_lagrangian.training.stages import stages_of
from neural_lagrangian.training.state import TrainingState, begun_optimizer

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


def test_every_number_of_the_motion_counts():
    """Its digest is another where any one number, or the shape, is."""
    motion = data()
    digest = digests(motion, None)
    assert digests(data(), None) == digest
    for place in ((0, 0, 0), (-1, -1, -1), (len(motion) // 2, 3, 1)):
        ys = np.array(motion.ys)
        ys[place] = np.nextafter(ys[place], np.inf)
        assert digests(nl.Trajectories(motion.ts, ys), None) != digest
    assert digests(motion.select(slice(1, None)), None) != digest
    one, other = (nl.Trajectories(np.arange(4.0).reshape(n, -1), np.zeros((n, 4 // n, 2))) for n in (1, 2))
    assert digests(one, None) != digests(other, None)


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


def test_an_interrupt_leaves_a_checkpoint_of_the_last_step(tmp_path, uninterrupted):
    told = []

    def stop(progress):
        told.append(progress.step)
        if progress.step >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, callbacks=[stop], checkpoint_every=1e9)
    assert [path.name for path in tmp_path.iterdir()] == [f"step-{told[-1]:09d}.checkpoint"]
    first = []
    assert same(trained(tmp_path, callbacks=[lambda p: first.append(p.step) and False]), uninterrupted)
    assert first[0] > told[-1]


def test_a_training_that_a_callback_ended_goes_on_as_if_it_had_not(tmp_path, uninterrupted):
    trained(tmp_path, callbacks=[lambda progress: progress.step >= 30], checkpoint_every=1e9)
    assert same(trained(tmp_path), uninterrupted)


def test_all_that_a_training_needs_comes_back(tmp_path):
    """Every field of the state, at values that no beginning has."""
    stages = stages_of(None, (2, 4), STEPS, optax.adam(1e-2))
    start = TrainingState.begun({"w": jnp.zeros(3)}, None, float, None)
    rows = History.empty(float, 70)
    opt_state = jax.tree.map(lambda x: x + 7, begun_optimizer(stages[1], start.params, None))
    params, best = {"w": jnp.arange(3.0)}, {"w": jnp.arange(3.0) + 10}
    state = TrainingState(
        params, opt_state, best, np.array(0.25), np.array(3), rows, stage=1, done=10, waited=4, max_steps=64
    )
    folder = Checkpoints(tmp_path)
    state.write(folder, {"plan": 1})
    back = resumed(folder, {"plan": 1}, start, stages, None)
    assert len(jax.tree.leaves(state)) > len(TrainingState._fields)
    for name, one, other in zip(TrainingState._fields, state, back, strict=True):
        assert jax.tree.all(jax.tree.map(np.array_equal, one, other)), name
        assert not eqx.tree_equal(other, getattr(start, name)), name


@pytest.mark.parametrize(
    "numbers",
    [
        None,
        [],
        {},
        {"step": 10**15, "stage": 0, "done": 10**15, "waited": 0, "max_steps": None},
        {"step": 10, "stage": 9, "done": 1, "waited": 0, "max_steps": None},
        {"step": 10, "stage": -1, "done": 1, "waited": 0, "max_steps": None},
        {"step": 10, "stage": 0, "done": 61, "waited": 0, "max_steps": None},
        {"step": "10", "stage": 0, "done": 1, "waited": 0, "max_steps": None},
        {"step": 10, "stage": 0, "done": 1, "waited": 0.5, "max_steps": None},
        {"step": 10, "stage": 0, "done": 1, "waited": 0, "max_steps": 0},
    ],
)
def test_a_signed_checkpoint_with_an_odd_state_is_refused(numbers, tmp_path):
    stages = stages_of(None, (2, 4), STEPS, optax.adam(1e-2))
    start, folder = TrainingState.begun({"w": jnp.zeros(3)}, None, float, None), Checkpoints(tmp_path)
    folder.write(10, start.arrays, {"plan": {}, "state": numbers})
    with pytest.raises(CheckpointError, match="expected one of this training"):
        resumed(folder, {}, start, stages, None)


@pytest.mark.parametrize("plan", [None, [], "text", 3])
def test_a_signed_checkpoint_with_an_odd_plan_is_refused(plan, tmp_path):
    start, folder = TrainingState.begun({"w": jnp.zeros(3)}, None, float, None), Checkpoints(tmp_path)
    folder.write(10, start.arrays, {"plan": plan, "state": {}})
    with pytest.raises(CheckpointError, match="another training: `stride` was None, and is 1"):
        resumed(folder, {"stride": 1}, start, [], None)


def test_a_folder_in_place_of_a_checkpoint_and_a_file_in_place_of_the_folder_are_named(tmp_path):
    (tmp_path / "step-000000040.checkpoint").mkdir()
    with pytest.raises(CheckpointError, match=r"step-000000040.checkpoint is not a file"):
        trained(tmp_path)
    assert (tmp_path / "step-000000040.checkpoint").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"`resume` is .*file', where there is a file; expected a folder"):
        trained(tmp_path / "file")


def test_a_second_training_in_one_folder_is_refused_and_removes_nothing(tmp_path, uninterrupted):
    said, half = [], tmp_path / ".step-000000100.checkpoint.abcd"

    def second(progress):
        if not said and progress.step >= 20:
            half.touch()
            before = sorted(tmp_path.iterdir())
            with pytest.raises(
                CheckpointError, match="another training writes its checkpoints to this folder"
            ) as error:
                trained(tmp_path)
            said.append(error)
            assert sorted(tmp_path.iterdir()) == before

    assert same(trained(tmp_path, callbacks=[second]), uninterrupted)
    assert said
    assert not half.exists()  # what an interrupted write has left is cleared away by the one that holds the folder


def test_a_disk_that_is_full_does_not_end_the_training(tmp_path, uninterrupted, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Checkpoints, "write", full)
    with pytest.warns(UserWarning, match="no checkpoint of step .* could be written: .*No space left"):
        assert same(trained(tmp_path), uninterrupted)
