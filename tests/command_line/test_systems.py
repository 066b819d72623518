"""One model of many systems: `fit --parameters`, and the parameters of one system for all other commands."""

import html
import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.command_line import main
from neural_lagrangian.identification import UsageError

from ..identification.recordings import write_rows
from .conftest import found_by, in_folder

pytestmark = [pytest.mark.double, pytest.mark.optax]
STIFFNESS = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
FIT = ("fit", "springs.csv", "--dof", "1", "--trajectory", "run", "--parameters", "k", "--steps", "150")
ROLLOUT = ("rollout", "springs-fit", "--start", "1", "0", "--until", "2", "--step", "0.1")
TS = 0.02 * np.arange(200)


def oscillation(k, ts=TS):
    """Times, position and velocity of a spring of unit mass, which begins at 1, exactly."""
    w = np.sqrt(k)
    return np.stack([ts, np.cos(w * ts), -w * np.sin(w * ts)], axis=1)


def rows_of(stiffness, label=True, column=True):
    return [
        [*([run] if label else []), *row[:1], *([k] if column else []), *row[1:]]
        for run, k in enumerate(stiffness)
        for row in oscillation(k).tolist()
    ]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A folder with a recording of seven springs, a fit of it, and one spring that was not recorded."""
    folder = tmp_path_factory.mktemp("systems")
    write_rows(folder / "springs.csv", "run,t,k (cm),x,v", rows_of(STIFFNESS))
    write_rows(folder / "one.csv", "t,x,v", rows_of([1.7], label=False, column=False))
    write_rows(folder / "others.csv", "run,t,k,x,v", rows_of([1.2, 2.2, 4.5]))
    return folder, found_by(folder, FIT)


@pytest.fixture
def found(fitted):
    with in_folder(fitted[0]):
        yield fitted[1]


def table(text):
    return np.array([line.split(",") for line in text.splitlines()[1:]], float)


def test_what_was_learned_is_said_and_stored(found, capsys):
    assert found.outcome.pieces.endswith("; their values of k are not in the training set: 2.5")
    assert "No formula was searched for, and no known system was fitted: k differs between the runs" in found.verdict
    assert found.formula is None
    settings = json.loads(Path("springs-fit/settings.json").read_text())
    assert settings["parameters"] == {"k": {"unit": "cm", "least": 1.0, "most": 4.0}}
    assert main(["info", "springs-fit"]) == 0
    assert "parameters   k [cm] from 1 to 4" in capsys.readouterr().out
    assert "nl.load_model('springs-fit', parameters={'k': 2.5})" in html.unescape(
        Path("springs-fit/report.html").read_text()
    )


@pytest.mark.parametrize(("k", "another"), [(1.7, 3.3), (2.5, 1.0)])
def test_a_system_that_was_not_recorded_is_predicted(k, another, found, capsys):
    """With another parameter the prediction is wrong: it is the parameter that makes it."""
    assert main([*ROLLOUT, "--parameters", f"k={k}"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    rows = table(captured.out)
    expected = oscillation(k, rows[:, 0])
    error = np.abs(rows - expected).max()
    assert error < 0.2  # hundreds of steps make it smaller
    assert main([*ROLLOUT, "--parameters", f"k={another}"]) == 0
    assert np.abs(table(capsys.readouterr().out) - expected).max() > 3 * error


def test_terminal_and_python_predict_the_same(found, capsys):
    assert main([*ROLLOUT, "--parameters", "k=1.7"]) == 0
    rows = table(capsys.readouterr().out)
    ts, y0 = jnp.asarray(rows[:, 0]), jnp.array([1.0, 0.0])
    models = [nl.load_model("springs-fit"), found.model]
    for ys in (
        nl.load_model("springs-fit", parameters={"k": 1.7})(ts, y0),
        *(model(ts, y0, {"k": 1.7}) for model in models),
        *(nl.networks.with_parameters(model, {"k": 1.7})(ts, y0) for model in models),
    ):
        np.testing.assert_allclose(ys, rows[:, 1:], rtol=1e-5, atol=1e-6)


def test_values_outside_of_the_trained_range_are_told(found, capsys):
    assert main([*ROLLOUT, "--parameters", "k=4.3"]) == 0
    said = "k = 4.3 cm lies outside of the training data of the model: trained on k [cm] from 1 to 4"
    assert capsys.readouterr().err.count(said) == 1
    with pytest.warns(UserWarning, match=r"springs-fit: k = 4\.3 cm lies outside"):
        nl.load_model("springs-fit", parameters={"k": 4.3})


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "command",
    [
        ROLLOUT,
        ("export", "springs-fit", "--output", "spring.c"),
        ("compare", "springs-fit", "one.csv"),
    ],
    ids=lambda command: command[0],
)
def test_missing_and_unknown_names_are_refused(command, found, capsys):
    assert main([*command]) == 2
    error = capsys.readouterr().err
    assert "--parameters" in error
    assert "'k'" in error
    assert main([*command, "--parameters", "mass=1"]) == 2
    assert "--parameters has 'mass', which is unknown; springs-fit was trained with k [cm] from 1 to 4" in (
        capsys.readouterr().err
    )
    with pytest.raises(UsageError, match="`parameters` has 'mass', which is unknown"):
        nl.load_model("springs-fit", parameters={"mass": 1.0})
    with pytest.raises(SystemExit):
        main([*command, "--parameters", "k"])
    assert "expected NAME=VALUE, such as length=0.5" in capsys.readouterr().err


def test_recordings_are_compared_each_trajectory_with_its_own_parameter(found, capsys):
    assert main(["compare", "springs-fit", "others.csv"]) == 0
    text = capsys.readouterr().out
    assert "k = 4.5 cm lies outside of the training data" in text
    assert main(["compare", "springs-fit", "springs-fit"]) == 0
    assert "Lagrangians  not compared: each system has its own" in capsys.readouterr().out
    assert main(["compare", "springs-fit", "one.csv", "--parameters", "k=1.7"]) == 0
    own = capsys.readouterr().out
    assert main(["compare", "springs-fit", "springs-fit", "one.csv", "--parameters", "k=1.7"]) == 0
    assert "Lagrangians  the same" in capsys.readouterr().out.replace("equal", "the same")
    main(["compare", "springs-fit", "one.csv", "--parameters", "k=3.5"])
    assert capsys.readouterr().out != own
    assert main(["compare", "springs-fit", "others.csv", "--parameters", "k=1.7"]) == 2
    assert "--parameters are given, but others.csv has a column 'k'" in capsys.readouterr().err


def test_a_program_is_that_of_one_system(found, capsys):
    programs = []
    for k in (1.7, 3.3):
        assert main(["export", "springs-fit", "--output", "spring.c", "--parameters", f"k={k}"]) == 0
        programs.append(Path("spring.c").read_text())
        assert f"parameters: k = {k} cm" in programs[-1]
    assert programs[0].replace("1.7", "3.3") != programs[1]
