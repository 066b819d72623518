import itertools

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.animation import AbstractMovieWriter
from PIL import Image

from neural_lagrangian import analysis
from neural_lagrangian.systems import SYSTEMS, DoublePendulum

from ..helpers import slow_but

mpl.use("agg")
SYSTEM = DoublePendulum()
TS = np.sort(np.random.default_rng(0).uniform(0, 1, 12))  # irregular
YS = np.stack([np.sin(TS), np.cos(2 * TS), np.cos(TS), -np.sin(2 * TS)], axis=1)


class Recorder(AbstractMovieWriter):
    """Keeps what is drawn in each frame: clock, positions of the bodies and note of the first panel."""

    def __init__(self):
        super().__init__(fps=5)
        self.frames = []

    def setup(self, fig, outfile, dpi=None):
        super().setup(fig, outfile, dpi)

    def grab_frame(self, **_):
        ax = self.fig.axes[0]
        self.frames.append((self.fig.get_supxlabel(), ax.collections[0].get_offsets(), ax.texts[0].get_text()))

    def finish(self):
        pass


def recorded(system, ts, motions, frames_per_second):
    animation = analysis.animate(system, ts, motions, frames_per_second=frames_per_second, size=1.0)
    recorder = Recorder()
    animation.save("nowhere", writer=recorder)
    return recorder.frames


def test_a_gif_holds_every_frame_and_moves(tmp_path):
    path = tmp_path / "motion.gif"
    analysis.animate(SYSTEM, TS, {"truth": YS, "model": YS * 1.1}, path=path, frames_per_second=5, size=1.5)
    with Image.open(path) as image:
        assert image.n_frames == len(np.arange(TS[0], TS[-1], 0.2))
        assert image.info["duration"] == 200
        frames = []
        for k in range(image.n_frames):
            image.seek(k)
            frames.append(np.asarray(image.convert("L")))
    assert all(np.abs(a.astype(int) - b).max() > 50 for a, b in itertools.pairwise(frames))


def test_html_stands_alone(tmp_path):
    path = tmp_path / "motion.html"
    analysis.animate(SYSTEM, TS, YS, path=path, frames_per_second=3, size=1.5)
    page = path.read_text()
    assert "<script" in page
    assert "data:image/png;base64" in page


def test_bodies_are_where_the_drawing_puts_them():
    clock, bodies, _ = recorded(SYSTEM, TS, YS, 4)[2]
    now = TS[0] + 0.5
    q = jnp.asarray([np.interp(now, TS, YS[:, i]) for i in range(2)])
    np.testing.assert_allclose(bodies, SYSTEM.drawing(q).bodies, atol=1e-5)
    assert clock == f"t = {now:.2f}"


def test_a_motion_that_fails_stops_and_says_so():
    lost = YS.copy()
    lost[6:] = np.inf
    frames = recorded(SYSTEM, TS, {"model": lost}, 20)
    assert frames[0][2] == ""
    _, bodies, note = frames[-1]
    assert note == "no longer finite"
    assert np.isfinite(bodies).all()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("motions", "keywords", "message"),
    [
        (YS[:, :3], {}, "`motions` '' has shape"),
        ({}, {}, "`motions` is empty"),
        (YS * np.nan, {}, "`motions` begin with states"),
        (YS, {"path": "motion.avi"}, "`path` ends in '.avi'"),
    ],
    ids=["shape", "empty", "nan", "suffix"],
)
def test_bad_arguments_are_named(motions, keywords, message):
    with pytest.raises(ValueError, match=message):
        analysis.animate(SYSTEM, TS, motions, **keywords)


@pytest.mark.parametrize("name", slow_but(SYSTEMS, "NLinkPendulum", "NBody", "CartPole"))
def test_every_system_can_be_animated(name):
    """Two frames, whose bodies are where the drawing puts them."""
    system = SYSTEMS[name]()
    y0 = system.sample_states(jax.random.key(0), 1)[0]
    ys = np.stack([y0, y0 * 1.5 + 0.1])
    frames = recorded(system, [0.0, 0.1], ys, 15)
    for (_, bodies, _), share in zip(frames, (0, 1 / 1.5), strict=True):
        y = ys[0] + share * (ys[1] - ys[0])
        np.testing.assert_allclose(bodies, system.drawing(jnp.asarray(y[: system.dof])).bodies, rtol=1e-4, atol=1e-4)
