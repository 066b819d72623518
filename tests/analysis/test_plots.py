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
    ax = analysis.plot_lagrangian(oscillator, TS, TS - 0.5, kind=kind, labels=("q [m]", "dq/dt [m/s]"))
    assert ax.get_xlabel() == "q [m]"
    assert len(ax.collections) > 0
    ax.figure.canvas.draw()
    plt.close("all")


@pytest.mark.bad_input
def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match="`kind` is 'heat'"):
        analysis.plot_lagrangian(oscillator, TS, TS, kind="heat")


def test_power_laws():
    assert analysis.power_law([(1.0, 2.0), (10.0, 200.0), (100.0, 20000.0)]) == pytest.approx(2.0)
    assert np.isnan(analysis.power_law([(1.0, 2.0)]))
