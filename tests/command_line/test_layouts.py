"""One motion with a gap as laboratories write it down: the command line reads the same, and notes the gap alone."""

import argparse
import datetime
import re

import numpy as np
import pytest

from neural_lagrangian.command_line import main
from neural_lagrangian.command_line.options import add_columns, columns_given
from neural_lagrangian.identification import learning
from neural_lagrangian.identification.recordings.declared import Declared, columns_of
from neural_lagrangian.identification.recordings.recording import read_recording
from neural_lagrangian.identification.recordings.suspicious import suspicious

T = np.arange(600) / 60
X, THETA = 12 * np.cos(3 * T), 70 * np.sin(4 * T)
IN_GAP = (T > 3.99) & (T < 4.49)
START = datetime.datetime(2026, 3, 1, 14)
DECLARED = ("--units", "x=cm", "theta=deg")


def rows(theta=THETA, gap=True):
    table = zip(T, X, theta, strict=True)
    table = [(f"{a:.4f}", f"{b:.4f}", f"{c:.3f}") for a, b, c in table]
    return [row for row, missing in zip(table, IN_GAP, strict=True) if not (gap and missing)]


def lines(header, rows, sep=","):
    return "\n".join(sep.join(row) for row in [header, *rows]) + "\n"


def commas(row):
    return tuple(cell.replace(".", ",") for cell in row)


def stamp(row):
    return (START + datetime.timedelta(seconds=float(row[0]))).isoformat(timespec="microseconds")


EMPTY = [(row[0], "", "") if missing else row for row, missing in zip(rows(gap=False), IN_GAP, strict=True)]
PLAIN = ("t", "x", "theta")
LAYOUTS = {
    "units in headings": (lines(("time (s)", "x (cm)", "theta (deg)"), rows()), ()),
    "declared units": (lines(PLAIN, rows()), DECLARED),
    "semicolons and remarks": (
        lines(("Zeit [s]", "x [cm]", "θ [°]", "Bemerkung"), [(*commas(r), "ok") for r in rows()], ";").encode(
            "utf-8-sig"
        ),
        (),
    ),
    "a Western encoding": (
        lines(("Zeit [s]", "x [cm]", "Größe [°]"), map(commas, rows()), ";").replace("\n", "\r\n").encode("cp1252"),
        (),
    ),
    "dates": (lines((*PLAIN, "note"), [(stamp(r), *r[1:], "") for r in rows()]), DECLARED),
    "tabs": (lines(PLAIN, rows(), "\t"), DECLARED),
    "comments above": ("# recorded 2026-03-01\n# operator: me\n" + lines(PLAIN, rows()), DECLARED),
    "empty cells": (lines(PLAIN, EMPTY), DECLARED),
    "angles wrapped elsewhere": (lines(PLAIN, rows((THETA + 300) % 360 - 180)), DECLARED),
}


def read(layout, folder):
    content, options = LAYOUTS[layout]
    path = folder / "recording.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    parser = argparse.ArgumentParser()
    add_columns(parser)
    columns = columns_of(path, Declared(**columns_given(parser.parse_args(["--dof", "2", *options]))))
    return read_recording(path, columns), columns


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_the_same_motion(layout, tmp_path):
    """Coordinates, velocities found from them, and times but for where the clock begins; angles but for a constant."""
    recording, columns = read(layout, tmp_path)
    motion = recording.trajectories.split_at_gaps()
    assert len(columns.angles) == 1
    assert list(motion.lengths) == [240, 330]
    for (ts, ys), start in zip(motion, (0, 270), strict=True):
        inside = slice(start, start + len(ts))
        np.testing.assert_allclose(ts - motion.ts[0, 0], T[inside], atol=1e-4)
        np.testing.assert_allclose(ys[:, 0], X[inside] / 100, atol=5e-5)
        theta = np.deg2rad(THETA[inside])
        np.testing.assert_allclose(ys[:, 1] - ys[0, 1], theta - theta[0], atol=5e-4)
        truth = np.stack([-0.36 * np.sin(3 * ts), np.deg2rad(280) * np.cos(4 * ts)], axis=1)
        np.testing.assert_allclose(ys[8:-8, 2:], truth[8:-8], atol=0.02)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_gap_is_all_that_is_noted(layout, tmp_path):
    recording, columns = read(layout, tmp_path)
    (line,) = suspicious(recording.recorded, columns)
    assert str(line).startswith(f"{columns.time}: 1 gap, the first of 0.516")


def test_a_recording_without_a_gap_has_nothing_noted(tmp_path):
    path = tmp_path / "whole.csv"
    path.write_text(lines(PLAIN, rows(gap=False)))
    parser = argparse.ArgumentParser()
    add_columns(parser)
    columns = columns_of(path, Declared(**columns_given(parser.parse_args(["--dof", "2", *DECLARED]))))
    assert suspicious(read_recording(path, columns).recorded, columns) == []


@pytest.mark.slow
@pytest.mark.optax
@pytest.mark.parametrize("layout", ["plain", "semicolons", "empty cells"])
def test_a_fit_of_a_recording_with_a_gap_says_no_more_and_finds_the_formula(layout, tmp_path, monkeypatch, capsys):
    """An oscillator without friction: no hint of friction, nor of anything but the gap."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(learning, "STAGE_HORIZONS", (1.0, 1.0))
    noise = 0.002 * np.random.default_rng(0).normal(size=T.size)
    table = [(f"{a:.4f}", f"{b:.5f}") for a, b in zip(T, np.cos(3 * T) + noise, strict=True)]
    kept = [row for row, missing in zip(table, IN_GAP, strict=True) if not missing]
    empty = [(row[0], "") if missing else row for row, missing in zip(table, IN_GAP, strict=True)]
    content = {
        "plain": lines(("t", "x"), kept),
        "semicolons": lines(("t [s]", "x [m]"), map(commas, kept), ";"),
        "empty cells": lines(("t", "x"), empty),
    }
    (tmp_path / "spring.csv").write_text(content[layout])
    assert main(["fit", "spring.csv", "--dof", "1", "--steps", "60"]) == 0
    out, err = capsys.readouterr()
    notes = [line for line in err.splitlines() if line.startswith("note")]
    assert [line.partition(" s after")[0] for line in notes] == ["note: t: 1 gap, the first of 0.5167"]
    found = re.search(r"The formula found: 0.5 x_dot\^2 - ([\d.]+) x\^2.", out)
    assert float(found.group(1)) == pytest.approx(4.5, rel=0.01)
