"""A folder that `fit` has written, in `rollout`, `compare`, `info` and `load_model`; damaged folders are named."""

import json
import re

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.command_line import main
from neural_lagrangian.discovery import Formula
from neural_lagrangian.identification import prediction
from neural_lagrangian.identification.folders.formula_file import write_formula
from neural_lagrangian.identification.folders.model_folder import Learned, load_model, read_columns
from neural_lagrangian.identification.formulas import refinement
from neural_lagrangian.integrators import Integration
from neural_lagrangian.mechanics import LinearDamping
from neural_lagrangian.trajectories import read_trajectories

from ..identification.recordings import FREQUENCY

pytestmark = [pytest.mark.double, pytest.mark.optax]


def test_a_rollout_is_that_of_the_model_loaded_in_python(place, capsys):
    arguments = ["rollout", "spring-fit", "--start", "1", "0", "--until", "0.4", "--step", "0.1"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "t,x,v"
    assert main([*arguments, "--output", "out.csv"]) == 0
    assert (place / "out.csv").read_text().splitlines() == lines
    written = read_trajectories(place / "out.csv", positions=["x"], velocities=["v"])
    np.testing.assert_allclose(written.ts[0], [0.0, 0.1, 0.2, 0.3, 0.4])
    ys = eqx.filter_jit(load_model(place / "spring-fit"))(jnp.asarray(written.ts[0]), jnp.array([1.0, 0.0]))
    np.testing.assert_allclose(written.ys[0], ys, rtol=1e-6)


@pytest.mark.parametrize("predictor", ["network", "formula"])
@pytest.mark.parametrize(("start", "outside"), [("1", False), ("0.95", False), ("3", True)])
def test_a_rollout_that_leaves_the_recording_says_so(place, predictor, start, outside, capsys):
    """The recording is an oscillation of amplitude 1."""
    arguments = ["rollout", "spring-fit", "--predictor", predictor, "--start", start, "0", "--until", "0.4"]
    assert main([*arguments, "--step", "0.1"]) == 0
    said = capsys.readouterr().err
    assert ("of the predicted motion lies outside of the training data" in said) == outside
    assert ("the energy of the start lies outside of the energies in the recording" in said) == outside


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--start", "1", "--until", "1", "--step", "0.1"], "--start has 1 values; expected 2: x v"),
        (["--start", "1", "0", "--until", "1", "--step", "2"], "--step is 2.0, more than --until = 1.0"),
        (["--start", "1", "0", "--until", "1", "--step", "0.1", "--output", "a.txt"], "expected a name that ends in"),
        (["--start", "1", "0", "--until", "1", "--step", "0.1", "--output", "none/a.csv"], "there is no folder 'none'"),
        (["--start", "1", "0", "--until", "1", "--step", "1e-9"], "gives 1e+09 rows; expected at most"),
    ],
)
def test_a_rollout_that_makes_no_sense_is_refused(place, options, message, capsys):
    assert main(["rollout", "spring-fit", *options]) == 2
    assert message in capsys.readouterr().err


def test_a_model_is_compared_with_a_recording_and_with_itself(place, capsys):
    assert main(["compare", "spring-fit", "spring.csv"]) == 0
    assert re.search(r"x, first [\d.]+ s \([\d.]+ periods\) +[\d.e-]+ +[\d.e-]+ +[\d.e-]+\n", capsys.readouterr().out)
    assert main(["compare", "spring-fit", "spring-fit"]) == 0
    assert "equal: L2 = 1 L1" in capsys.readouterr().out


def test_the_formula_is_loaded_to_its_last_digit(place, capsys):
    """And what is loaded is what the command line rolls out: an exact oscillation."""
    formula = nl.load_model(place / "spring-fit", "formula")
    stored = json.loads((place / "spring-fit" / "formula.json").read_text())
    assert formula.network.coefficients.tolist() == stored["coefficients"]
    assert formula.force is None
    ts = jnp.linspace(0.0, 5.0, 11)
    ys = formula(ts, jnp.array([1.0, 0.0]))
    np.testing.assert_allclose(ys[:, 0], np.cos(FREQUENCY * ts), atol=1e-4)
    asked = ["rollout", "spring-fit", "--predictor", "formula", "--start", "1", "0", "--until", "5", "--step", "0.5"]
    assert main(asked) == 0
    table = np.loadtxt(capsys.readouterr().out.splitlines(), delimiter=",", skiprows=1)
    np.testing.assert_allclose(table[:, 1:], ys, rtol=1e-6, atol=1e-6)
    assert main(["compare", "spring-fit", "spring.csv", "--predictor", "formula"]) == 0


def test_friction_and_errors_are_stored_with_the_formula(place, tmp_path):
    shown = nl.load_model(place / "spring-fit", "formula")
    library = shown.network.library
    errors = [0.25] * (len(library) - 1) + [np.inf]
    formula = Formula(library, shown.network.coefficients / 3, errors)
    damped = nl.NeuralLagrangian(formula, force=LinearDamping(jnp.asarray([1 / 7])))
    (tmp_path / "settings.json").write_bytes((place / "spring-fit" / "settings.json").read_bytes())
    write_formula(tmp_path, refinement.RefinedFormula("the recording", damped, np.nan))
    again = nl.load_model(tmp_path, "formula")
    q, v = jnp.array([0.3]), jnp.array([-0.7])
    assert float(again.force(0.0, q, v)[0]) == float(damped.force(0.0, q, v)[0])
    assert again.network.coefficients.tolist() == formula.coefficients.tolist()
    assert again.network.standard_errors == formula.standard_errors


@pytest.mark.bad_input
def test_a_formula_that_is_not_there_or_is_damaged_is_named(place, tmp_path, capsys):
    (tmp_path / "settings.json").write_bytes((place / "spring-fit" / "settings.json").read_bytes())
    arguments = ["rollout", str(tmp_path), "--predictor", "formula", "--start", "1", "0", "--until", "1", "--step", "1"]
    assert main(arguments) == 1
    assert "holds no formula" in capsys.readouterr().err
    content = (place / "spring-fit" / "formula.json").read_text()
    for damaged in (content[:50], "[]", content.replace('"x"', '"y"'), content.replace('"terms"', '"words"')):
        (tmp_path / "formula.json").write_text(damaged)
        assert main(arguments) == 1
        assert "formula.json is damaged" in capsys.readouterr().err
    with pytest.raises(ValueError, match="`predictor` is 'oracle'; expected one of"):
        load_model(place / "spring-fit", "oracle")


def test_a_model_that_fit_said_not_to_use_is_not_rolled_out(place, tmp_path, capsys):
    for name in ("settings.json", "model", "formula.json"):
        (tmp_path / name).write_bytes((place / "spring-fit" / name).read_bytes())
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert settings["predictor"] == "formula"
    assert settings["judged"]["formula"]["predicts"] is True
    settings["judged"]["formula"]["predicts"] = False
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    arguments = ["rollout", str(tmp_path), "--start", "1", "0", "--until", "0.2", "--step", "0.1"]
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert "the formula predicts no better" in said.err
    assert "do not use it; --anyway" in said.err
    assert said.out == ""
    assert main([*arguments, "--anyway"]) == 0
    assert main([*arguments, "--predictor", "network"]) == 0


def test_a_recording_far_from_what_was_trained_on_gets_a_verdict_and_status_1(place, capsys):
    """The same spring, a thousand metres away: a network knows nothing there."""
    lines = (place / "spring.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines[1:]]
    moved = [f"{t},{float(x) + 1e3!r},{v}" for t, x, v in rows]
    (place / "far.csv").write_text("\n".join([lines[0], *moved]) + "\n")
    assert main(["compare", "spring-fit", "far.csv", "--predictor", "network"]) == 1
    said = capsys.readouterr()
    assert "100% of the recording lies outside of the training data of the model: x from 999" in said.out
    assert "do not use it" in said.out
    assert said.err.count("\n") == 1


def test_info_tells_what_there_is(place, capsys):
    assert main(["info", "spring-fit"]) == 0
    out = capsys.readouterr().out
    assert "undamaged, the SHA-256" in out
    assert "2 hidden layers of 64" in out
    assert main(["info", "spring.csv", "--dof", "1"]) == 0
    out = capsys.readouterr().out
    assert "300 samples, 5.98 s in all, 0.02 s apart" in out
    assert re.search(r"suspicious +nothing", out)


@pytest.mark.bad_input
def test_a_damaged_model_is_refused(place, tmp_path, capsys):
    for name in ("settings.json", "model"):
        (tmp_path / name).write_bytes((place / "spring-fit" / name).read_bytes())
    content = bytearray((tmp_path / "model").read_bytes())
    content[-1] ^= 1
    (tmp_path / "model").write_bytes(content)
    assert main(["info", str(tmp_path)]) == 1
    assert "SHA-256" in capsys.readouterr().err


DAMAGE = {
    "empty": lambda text: "",
    "cut off": lambda text: text[: len(text) // 2],
    "no text": lambda text: "\0" * 100,
    "nested without end": lambda text: "[" * 100_000,
    "a list": lambda text: "[1, 2]",
    "nothing in it": lambda text: "{}",
    "a network without end": lambda text: text.replace('"width": 64', '"width": 1000000000'),
    "layers without end": lambda text: text.replace('"depth": 2', '"depth": 1000000000'),
    "a width that is text": lambda text: text.replace('"width": 64', '"width": "64"'),
    "another number of coordinates": lambda text: text.replace('"dof": 1', '"dof": 2'),
    "an unknown structure": lambda text: text.replace('"mechanical"', '"mechanic"'),
    "an unknown setting": lambda text: text.replace('"width"', '"breadth"'),
    "a column that is a number": lambda text: text.replace('"time": "t"', '"time": 3'),
    "no scale": lambda text: text.replace('"t_scale"', '"scale"'),
    "a scale of zero": lambda text: re.sub(r'"t_scale": [\d.e+-]+', '"t_scale": 0.0', text),
    "no steps": lambda text: text.replace('"steps"', '"step"'),
}


@pytest.mark.bad_input
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_settings_are_named_in_one_line(damage, place, tmp_path, capsys):
    settings = (place / "spring-fit" / "settings.json").read_text()
    damaged = DAMAGE[damage](settings)
    assert damaged != settings
    (tmp_path / "settings.json").write_text(damaged)
    (tmp_path / "model").write_bytes((place / "spring-fit" / "model").read_bytes())
    assert main(["info", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "settings.json is damaged" in error
    assert error.count("\n") == 1


def test_a_model_that_is_a_folder_is_named(place, tmp_path, capsys):
    (tmp_path / "settings.json").write_bytes((place / "spring-fit" / "settings.json").read_bytes())
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "padding").touch()
    assert main(["info", str(tmp_path)]) == 1
    assert "model" in capsys.readouterr().err


def test_a_rollout_says_why_it_fails_and_a_wrong_start_is_seen_first(place, monkeypatch, capsys):
    short = eqx.tree_at(
        lambda m: m.model.integration,
        load_model(place / "spring-fit", "network"),
        Integration(max_steps=3),
    )
    read, like = [], Learned(short, read_columns(place / "spring-fit"), {})
    monkeypatch.setattr(prediction, "read_folder", lambda folder, _: read.append(folder) or like)
    assert main(["rollout", "spring-fit", "--start", "1", "--until", "9", "--step", "1"]) == 2
    assert "--start has 1 values; expected 2: x v" in capsys.readouterr().err
    assert not read  # nothing was loaded or computed
    assert main(["rollout", "spring-fit", "--start", "1", "0", "--until", "9", "--step", "1"]) == 1
    assert "the rollout is not finite from 0 on: 1 needs more than `max_steps` = 3 steps" in capsys.readouterr().err
