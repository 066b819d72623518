import dataclasses

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from neural_lagrangian import analysis
from neural_lagrangian.training import History

mpl.use("agg")
TS = np.linspace(0.0, 1.0, 30)
YS = np.stack([np.sin(TS), np.cos(TS)], axis=1)
HISTORY = dataclasses.replace(
    History.empty(float, 40), loss=np.geomspace(1, 1e-3, 40), horizon=np.ones(40), seconds=np.linspace(0, 2, 40)
)


FIGURES = {
    "trajectories": lambda ax: analysis.plot_trajectories(
        TS, YS, {"model": np.full_like(YS, np.inf), "other": YS}, ax=ax
    ),
    "energy": lambda ax: analysis.plot_energy(TS, {"model": YS[:, 0]}, TS, ax=ax),
    "error growth": lambda ax: analysis.plot_error_growth(
        TS, {"model": np.abs(YS.T) + 1e-9}, np.full((2, 30), 1e-6), label="error", ax=ax
    ),
    "history": lambda ax: analysis.plot_history({"a": HISTORY, "b": HISTORY}, ax=ax),
    "phase portrait": lambda ax: analysis.plot_phase_portrait(YS, {"model": np.full_like(YS, np.inf)}, ax=ax),
    "section": lambda ax: analysis.plot_poincare_section({"a": YS, "b": YS}, columns=(0, 1), labels=("q", "v"), ax=ax),
    "loss": lambda ax: analysis.plot_loss_landscape(
        lambda a, b: (a - 1) ** 2 + (b - 2) ** 2,
        TS,
        3 * TS,
        labels=("mass [kg]", "stiffness [N/m]"),
        truth=(1, 2),
        ax=ax,
    ),
    "work": lambda ax: analysis.plot_work_precision({"RK4": [(100, 1e-3), (200, 6e-5)]}, ax=ax),
    "scaling": lambda ax: analysis.plot_parameter_scaling({"AD": [(100, 1.0), (1000, 1.1)], "FD": [(100, 3.0)]}, ax=ax),
}
LINES = {"trajectories": 3, "energy": 2, "error growth": 2, "history": 2, "phase portrait": 3, "section": 2}
LINES |= {"loss": 2, "work": 1, "scaling": 2}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_carry_labels_and_the_axes_given(name):
    draw = FIGURES[name]
    figure, ax = plt.subplots()
    assert draw(ax) is ax
    assert draw(None) is not ax
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    assert len(ax.get_lines()) == LINES[name]
    assert ax.get_legend() is not None
    figure.canvas.draw()
    plt.close("all")


def oscillator(t, q, v):
    return 0.5 * v[0] ** 2 - 2 * q[0] ** 2


@pytest.mark.parametrize("kind", ["contour", "surface"])
def test_a_lagrangian_over_phase_space(kind):
    q, v = TS, np.linspace(-0.5, 2.5, 20)
    ax = analysis.plot_lagrangian(oscillator, q, v, kind=kind, labels=("q [m]", "dq/dt [m/s]"))
    assert ax.get_xlabel() == "q [m]"
    (shown,) = ax.collections
    values = 0.5 * v[None] ** 2 - 2 * q[:, None] ** 2
    if kind == "contour":
        assert shown.zmin == pytest.approx(values.min(), rel=1e-5)
        assert shown.zmax == pytest.approx(values.max(), rel=1e-5)
    assert [ax.get_xlim(), ax.get_ylim()] == [pytest.approx((0, 1), abs=0.1), pytest.approx((-0.5, 2.5), abs=0.3)]
    if kind == "surface":
        assert ax.get_zlim() == pytest.approx((values.min(), values.max()), abs=0.3)
    ax.figure.canvas.draw()
    plt.close("all")


@pytest.mark.bad_input
def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match="`kind` is 'heat'"):
        analysis.plot_lagrangian(oscillator, TS, TS, kind="heat")


def test_power_laws():
    assert analysis.power_law([(1.0, 2.0), (10.0, 200.0), (100.0, 20000.0)]) == pytest.approx(2.0)
    assert np.isnan(analysis.power_law([(1.0, 2.0)]))


def drawn(ax, count):
    """The data of the first lines of a figure."""
    return [line.get_xydata().T for line in ax.get_lines()[:count]]


def test_lines_hold_what_they_are_given():
    """Predictions first, what they are compared with last."""
    rng = np.random.default_rng(0)
    ys, other, errors = rng.normal(size=(30, 4)), rng.normal(size=(30, 4)), rng.uniform(1, 2, (5, 30))
    floor = errors / 10
    cases = [
        (analysis.plot_trajectories(TS, ys, {"model": other}, coordinate=1), [(TS, other[:, 1]), (TS, ys[:, 1])]),
        (analysis.plot_energy(TS, {"model": ys[:, 0]}, other[:, 0]), [(TS, ys[:, 0]), (TS, other[:, 0])]),
        (
            analysis.plot_error_growth(TS, {"model": errors}, floor, label="error"),
            [(TS, np.median(errors, axis=0)), (TS, np.median(floor, axis=0))],
        ),
        (analysis.plot_history({"a": HISTORY}), [(HISTORY.seconds, HISTORY.loss)]),
        (analysis.plot_work_precision({"RK4": [(100, 1e-3), (200, 6e-5)]}), [((100, 200), (1e-3, 6e-5))]),
        (analysis.plot_parameter_scaling({"AD": [(10, 1.0), (1000, 1.1)]}), [((10, 1000), (1.0, 1.1))]),
    ]
    for ax, expected in cases:
        np.testing.assert_allclose(drawn(ax, len(expected)), expected)
    plt.close("all")


def test_portraits_hold_what_they_are_given():
    """Coordinate 1 of two: columns 1 and 3."""
    rng = np.random.default_rng(0)
    truth, other = rng.normal(size=(30, 4)), rng.normal(size=(30, 4))
    ax = analysis.plot_phase_portrait(truth, {"model": other}, coordinate=1)
    for line, expected in zip(drawn(ax, 3), (other, truth, truth[:1]), strict=True):
        np.testing.assert_allclose(line, expected[:, [1, 3]].T)
    ax = analysis.plot_poincare_section({"a": truth}, columns=(2, 1), labels=("v", "q"))
    np.testing.assert_allclose(drawn(ax, 1)[0], truth[:, [2, 1]].T)
    plt.close("all")


def test_the_least_of_a_landscape_is_where_it_is():
    first, second = np.linspace(0, 3, 16), np.linspace(-1, 1, 9)
    ax = analysis.plot_loss_landscape(
        lambda a, b: (a - 2) ** 2 + (b + 0.5) ** 2, first, second, labels=("a", "b"), truth=(1.7, 0.2)
    )
    least, truth = drawn(ax, 2)
    np.testing.assert_allclose(least[:, 0], [2.0, -0.5], atol=1e-6)
    np.testing.assert_allclose(truth[:, 0], [1.7, 0.2])
    plt.close("all")
