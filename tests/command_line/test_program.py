"""What the shell is answered: help, exit status, one line for each fault, and nothing left behind."""

import io
import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pooch
import pytest

from neural_lagrangian.command_line import fit, info, main, program, text
from neural_lagrangian.identification import NoAnswerError, identifying
from neural_lagrangian.identification.folders import model_folder
from neural_lagrangian.training import Progress, display

from ..identification.recordings import FAULTS, faulty, write

pytestmark = pytest.mark.bad_input
COMMANDS = ("fit", "rollout", "compare", "info")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert f"example:\n  neural_lagrangian {command} " in capsys.readouterr().out


def test_it_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "neural_lagrangian", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert all(command in done.stdout for command in COMMANDS)
    assert done.stderr == ""


def test_the_version_is_that_of_the_package(capsys):
    import neural_lagrangian as nl

    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"neural_lagrangian {nl.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["learn", "a.csv"],
        ["fit"],
        ["fit", "a.csv", "--dof", "0"],
        ["fit", "a.csv", "--dof", "1", "--units", "t"],
        ["fit", "a.csv", "--dof", "1", "--minutes", "-1"],
        ["fit", "a.csv", "--dof", "1", "--seed", "9223372036854775808"],
        ["rollout", "m", "--start", "1", "--until", "1", "--step", "0.1", "--predictor", "oracle"],
        ["rollout", "m", "--start", "nan", "--until", "1", "--step", "0.1"],
    ],
    ids=" ".join,
)
def test_wrong_usage_has_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: neural_lagrangian" in capsys.readouterr().err


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_a_recording_are_named_in_one_line(fault, tmp_path, capsys):
    path = faulty(tmp_path / "a.csv", fault)
    status, message = FAULTS[fault]
    assert main(["fit", str(path), "--dof", "1", "--output", str(tmp_path / "out")]) == status
    error = capsys.readouterr().err
    assert message in error
    assert error.splitlines()[-1].startswith("neural_lagrangian: ")
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (
            ["--dof", "3"],
            1,
            "beside the time 't' are 'x', 'v'; expected at least 3, one for each degree of freedom (--dof)",
        ),
        (
            ["--controls", "x"],
            2,
            "and all columns without a role look like velocities or accelerations: record a coordinate too",
        ),
        (["--coordinates", "y"], 1, "column 'y': is absent; the file has 't', 'x', 'v'"),
        (["--dof", "2", "--coordinates", "x"], 2, "--dof is 2, but --coordinates names 1"),
        (["--dof", "1", "--velocities", "v", "x"], 2, "--velocities names 2 columns"),
        (
            ["--dof", "1", "--angles", "theta"],
            2,
            "--angles names 'theta'; expected names or indices of the coordinates, x",
        ),
        (["--dof", "1", "--units", "x=parsec"], 1, "'parsec' is not a known unit"),
        (["--coordinates", "x", "--velocities", "x"], 2, "column 'x' is named 2 times"),
    ],
)
def test_options_that_do_not_fit_the_recording_are_named(options, status, message, tmp_path, capsys):
    path = write(tmp_path / "a.csv")
    assert main(["fit", str(path), *options]) == status
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["fit", "absent.csv", "--dof", "1"], 1, "No such file or directory: 'absent.csv'"),
        (["fit", "a.doc", "--coordinates", "x", "--time", "t"], 2, "expected a recording that ends in .csv"),
        (["info", "absent.csv"], 1, "No such file"),
        (["rollout", "absent", "--start", "1", "0", "--until", "1", "--step", "0.1"], 1, "absent has no settings.json"),
        (["compare", "absent", "a.csv"], 1, "absent is not a folder that `fit` has written"),
    ],
)
def test_what_is_not_there_is_named(arguments, status, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == status
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("value", ["x", "0", "1.5", "-1", "nan", ""])
def test_a_number_that_an_option_cannot_take_is_quoted_with_what_was_expected(value, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["fit", "a.csv", "--steps", value])
    assert ended.value.code == 2
    assert f"--steps: is {value!r}; expected a positive integer" in capsys.readouterr().err
    for option, kind in (("--minutes", "positive number"), ("--seed", "integer of at most 63 bits and a sign")):
        with pytest.raises(SystemExit):
            main(["fit", "a.csv", option, value if value in ("x", "nan", "") else "1e999"])
        assert f"{option}: is " in (written := capsys.readouterr().err)
        assert kind in written or "finite number" in written


def test_the_precision_of_the_process_is_as_before(tmp_path):
    before = jax.config.values["jax_enable_x64"]
    assert main(["info", str(write(tmp_path / "a.csv")), "--float32"]) == 0
    assert jax.config.values["jax_enable_x64"] == before


@pytest.fixture
def interruptible():
    """As in a terminal: a process in the background may ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("ending", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_command_from_within(ending, status, interruptible, monkeypatch, capsys):
    """What runs can then write what it has; without the program the signal has its usual effect again."""
    unwound = []

    def run(asked):
        try:
            os.kill(os.getpid(), ending)
            time.sleep(10)  # until the signal arrives
        finally:
            unwound.append(asked.command)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(fit, "run", run)
    assert main(["fit", "a.csv", "--dof", "1"]) == status
    assert unwound == ["fit"]
    assert capsys.readouterr().err.endswith("ed; nothing was written\n")
    assert signal.getsignal(signal.SIGTERM) is before
    monkeypatch.setattr(info, "run", run)
    assert main(["info", "a.csv"]) == status
    assert "--resume" not in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_names_in_any_encoding_are_written(encoding, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    text.say("recording", "\udcff\u0394\N{SNOWMAN}.csv")
    assert b".csv" in stream.buffer.getvalue()


def test_what_an_interrupted_fit_leaves_is_said_truly(tmp_path, monkeypatch, capsys):
    path = write(tmp_path / "a.csv")
    folder = tmp_path / "a-fit"
    stages = {
        "holds no checkpoint yet": lambda: None,
        "holds a checkpoint": lambda: (folder / "checkpoints" / "step-000000001.checkpoint").touch(),
        "without a report": lambda: (folder / "model").touch(),
        "a finished fit with its report": lambda: (folder / "report.html").touch(),
    }
    for said, reach in stages.items():

        def interrupted(*_, reach=reach):
            reach()
            raise KeyboardInterrupt

        monkeypatch.setattr(identifying, "networks_of", interrupted)
        assert main(["fit", str(path), "--dof", "1", "--output", str(folder), "--resume"]) == 130
        error = capsys.readouterr().err
        assert said in error
        assert ("--resume" in error) == ("report" not in said or "without" in said)


class Broken(io.StringIO):
    def write(self, text):
        raise BrokenPipeError


@pytest.mark.parametrize("stream", [None, Broken()])
def test_a_stream_that_nobody_reads_stops_nothing(stream, monkeypatch):
    monkeypatch.setattr(sys, "stdout", stream)
    text.say("recording", "a.csv")
    text.print_table("t,x\n")


def test_progress_that_nobody_reads_stops_no_training(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Broken())
    shown = display._Lines()
    shown.long = True
    shown.show(Progress(1, 9, 2, 0.1, 0, np.nan, 1.0, lambda: None))
    shown.end()
    assert not shown.pending


def test_of_two_processes_that_begin_at_once_one_gets_the_folder(tmp_path, monkeypatch):
    """The other has seen no settings yet either."""
    monkeypatch.setattr(model_folder, "is_folder", lambda path: False)
    model_folder.claim(tmp_path / "new" / "fit")
    with pytest.raises(NoAnswerError, match="holds a fit already"):
        model_folder.claim(tmp_path / "new" / "fit")
    model_folder.claim(tmp_path / "new" / "fit", resume=True)


def test_compiled_programs_are_kept_in_the_cache_folder_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / name)
    folder = str(tmp_path / "neural_lagrangian" / "programs")
    before = {name: jax.config.values[name] for name in ("jax_compilation_cache_dir", "jax_enable_x64")}
    jax.config.update("jax_compilation_cache_dir", None)
    try:
        with program._configured(single=True):
            assert jax.config.values["jax_compilation_cache_dir"] == folder
        assert jax.config.values["jax_compilation_cache_dir"] is None
        assert jax.config.values["jax_enable_x64"] == before["jax_enable_x64"]
    finally:
        jax.config.update("jax_compilation_cache_dir", before["jax_compilation_cache_dir"])
    assert program._kept_programs("chosen by the user") == {}
    (tmp_path / "a file").write_text("")
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "a file" / name)
    assert program._kept_programs(None) == {}


@pytest.mark.parametrize(("chosen", "cores", "devices"), [("", 1, 1), ("", 3, 2), ("", 64, 4), ("3", 64, 3)])
def test_cores_share_a_training(chosen, cores, devices):
    """A power of two, so that batches can be shared; or what the user has chosen."""
    code = f"""
import os
os.sched_getaffinity = lambda _: range({cores})
from neural_lagrangian.command_line import program
program._use_cores()
import jax, numpy as np
from neural_lagrangian import Trajectories
from neural_lagrangian.training.devices import mesh_of_cores
mesh = mesh_of_cores(Trajectories(np.arange(3.0), np.zeros((3, 2))), 64, False)
print(jax.device_count(), None if mesh is None else mesh.size)
"""
    environment = {k: v for k, v in os.environ.items() if k not in ("JAX_NUM_CPU_DEVICES", "XLA_FLAGS")}
    environment |= {"JAX_NUM_CPU_DEVICES": chosen} if chosen else {}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(devices), str(devices) if devices in (2, 4) else "None"]
