"""One motion, and the text files in which laboratories record it."""

import datetime

import numpy as np

from neural_lagrangian.trajectories import differentiate

COUNT = 60
T = np.round(np.arange(COUNT) / 60, 4)
X = np.round(12 * np.cos(3 * T), 3)
THETA = np.round(70 * np.sin(3 * T), 3)
ROWS = [(f"{t:.4f}", f"{x:.3f}", f"{theta:.3f}") for t, x, theta in zip(T, X, THETA, strict=True)]
COMMAS = [tuple(cell.replace(".", ",") for cell in row) for row in ROWS]
START = datetime.datetime(2026, 3, 1, 14)
STAMPS = [(START + datetime.timedelta(seconds=float(t))).isoformat(timespec="microseconds") for t in T]


def text(header, rows=ROWS, sep=",", *, newline="\n", encoding="utf-8", above="", end=""):
    lines = [sep.join(row) + end for row in ([header] if header else []) + list(rows)]
    return (above + newline.join(lines) + newline).encode(encoding)


HEADED = ("t (s)", "x (cm)", "theta (deg)")
PLAIN = ("t", "x", "theta")
NOTED = [(*row, f"run #{i}; ok, or not") for i, row in enumerate(ROWS)]
FILES = {  # the file, and how its columns are called
    "commas": (text(HEADED), {}),
    "tabs": (text(HEADED, sep="\t"), {}),
    "semicolons and decimal commas": (text(HEADED, COMMAS, ";", newline="\r\n", encoding="utf-8-sig"), {}),
    "tabs and decimal commas": (text(HEADED, COMMAS, "\t"), {}),
    "decimal commas in quotes": (text(HEADED, [[f'"{cell}"' for cell in row] for row in COMMAS]), {}),
    "bars": (text(HEADED, sep=" | "), {}),
    "blanks": (text(HEADED, sep="    "), {}),
    "blanks at both ends": (text(HEADED, [("  " + r[0], *r[1:]) for r in ROWS], "  ", end="  "), {}),
    "delimiters at the ends of lines": (text(HEADED, sep=";", end=";"), {}),
    "delimiters at the ends of rows": (text(None, sep=";", end=";", above=";".join(HEADED) + "\n"), {}),
    "a degree sign in a Western encoding": (
        text(("Zeit [s]", "x [cm]", "Größe [°]"), COMMAS, ";", encoding="cp1252"),
        {"time": "Zeit", "positions": ["x", "Größe"]},
    ),
    "UTF-16": (text(HEADED, encoding="utf-16"), {}),
    "UTF-16 without a mark": (text(HEADED, encoding="utf-16-be"), {}),
    "Cyrillic": (
        text(("время (s)", "координата (cm)", "угол (deg)"), encoding="cp1251"),
        {"time": "время", "positions": ["координата", "угол"]},
    ),
    "comments above": (text(HEADED, above="# recorded 2026-03-01\n% operator: me, you\n"), {}),
    "comments between": (text(HEADED, [*ROWS[:20], ("# the door, slammed", "", ""), *ROWS[20:]]), {}),
    "names in a comment": (text(None, sep=" ", above="# t x theta\n"), {"units": {"x": "cm", "theta": "deg"}}),
    "lines of the program above": (
        text(HEADED, above="Tracker 6.1\nmass A, 3 kg\nDate:, 2026-03-01\nRate:, 60\n\n"),
        {},
    ),
    "a word for Excel": (text(HEADED, sep=";", above="sep=;\n"), {}),
    "a line of units": (text(PLAIN, [("s", "cm", "deg"), *ROWS], ";"), {}),
    "a line of units in brackets": (text(PLAIN, [("[s]", "[cm]", "[°]"), *ROWS]), {}),
    "units after a stroke": (text(("t / s", "x / cm", "theta/deg")), {}),
    "other brackets": (text(("t <s>", "x {cm}", "theta[°]")), {}),
    "words for units": (text(("t (Seconds)", "x (centimetres)", "theta (Degrees)")), {}),
    "columns named in full": (text(HEADED), {"time": HEADED[0], "positions": HEADED[1:]}),
    "notes": (text((*HEADED, "note"), NOTED, "\t"), {}),
    "notes in quotes": (text((*HEADED, "note"), [(*row[:3], f'"{row[3]}"') for row in NOTED]), {}),
    "an empty column": (text(("", *HEADED, "note"), [("", *row, "") for row in ROWS]), {}),
    "blank lines at the end": (text(HEADED) + b"\n\r\n\n", {}),
    "dates": (
        text(("when", "x [cm]", "theta [deg]"), [(s, *r[1:]) for s, r in zip(STAMPS, ROWS, strict=True)]),
        {"time": "when"},
    ),
    "dates with a zone": (
        text(("when", "x [cm]", "theta [deg]"), [(s + "Z", *r[1:]) for s, r in zip(STAMPS, ROWS, strict=True)]),
        {"time": "when"},
    ),
    "dates as on the Continent": (
        text(
            ("Zeit", "x [cm]", "theta [deg]"),
            [(f"{s[8:10]}.{s[5:7]}.{s[:4]} {s[11:]}", *r[1:]) for s, r in zip(STAMPS, ROWS, strict=True)],
        ),
        {"time": "Zeit"},
    ),
    "lines that end as on old computers": (text(HEADED, newline="\r"), {}),
    "times of day": (
        text(("when", "x [cm]", "theta [deg]"), [(s[11:], *r[1:]) for s, r in zip(STAMPS, ROWS, strict=True)]),
        {"time": "when"},
    ),
    "times of day with commas": (
        text(
            ("when", "x [cm]", "theta [deg]"),
            [(s[11:].replace(".", ","), *r[1:]) for s, r in zip(STAMPS, COMMAS, strict=True)],
            ";",
        ),
        {"time": "when"},
    ),
    "other units": (
        text(
            ("t (ms)", "x (mm)", "theta (rad)"),
            [
                (f"{1000 * t:.1f}", f"{10 * x:.2f}", repr(float(np.deg2rad(a))))
                for t, x, a in zip(T, X, THETA, strict=True)
            ],
        ),
        {},
    ),
    "declared units, whatever the heading says": (
        text(("t (min)", "x (km)", "theta (rad)")),
        {"units": {"t": "s", "x": "cm", "theta (rad)": "°"}},
    ),
}


def check(motion):
    assert len(motion) == 1
    np.testing.assert_allclose(motion.ts[0] - motion.ts[0, 0], T, rtol=0, atol=1.1e-6)
    np.testing.assert_allclose(motion.ys[0, :, 0], X / 100, rtol=1e-12)
    np.testing.assert_allclose(motion.ys[0, :, 1], np.deg2rad(THETA), rtol=1e-12, atol=1e-14)


def parabolas(ts, qs):
    return differentiate(ts, qs, window=3, degree=2)
