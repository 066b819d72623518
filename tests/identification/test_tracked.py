"""Points tracked in a video: angles about the centre of their circle, or about a joint."""

import json
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import neural_lagrangian as nl
from neural_lagrangian.command_line.program import main
from neural_lagrangian.identification import NoAnswerError, UsageError, compared, identify, inspect, predicted
from neural_lagrangian.identification.recordings import Columns
from neural_lagrangian.identification.recordings.circles import circle_through, usual

from .recordings import write_rows

pytestmark = pytest.mark.double

WEIGHT, DAMPING = 15.0, 0.05
"""g / l of the pendulum in 1/s^2, and its friction in 1/s."""
RADIUS, NOISE = 200.0, 0.7
"""Length of the pendulum and noise of the tracking, in pixels."""
TRACKED = {"theta": ["x", "y"]}
CHAIN = {"theta1": ["x1", "y1"], "theta2": ["x1", "y1", "x2", "y2"]}
LINK_1, LINK_2, MASS_1, MASS_2, GRAVITY = 0.3, 0.2, 1.0, 0.6, 9.81
ERRORS_ALLOWED = 3.0
"""In standard errors."""


def integrated(slope, y0, t):
    return solve_ivp(slope, (t[0], t[-1]), y0, t_eval=t, method="DOP853", rtol=1e-11, atol=1e-11).y.T


def swing(t, start=1.0):
    """The angle of a pendulum, from straight down."""
    return integrated(lambda _, y: [y[1], -WEIGHT * np.sin(y[0]) - DAMPING * y[1]], [start, 0.0], t)[:, 0]


def double_swing(t, start=(1.2, 0.6)):
    """The angles of a double pendulum of point masses, both from straight down."""

    def slope(_, y):
        a, b, u, v = y
        coupling = MASS_2 * LINK_1 * LINK_2 * np.cos(a - b)
        M = np.array([[(MASS_1 + MASS_2) * LINK_1**2, coupling], [coupling, MASS_2 * LINK_2**2]])
        turning = MASS_2 * LINK_1 * LINK_2 * np.sin(a - b)
        forces = [
            -turning * v**2 - (MASS_1 + MASS_2) * GRAVITY * LINK_1 * np.sin(a),
            turning * u**2 - MASS_2 * GRAVITY * LINK_2 * np.sin(b),
        ]
        return [u, v, *np.linalg.solve(M, forces)]

    return integrated(slope, [*start, 0.0, 0.0], t)[:, :2]


def ends(angles, lengths):
    """The ends of the links of a chain that hangs from the origin, y upwards, shape `(time, 2 link)`."""
    links = [(length * np.sin(q), -length * np.cos(q)) for q, length in zip(angles.T, lengths, strict=True)]
    return np.cumsum(np.array(links), axis=0).transpose(2, 0, 1).reshape(len(angles), -1)


def pixels(points, scale=1.0, noise=NOISE, seed=0):
    """Points as a camera sees them: y downwards, from a corner of the image."""
    signs = scale * np.tile([1.0, -1.0], points.shape[1] // 2)
    shifts = np.tile([320.0, 100.0], points.shape[1] // 2)
    return shifts + signs * points + noise * np.random.default_rng(seed).normal(size=points.shape)


def written(path, t, points, header="t,x,y"):
    return write_rows(path, header, np.column_stack([t, points]).tolist())


def angles_of(path, tracked=TRACKED, **options):
    motion = inspect(path, tracked=tracked, **options).recording.recorded
    return motion.ys[0, :, : motion.dof]


T = np.arange(600) / 60
ANGLE = swing(T)
POINTS = ends(ANGLE[:, None], [RADIUS])


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A fit of a file as the program Tracker writes it."""
    place = tmp_path_factory.mktemp("tracked")
    rows = "\n".join(f"{t:.5f}\t{x:.2f}\t{y:.2f}" for t, (x, y) in zip(T, pixels(POINTS), strict=True))
    (place / "bob.txt").write_text(f"mass_A\nt\tx\ty\n{rows}\n")
    metres = ends(swing(T[:400], 0.8)[:, None], [GRAVITY / WEIGHT])
    written(place / "metres.csv", T[:400], metres, "t,x (m),y (m)")
    assert main(["fit", str(place / "bob.txt"), "--tracked", "theta=x,y", "--output", str(place / "fit")]) == 0
    return place


def test_a_pendulum_is_found_in_pixels(video):
    found = nl.load_model(video / "fit")
    q, v = jnp.array([0.5]), jnp.array([-2.0])
    expected = -WEIGHT * np.sin(0.5) + DAMPING * 2
    assert float(found.acceleration(0.0, q, v)[0]) == pytest.approx(expected, rel=5e-3)
    report = (video / "fit" / "report.html").read_text()
    assert "angle of x, y about the centre (3" in report
    assert "theta (angle of x, y)" in report


def test_the_constants_are_within_their_errors(tmp_path):
    path = written(tmp_path / "up.csv", T, pixels(POINTS, noise=NOISE, seed=1) * [1, -1], "t,x (px),y (px)")
    found = identify(path, tracked=TRACKED)
    assert "tracked={'theta': ['x', 'y']}" in found.outcome.settings["command"]
    known = {one.name: one for one in found.outcome.formula.constants}
    for name, value in {"g_1": WEIGHT, "linear friction at joint 1": DAMPING}.items():
        assert abs(known[name].value - value) < ERRORS_ALLOWED * known[name].error
        assert known[name].error < 0.05 * value


def test_a_folder_is_used_as_any_other(video, monkeypatch, capsys):
    """Another recording in metres, with y upwards, is compared with the model from pixels."""
    monkeypatch.chdir(video)
    columns = inspect("fit").columns
    assert columns.tracked == {"theta": ("x", "y")}
    assert columns.angles == columns.coordinates == ("theta",)
    facts = dict(compared(["fit", "metres.csv"]).facts)
    assert "larger y" not in facts["tracked"]
    assert "stays below 10% of the spread for at least" in facts["verdict"]
    motion, _ = predicted("fit", [1.0, 0.0], until=2.0, step=1 / 60)
    np.testing.assert_allclose(motion.ys[0, :, 0], ANGLE[:121], atol=0.01)
    assert main(["rollout", "fit", "--start", "1", "0", "--until", "0.2", "--step", "0.1"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "t,theta,theta_dot"
    assert main(["info", "bob.txt", "--tracked", "theta=x,y"]) == 0
    assert "zero is towards larger y" in capsys.readouterr().out


@pytest.mark.slow
def test_a_fit_is_resumed(video):
    again = identify(video / "bob.txt", tracked=TRACKED, folder=video / "fit", resume=True)
    assert again.outcome.settings["columns"]["tracked"] == {"theta": ("x", "y")}


@pytest.mark.slow
def test_a_double_pendulum_is_found_in_pixels(tmp_path):
    t = np.arange(1500) / 100
    points = pixels(ends(double_swing(t), [LINK_1, LINK_2]), scale=600.0)
    found = identify(written(tmp_path / "chain.csv", t, points, "t,x1,y1,x2,y2"), tracked=CHAIN)
    known = {one.name: one for one in found.outcome.formula.constants}
    inertia = (MASS_1 + MASS_2) * LINK_1**2
    expected = {
        "I_12": MASS_2 * LINK_1 * LINK_2 / inertia,
        "I_22": MASS_2 * LINK_2**2 / inertia,
        "g_1": GRAVITY / LINK_1,
        "g_2": MASS_2 * GRAVITY * LINK_2 / inertia,
    }
    for name, value in expected.items():
        assert abs(known[name].value - value) < ERRORS_ALLOWED * known[name].error
        assert known[name].error < 0.01 * value


# The geometry


@pytest.mark.parametrize("arc", [0.5, 1.5, 6.3])
def test_the_circle_of_an_arc_is_found_within_its_error(arc):
    """The errors are those of many noisy arcs, which have no bias either."""
    apart = []
    for seed in range(100):
        turned = arc * np.linspace(-0.5, 0.5, 120)
        points = np.column_stack([7 + 2 * np.sin(turned), 3 - 2 * np.cos(turned)])
        circle = circle_through(points + 0.01 * np.random.default_rng(seed).normal(size=points.shape))
        apart.append((circle.radius - 2) / circle.error)
        assert circle.misfit == pytest.approx(0.01, rel=0.25)
        np.testing.assert_allclose(circle.centre, [7, 3], atol=5 * circle.error)
    assert np.std(apart) == pytest.approx(1.0, abs=0.2)
    assert abs(np.mean(apart)) < 0.3


def test_the_circle_is_that_of_least_distances():
    """Not that of least differences of squares, which noise makes too small."""
    rng, turned = np.random.default_rng(0), np.linspace(-0.6, 0.6, 4000)
    points = np.column_stack([np.sin(turned), np.cos(turned)]) + 0.05 * rng.normal(size=(4000, 2))
    circle = circle_through(points)

    def squares(centre, radius):
        return np.sum((np.linalg.norm(points - centre, axis=1) - radius) ** 2)

    least = squares(circle.centre, circle.radius)
    for step in 1e-4 * np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1], [0, 1, -1]]):
        for sign in (1, -1):
            assert squares(circle.centre + sign * step[:2], circle.radius + sign * step[2]) > least


@pytest.mark.parametrize("arc", [0.5, 6.3])
def test_frames_in_which_another_thing_was_tracked_do_not_count(arc):
    turned, rng = arc * np.linspace(-0.5, 0.5, 500), np.random.default_rng(0)
    points = np.column_stack([7 + 2 * np.sin(turned), 3 - 2 * np.cos(turned)]) + 0.01 * rng.normal(size=(500, 2))
    sound, lost = circle_through(points[::10]), points.copy()
    lost[5::50] = [30.0, 20.0]
    circle = circle_through(lost)
    assert (sound.outliers, circle.outliers) == (0, 10)
    assert abs(circle.radius - 2) < 4 * circle.error < 4 * sound.error


@pytest.mark.parametrize(("count", "left"), [(0, 200), (9, 191), (11, 200)])
def test_more_than_one_in_twenty_are_no_outliers(count, left):
    errors = np.sin(np.arange(200.0))
    errors[:count] = 100.0
    assert usual(errors).sum() == left


def test_lost_frames_do_not_spoil_the_angle(tmp_path):
    points = pixels(ends(double_swing(T), [LINK_1, LINK_2]), scale=600.0)
    points[100:110, 2:] = [20.0, 30.0]
    found = inspect(written(tmp_path / "a.csv", T, points, "t,x1,y1,x2,y2"), tracked=CHAIN)
    apart = np.delete(found.recording.recorded.ys[0, :, :2] - double_swing(T), np.s_[100:110], axis=0)
    assert (np.std(apart, axis=0) < 0.01).all()
    assert ", without 10 points far away" in found.recording.tracked[1]


def test_the_angle_is_that_of_the_pendulum(tmp_path):
    found = angles_of(written(tmp_path / "a.csv", T, pixels(POINTS)))[:, 0]
    assert np.std(found - ANGLE) == pytest.approx(NOISE / RADIUS, rel=0.1)
    assert abs(np.mean(found - ANGLE)) < 0.002


@pytest.mark.parametrize("change", ["unit", "upwards", "shifted", "mirrored", "turning"])
def test_the_angle_does_not_depend_on_the_image(tmp_path, change):
    angle = ANGLE if change != "turning" else 5 * T + np.sin(3 * T)
    points = pixels(ends(angle[:, None], [RADIUS]), noise=0.0)
    changed = {
        "unit": points * 1000,
        "upwards": points * [1, -1],
        "shifted": points + np.array([1e5, -3e4]),
        "mirrored": points * [-1, 1],
        "turning": points,
    }[change]
    found = angles_of(written(tmp_path / "a.csv", T, changed))[:, 0]
    expected = -angle if change == "mirrored" else angle
    if change == "turning" and found[0] > 3:  # it is slower at the top than at the bottom
        expected = np.pi - angle
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_zero_is_on_the_side_where_the_points_are(tmp_path):
    """An inverted pendulum is measured from straight up, and all links from one side."""
    upright = 0.4 * np.sin(3 * T)
    points = pixels(ends(upright[:, None], [-RADIUS]), noise=0.0)
    found = angles_of(written(tmp_path / "a.csv", T, points))
    np.testing.assert_allclose(found[:, 0], -upright, atol=1e-6)
    folded = np.column_stack([0.3 * np.sin(2 * T), np.pi + 1.2 * np.sin(3 * T)])  # the second link points upwards
    points = pixels(ends(folded, [200.0, 150.0]), noise=0.0)
    found = angles_of(written(tmp_path / "b.csv", T, points, "t,x1,y1,x2,y2"), CHAIN)
    np.testing.assert_allclose(np.exp(1j * found), np.exp(1j * folded), atol=1e-6)
    assert np.abs(np.diff(found, axis=0)).max() < 0.2


@pytest.mark.parametrize("unit", ["", " (px)", " (cm)"])
def test_a_cart_and_the_tip_of_its_pendulum(tmp_path, unit):
    """The joint is a coordinate too: in metres, while the angle needs no unit."""
    cart, angle = 5 * np.sin(2 * T), 0.7 * np.cos(4 * T)
    points = np.column_stack([cart, 0 * T + 2, cart + 30 * np.sin(angle), 2 - 30 * np.cos(angle)])
    names = [f"{name}{unit}" for name in ("cart", "rail", "px", "py")]
    path = written(tmp_path / "cart.csv", T, points, ",".join(["t", *names]))
    tracked = {"theta": ["cart", "rail", "px", "py"]}
    for order in (["cart"], ["cart", "theta"], ["theta", "cart"]):
        found = inspect(path, coordinates=order, tracked=tracked)
        motion = found.recording.recorded
        q, v = np.split(motion.ys[0], 2, axis=1)
        k = found.columns.coordinates.index("theta")
        assert found.columns.dof == 2
        assert found.columns.periodic == (k,)
        size = 0.01 if unit == " (cm)" else 1.0
        np.testing.assert_allclose(q[:, k], angle, atol=1e-9)
        np.testing.assert_allclose(q[:, 1 - k], size * cart, atol=1e-9)
        np.testing.assert_allclose(v[5:-5, k], -2.8 * np.sin(4 * T)[5:-5], atol=0.02)
        assert found.refusals == ()
        assert "theta (angle of the line cart" in found.roles
        assert "ignored" not in found.roles


def test_rows_of_lost_points_and_other_roles(tmp_path):
    """Trajectories, parameters and sensors are those of the rows in which the points were found."""
    one = np.column_stack([T, POINTS, 2 * np.gradient(ANGLE, T)]).tolist()
    rows = [[run, t, x, y, 0.4 + run, rate] for run in (0, 1) for t, x, y, rate in one]
    rows[7][2:4] = ["", ""]
    path = write_rows(tmp_path / "runs.csv", "run,t,x,y,mass,gyro (rad/s)", rows)
    options = {"tracked": TRACKED, "trajectory": "run"}
    many = inspect(path, parameters=["mass"], **options).recording.recorded
    assert many.lengths.tolist() == [599, 600]
    assert many.parameters["mass"].tolist() == [0.4, 1.4]
    seen = inspect(path, observations={"gyro": "velocity:theta"}, **options).recording.recorded
    rate = seen.ys[0, :599, 1]
    np.testing.assert_allclose(seen.observations["gyro"][0, 10:589, 0], 2 * rate[10:-10], atol=0.1)


# What is refused


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.column_stack([np.sin(2 * T), np.sin(3.1 * T)]), "x, y do not lie on a circle"),
        (pixels(ends(0.05 * np.sin(4 * T)[:, None], [RADIUS])), "the arc of x, y is too short .* name 'x' alone"),
        (np.column_stack([0 * T, np.sin(4 * T)]), "the arc of x, y is too short .* name 'y' alone"),
        (np.ones((600, 2)), "the arc of x, y is too short"),
    ],
)
def test_points_that_are_not_on_an_arc_are_refused(tmp_path, points, message):
    with pytest.raises(NoAnswerError, match=message):
        inspect(written(tmp_path / "a.csv", T, points), tracked=TRACKED)


@pytest.mark.bad_input
def test_points_that_are_not_linked_are_refused(tmp_path):
    loose = np.column_stack([POINTS, POINTS * (2 + 0.4 * np.sin(T))[:, None]])
    with pytest.raises(NoAnswerError, match=r"the distance between x1, y1 and x2, y2 is .* no rigid link"):
        inspect(written(tmp_path / "a.csv", T, loose, "t,x1,y1,x2,y2"), tracked=CHAIN)
    lost = np.column_stack([POINTS, 2 * POINTS])
    lost[[3, 5], 2:] = lost[[3, 5], :2]
    with pytest.raises(NoAnswerError, match="are the same point in 2 rows"):
        inspect(written(tmp_path / "b.csv", T, lost, "t,x1,y1,x2,y2"), tracked=CHAIN)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"tracked": {"theta": ["x"]}}, UsageError, "has the columns x for 'theta'; expected x and y"),
        ({"tracked": {"theta": ["x", "y", "z"]}}, UsageError, "has the columns x, y, z for 'theta'"),
        ({"tracked": {"theta": ["x", "x"]}}, UsageError, "has the columns x, x for 'theta'"),
        ({"tracked": {"theta": "xy"}}, ValueError, "expected the columns of the points of each angle"),
        ({"tracked": ["x", "y"]}, ValueError, "expected the columns of the points of each angle"),
        ({"tracked": {"z": ["x", "y"]}}, UsageError, "`tracked` names 'z', but .* has a column of this name"),
        ({"tracked": {"theta": ["t", "y"]}}, UsageError, "column 't' is named 2 times"),
        ({"tracked": TRACKED, "velocities": ["z"]}, UsageError, "leave out `velocities`"),
        ({"tracked": TRACKED, "dof": 2}, UsageError, "`dof` is 2, but the coordinates are theta; name the others"),
        (
            {"tracked": TRACKED, "coordinates": ["z"], "dof": 1},
            UsageError,
            "`dof` is 1, but the coordinates are z, theta",
        ),
        ({"tracked": TRACKED, "units": {"x": "px"}}, UsageError, "x in px, y in no known unit; expected one unit"),
        ({"tracked": {"theta": ["x", "w"]}}, nl.trajectories.DataFileError, "'w': is absent"),
    ],
)
def test_declarations_that_do_not_fit_are_refused(tmp_path, options, error, message):
    path = written(tmp_path / "a.csv", T, np.column_stack([pixels(POINTS), T]), "t,x,y,z")
    with pytest.raises(error, match=message):
        inspect(path, **options)
    assert inspect(path, tracked=TRACKED, units={"x": "px", "y": "px"}).columns.units == {"x": "px", "y": "px"}


@pytest.mark.bad_input
def test_trajectories_in_memory_have_no_points():
    motion = nl.Trajectories(T, np.column_stack([POINTS, 0 * POINTS]))
    with pytest.raises(UsageError, match=r"`tracked` is .*; leave it out"):
        inspect(motion, tracked=TRACKED)


# Coordinates on a circle that are not declared


def said_of(path, **options):
    return [str(line) for line in inspect(path, **options).refusals]


@pytest.mark.bad_input
@pytest.mark.parametrize("start", [0.3, 1.0, 2.5])
def test_coordinates_on_a_circle_are_refused(tmp_path, monkeypatch, capsys, start):
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path / "bob.csv", T, pixels(ends(swing(T, start)[:, None], [RADIUS])))
    (line,) = said_of(path, coordinates=["x", "y"])
    assert "x, y lie on a circle" in line
    assert "(tracked={'theta': ['x', 'y']})" in line
    assert line in map(str, inspect(path, dof=2).remarks)
    with pytest.raises(NoAnswerError, match="x, y lie on a circle"):
        identify(path, dof=2)
    assert said_of(path, coordinates=["x", "y"], tracked={}) == []
    assert said_of(path, tracked=TRACKED) == []
    assert main(["fit", "bob.csv", "--dof", "2"]) == 1
    advice = "declare the angle (--tracked theta=x,y), or that both are independent (an empty --tracked)"
    assert advice in capsys.readouterr().err


@pytest.mark.bad_input
@pytest.mark.parametrize("order", [["x1", "y1", "x2", "y2"], ["x1", "x2", "y1", "y2"], ["x2", "y2", "x1", "y1"]])
def test_links_are_refused_too(tmp_path, order):
    points = pixels(ends(double_swing(T), [LINK_1, LINK_2]), scale=600.0)
    path = written(tmp_path / "chain.csv", T, np.column_stack([points, np.sin(T)]), "t,x1,y1,x2,y2,z")
    (line,) = inspect(path, coordinates=[*order, "z"]).refusals
    assert line.options == {"coordinates": ["z"], "tracked": CHAIN}


@pytest.mark.bad_input
def test_motion_in_memory_on_a_circle_is_refused():
    motion = nl.Trajectories(T, np.column_stack([POINTS, 0 * POINTS]), names=["x", "y"])
    (line,) = said_of(motion, velocities=[])
    assert "use the angle as the coordinate" in line
    assert said_of(motion, velocities=[], tracked={}) == []


def kepler(eccentricity):
    start = [1 - eccentricity, 0.0, 0.0, np.sqrt((1 + eccentricity) / (1 - eccentricity))]
    return integrated(lambda _, y: [*y[2:], *(-y[:2] / np.hypot(*y[:2]) ** 3)], start, 4 * T)[:, :2]


def spring_pendulum():
    """A bob on a spring, whose length varies by a tenth."""
    turned, length = swing(T), 1 + 0.1 * np.sin(9 * T)
    return np.column_stack([length * np.sin(turned), -length * np.cos(turned)])


@pytest.mark.parametrize(
    "points",
    [
        pixels(RADIUS * np.column_stack([np.cos(2 * T), np.sin(2 * T)])),
        np.column_stack([np.sin(2 * T), np.sin(3.1 * T)]),
        np.column_stack([np.sin(2 * T), 0.05 * np.sin(3.1 * T)]),
        np.column_stack([np.sin(2 * T), 0.03 * np.sin(7.3 * T + 1)]),
        np.column_stack([np.sin(2 * T), 2 * np.sin(2 * T)]) + 0.003 * np.random.default_rng(0).normal(size=(600, 2)),
        np.column_stack([np.sin(2 * T), 0.95 * np.cos(2 * T)]),
        kepler(0.1),
        kepler(0.3),
        kepler(0.4),
        spring_pendulum(),
    ],
    ids=["circular orbit", "springs", "weak", "faint", "line", "ellipse", "orbit", "planet", "comet", "spring"],
)
def test_independent_coordinates_are_not_refused(tmp_path, points):
    path = written(tmp_path / "a.csv", T, points)
    assert not any("circle" in line for line in said_of(path, coordinates=["x", "y"]))


# Settings


def test_tracked_coordinates_survive_json():
    points = {"theta1": ("x1", "y1"), "theta2": ("x1", "y1", "x2", "y2")}
    columns = Columns("t", ("z", *points), (), None, {"x1": "px"}, tuple(points), tracked=points)
    read = json.loads(json.dumps(columns.settings))
    assert Columns.of(read) == columns
    assert columns.positions == ("z", "x1", "y1", "x2", "y2")
    assert columns.converted_units == {}
    del read["tracked"]
    assert Columns.of(read) == replace(columns, tracked=None)
    with pytest.raises(ValueError, match="expected coordinates"):
        Columns.of(read | {"tracked": {"phi": ["x", "y"]}})
