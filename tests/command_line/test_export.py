"""The command `export` writes the model of a folder as a C file."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.command_line import main

from ..export.compiled import Compiled, needs_compiler

pytestmark = [pytest.mark.double, pytest.mark.optax]


@needs_compiler
def test_the_exported_network_and_formula_are_those_of_the_folder(place, tmp_path, capsys):
    for predictor in ("network", "formula"):
        path = tmp_path / f"{predictor}.c"
        assert main(["export", "spring-fit", "--output", str(path), "--predictor", predictor]) == 0
        said = capsys.readouterr().out
        assert f"{predictor}_acceleration" in said
        assert "in double" in said
        program, model = Compiled(path), nl.load_model(place / "spring-fit", predictor)
        q, v = np.array([0.4]), np.array([-0.3])
        expected = model.acceleration(0.0, jnp.asarray(q), jnp.asarray(v))
        np.testing.assert_allclose(program("acceleration", 1, q=q, v=v), expected, rtol=1e-12)
        comment = path.read_text().partition("*/")[0]
        assert "q[0] = x, v[0] = v" in comment
        assert "range of the training data" in comment
        assert predictor in comment


def test_single_precision_writes_float(place, tmp_path, capsys):
    assert (
        main(["export", "spring-fit", "--float32", "--predictor", "formula", "--output", str(tmp_path / "1-a.c")]) == 0
    )
    assert "model_1_a_acceleration(const float q[1]" in (tmp_path / "1-a.h").read_text()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("a.txt", "--output is 'a.txt'; expected a name that ends in .c"),
        ("none/a.c", "there is no folder 'none'"),
        ('a"b.c', "expected a file name that a C program can include"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_with_one_line(place, output, message, capsys):
    assert main(["export", "spring-fit", "--output", output]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_model_that_fit_said_not_to_use_is_not_exported(place, tmp_path, capsys):
    for name in ("settings.json", "model", "formula.json"):
        (tmp_path / name).write_bytes((place / "spring-fit" / name).read_bytes())
    settings = json.loads((tmp_path / "settings.json").read_text())
    settings["judged"]["formula"]["predicts"] = False
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    arguments = ["export", str(tmp_path), "--predictor", "formula", "--output", str(tmp_path / "a.c")]
    assert main(arguments) == 1
    assert "do not use it; --anyway" in capsys.readouterr().err
    assert not (tmp_path / "a.c").exists()
    assert main([*arguments, "--anyway"]) == 0
