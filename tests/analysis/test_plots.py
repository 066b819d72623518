import matplotlib as mpl
import numpy as np
import pytest

from neural_lagrangian import analysis
from neural_lagrangian.training import History

mpl.use("agg")
TS = np.linspace(0.0, 1.0, 30)
YS = np.stack([np.sin(TS), np.cos(TS)], axis=1)
HISTORY = History(np.geomspace(1, 1e-3, 40), np.zeros(40), np.zeros(40), np.ones(40), np.linspace(0, 2, 40))


@pytest.mark.parametrize(
    ("draw", "lines"),
    [
        (lambda ax: analysis.plot_trajectories(TS, YS, {"model": np.full_like(YS, np.inf), "other": YS}, ax=ax), 3),
        (lambda ax: analysis.plot_error_growth(TS, {"model": np.abs(YS.T) + 1e-9}, label="error", ax=ax), 1),
        (lambda ax: analysis.plot_history({"a": HISTORY, "b": HISTORY}, ax=ax), 2),
    ],
    ids=["trajectories", "error_growth", "history"],
)
def test_figures_carry_labels_and_the_axes_given(draw, lines):
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots()
    assert draw(ax) is ax
    assert draw(None) is not ax
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    assert len(ax.get_lines()) == lines
    assert ax.get_legend() is not None
    figure.canvas.draw()
    plt.close("all")
