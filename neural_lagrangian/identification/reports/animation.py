"""The recorded and the predicted motion as a drawing that moves in a browser, without a program."""

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from ..evidence import Examination

FRAMES, WIDTH, MARGIN = 90, 320.0, 16.0
"""Number of frames at most; width of the drawing and of its margin, in pixels."""
SHORTEST, LONGEST = 2.0, 15.0
"""Seconds that the animation takes at least and at most; between them it shows real time."""
COLOURS = {"recorded": "#999", "predicted": "#1f5fbf"}


def animation(examination: Examination) -> tuple[Markup, str]:
    """An SVG drawing of the first held-out window, and a caption; both empty if no drawing of the family is known."""
    fit, bands = examination.candidate.fit, examination.bands
    assert fit is not None
    matrix = np.asarray(fit.family.matrix, np.float64)
    kept = np.unique(np.linspace(0, len(bands.ts[0]) - 1, FRAMES).astype(int))
    drawn = {
        name: fit.family.drawn(motion[0, kept] / bands.sizes @ matrix.T, fit.x)
        for name, motion in (("recorded", bands.recorded), ("predicted", bands.predicted))
    }
    points = {name: found for name, found in drawn.items() if found is not None}
    if not points:
        return Markup(), ""
    t = bands.ts[0, kept]
    length = float(t[-1] - t[0])
    seconds = float(np.clip(length, SHORTEST, LONGEST))
    pace = "in real time" if seconds == length else f"{length:.3g} s in {seconds:.3g} s"
    lengths = "" if fit.family.is_drawn_to_scale else "The motion does not tell the lengths, so all are drawn equal. "
    caption = (
        f"Held-out motion, {pace}: recorded (grey) and predicted (blue). {lengths}Click the drawing to see it again."
    )
    return Markup(svg((t - t[0]) / length, points, seconds)), caption  # it holds numbers only


def svg(
    when: Float[np.ndarray, " frame"], motions: dict[str, Float[np.ndarray, "frame point 2"]], seconds: float
) -> str:
    """Lines through points that move, x to the right and y up, in one scale.

    **Arguments:**

    - `when`: times of the frames, from zero to one.
    - `motions`: points by the name of the motion.
    - `seconds`: how long all takes.
    """
    every = np.concatenate([points.reshape(-1, 2) for points in motions.values()])
    low, high = every.min(axis=0), every.max(axis=0)
    scale = (WIDTH - 2 * MARGIN) / max(float((high - low).max()), 1e-300)
    height = max(2 * MARGIN + scale * float(high[1] - low[1]), 4 * MARGIN)
    times = ";".join(f"{x:.4f}" for x in when)
    lines = []
    for name, points in motions.items():
        x = MARGIN + scale * (points[..., 0] - low[0])
        y = height - MARGIN - scale * (points[..., 1] - low[1])
        frames = [" ".join(f"{a:.1f},{b:.1f}" for a, b in zip(*row, strict=True)) for row in zip(x, y, strict=True)]
        colour = COLOURS[name]
        lines += [
            f'<marker id="{name}" viewBox="-5 -5 10 10" markerWidth="5" markerHeight="5">'
            f'<circle r="4" fill="{colour}"/></marker>',
            f'<polyline fill="none" stroke="{colour}" stroke-width="3" marker-mid="url(#{name})" '
            f'marker-end="url(#{name})" points="{frames[0]}"><animate attributeName="points" '
            f'begin="0s;motion.click" dur="{seconds:.3f}s" keyTimes="{times}" values="{";".join(frames)}"/></polyline>',
        ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" id="motion" role="img" aria-label="drawing of the motion" '
        f'viewBox="0 0 {WIDTH:.0f} {height:.0f}" style="max-width: {WIDTH:.0f}px; width: 100%">{"".join(lines)}</svg>'
    )
