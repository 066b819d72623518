"""Runs of many systems: what a parameter is, who is held out, and what a network gets."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neural_lagrangian as nl
from neural_lagrangian.identification import NoAnswerError, UsageError, identify, inspect, learning
from neural_lagrangian.identification.architecture import Architecture
from neural_lagrangian.identification.judging import rollout_errors
from neural_lagrangian.identification.preparation import prepared
from neural_lagrangian.identification.recordings.columns import Columns
from neural_lagrangian.identification.recordings.measure import Measure
from neural_lagrangian.identification.recordings.pieces import Parts, by_system, dealt_by_system
from neural_lagrangian.identification.recordings.starts import Starts, starts_of
from neural_lagrangian.identification.recordings.varied import Varied, beyond, read_varied, values_of
from neural_lagrangian.networks import with_parameters
from neural_lagrangian.trajectories import Trajectories

from .recordings import write_rows

pytestmark = pytest.mark.double
TS = 0.02 * np.arange(100)
STIFFNESS = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0])


def springs(stiffness=STIFFNESS, **options):
    """Motions x = cos(w t), w^2 = stiffness, exactly."""
    w = np.sqrt(np.asarray(stiffness, float))[:, None]
    ys = np.stack([np.cos(w * TS), -w * np.sin(w * TS)], axis=-1)
    return Trajectories(TS, ys, parameters={"k": stiffness} | options, names=["x"])


def task_of(motion, **options):
    return prepared(inspect(motion, **options), structure="mechanical", friction=False, steps=10)


def values(part):
    return set(np.unique(part.parameters["k"]).tolist())


class TestPieces:
    def test_whole_systems_between_the_trained_ones_are_held_out(self):
        parts = task_of(springs()).parts
        train, validation, held_out = map(values, parts)
        assert (len(train), len(validation), len(held_out)) == (7, 1, 2)
        assert not train & validation
        assert not train & held_out
        assert not validation & held_out
        assert {1.0, 10.0} <= train
        assert train | validation | held_out == set(STIFFNESS)
        assert str(parts).endswith("2 held out; their values of k are not in the training set: 4; 9")

    def test_several_runs_of_a_system_stay_together(self):
        parts = task_of(springs(np.repeat(STIFFNESS[:5], 3))).parts
        assert [len(part) for part in parts] == [9, 3, 3]
        assert not values(parts.train) & values(parts.held_out)

    def test_the_order_of_the_runs_does_not_matter(self):
        order = np.random.default_rng(0).permutation(10)
        one, other = task_of(springs()), task_of(springs(STIFFNESS[order]))
        for a, b in zip(one.parts, other.parts, strict=True):
            np.testing.assert_array_equal(a.ys, b.ys)
            np.testing.assert_array_equal(a.parameters["k"], b.parameters["k"])
        assert one.architecture == other.architecture

    def test_of_few_systems_each_is_in_every_role_that_it_can_have(self):
        parts = task_of(springs(np.repeat([3.0, 5.0], 5))).parts
        assert values(parts.train) == {3.0, 5.0}
        assert [len(part) for part in parts] == [7, 1, 2]
        assert "their values of k are in the training set too, so values between them are not tested" in str(parts)

    def test_each_of_several_parameters_has_its_ends_in_the_training_set(self):
        rng = np.random.default_rng(1)
        masses, k = rng.uniform(1.0, 2.0, 12), rng.uniform(1.0, 2.0, 12)
        parts = task_of(springs(k, mass=masses)).parts
        for name in ("k", "mass"):
            every = np.concatenate([part.parameters[name] for part in parts])
            assert parts.train.parameters[name].min() == every.min()
            assert parts.train.parameters[name].max() == every.max()
        assert "not in the training set" in str(parts)

    @pytest.mark.bad_input
    def test_too_few_pieces_are_refused(self):
        pieces = by_system(springs([1.0, 2.0, 3.0, 4.0]))
        with pytest.raises(NoAnswerError, match=r"a\.csv: 4 pieces of 4 systems are too few"):
            dealt_by_system("a.csv", pieces)


class TestColumns:
    def write(self, path, heading="k", factor=1.0):
        motion = springs(STIFFNESS)
        rows = [
            [i, t, factor * k, *y]
            for i, (k, (ts, ys)) in enumerate(zip(STIFFNESS, motion, strict=True))
            for t, y in zip(ts, ys.tolist(), strict=True)
        ]
        return write_rows(path, f"run,t,{heading},x,v", rows)

    def test_a_column_of_a_file_is_a_parameter_and_no_coordinate(self, tmp_path):
        path = self.write(tmp_path / "a.csv")
        found = inspect(path, dof=1, trajectory="run", parameters=["k"])
        assert (found.columns.coordinates, found.columns.velocities) == (("x",), ("v",))
        assert "parameters k" in found.roles
        assert "ignored" not in found.roles
        assert ("parameters", "k: 10 values from 1 to 10") in found.facts()
        assert found.remarks == ()
        np.testing.assert_array_equal(found.trajectories.parameters["k"], STIFFNESS)
        in_memory = inspect(springs())
        np.testing.assert_allclose(in_memory.trajectories.ys, found.trajectories.ys, rtol=1e-12)
        assert in_memory.columns.parameters == ("k",)

    def test_who_does_not_declare_it_is_told_how(self, tmp_path):
        path = self.write(tmp_path / "a.csv")
        (remark,) = inspect(path, coordinates=["x"], velocities=["v"], trajectory="run").remarks
        assert "k: constant in each trajectory, and from 1 to 10 over all" in str(remark)
        assert remark.options == {"parameters": ["k"]}

    @pytest.mark.parametrize(("heading", "name", "unit"), [("k (cm)", "k", "cm"), ("k (N/m)", "k (N/m)", None)])
    def test_units_are_kept_and_values_are_not_converted(self, heading, name, unit, tmp_path):
        path = self.write(tmp_path / "a.csv", heading)
        found = inspect(path, dof=1, trajectory="run", parameters=["k"])
        assert found.columns.parameters == (name,)
        assert found.columns.units.get(name) == unit
        np.testing.assert_array_equal(found.trajectories.parameters[name], STIFFNESS)
        (one,) = task_of(path, dof=1, trajectory="run", parameters=["k"]).architecture.parameters
        assert (one.least, one.most, one.unit) == (1.0, 10.0, unit or "")
        assert values_of({"k": 2.0}, [one], "fit") == {name: 2.0}

    def test_columns_are_read_back_from_their_settings(self, tmp_path):
        path = self.write(tmp_path / "a.csv", "k (cm)")
        columns = inspect(path, dof=1, trajectory="run", parameters=["k"]).columns
        assert Columns.of(columns.settings) == columns
        earlier = {name: value for name, value in columns.settings.items() if name != "parameters"}
        assert Columns.of(earlier) == replace(columns, parameters=())

    def test_parameters_stay_where_velocities_are_estimated_moved_or_cut_at_gaps(self):
        motion = springs()
        late = np.stack([np.interp(TS - 0.05, TS, y[:, 1]) for _, y in motion])
        noisy = motion.ys + 1e-3 * np.random.default_rng(0).normal(size=motion.ys.shape)
        cases = {
            "estimated": inspect(motion, velocities=[]),
            "late": inspect(replace(motion, ys=np.stack([motion.ys[..., 0], late], axis=-1))),
            "noisy": inspect(replace(motion, ys=noisy)),
        }
        assert cases["late"].recording.lag.seconds.any()
        assert cases["noisy"].recording.window is not None
        for found in cases.values():
            np.testing.assert_array_equal(found.trajectories.parameters["k"], STIFFNESS)
            np.testing.assert_array_equal(found.recording.observed.parameters["k"], STIFFNESS)
        gap = replace(motion, ts=motion.ts + 5.0 * (TS >= 1.0), gap=None)
        np.testing.assert_array_equal(inspect(gap).trajectories.parameters["k"], np.repeat(STIFFNESS, 2))

    @pytest.mark.bad_input
    def test_what_is_no_parameter_is_refused(self, tmp_path):
        path, named = self.write(tmp_path / "a.csv"), {"dof": 1, "trajectory": "run"}
        for wrong, message in (
            ({"parameters": ["payload"]}, "column 'payload': is absent; the file has 'run'"),
            ({"parameters": ["x"]}, "column 'x'.*changes in trajectory 0"),
            ({"parameters": "k"}, r"`parameters` is 'k'; expected a list of names, such as \['k'\]"),
            ({"parameters": ["k", "k"]}, "column 'k' is named 2 times"),
        ):
            with pytest.raises(ValueError, match=message):
                inspect(path, **named | wrong)
        rows = [[i, t, 0.5, *y] for i, (ts, ys) in enumerate(springs()) for t, y in zip(ts, ys.tolist(), strict=True)]
        alike = write_rows(tmp_path / "b.csv", "run,t,k,x,v", rows)
        with pytest.raises(NoAnswerError, match=r"the parameter 'k' is 0\.5 in all trajectories; expected values that"):
            identify(alike, **named, parameters=["k"])
        rows[7][2] = 0.6
        changing = write_rows(tmp_path / "c.csv", "run,t,k,x,v", rows)
        with pytest.raises(
            nl.trajectories.DataFileError, match=r"'k': .*but changes in trajectory 0, from 0\.5 to 0\.6"
        ):
            identify(changing, **named, parameters=["k"])

    @pytest.mark.bad_input
    def test_parameters_in_memory_that_are_not_used_are_refused(self, tmp_path):
        motion = springs(mass=STIFFNESS + 1.0, alike=np.ones(10), load=np.ones((10, 2)) * STIFFNESS[:, None])
        plain = springs(mass=STIFFNESS + 1.0, alike=np.ones(10))
        assert inspect(plain).columns.parameters == ("k", "mass")  # one value for all changes nothing
        with pytest.raises(UsageError, match=r"the parameter 'load' of the Trajectories has shape \(10, 2\)"):
            inspect(motion)
        with pytest.raises(UsageError, match="'mass' of the Trajectories differs between runs, but `parameters` does"):
            inspect(plain, parameters=["k"])
        with pytest.raises(UsageError, match=r"`parameters` names 'length'; expected parameters of the .*'k', 'mass'"):
            inspect(plain, parameters=["length"])
        family = nl.identification.Family("spring", lambda c, q, v: v @ v / 2 - c["k"] * q @ q, {"k": 1.0})
        with pytest.raises(UsageError, match="`candidates` are given, but k and mass differ between the runs"):
            identify(plain, candidates=[family], steps=1, folder=tmp_path / "fit")
        assert not (tmp_path / "fit").exists()


class TestNetwork:
    length = Varied("length", "m", 0.4, 1.6)

    def model(self, structure="mechanical", factor=1.0):
        one = self.length._replace(least=0.4 * factor, most=1.6 * factor)
        architecture = Architecture(1, structure, True, (0,), width=8, parameters=(one,))
        return nl.models.with_precision(architecture.model(jax.random.key(0)), jnp.float64)

    @pytest.mark.parametrize("structure", ["mechanical", "free"])
    def test_no_answer_depends_on_the_unit_of_a_parameter(self, structure):
        y = jnp.array([0.3, -0.5])

        def rate(factor, length):
            return self.model(structure, factor).vector_field(0.0, y, {"length": factor * length})

        np.testing.assert_allclose(rate(100.0, 0.7), rate(1.0, 0.7), rtol=1e-6)
        assert np.abs(rate(1.0, 0.7) - rate(1.0, 0.9))[1] > 1e-4  # the parameter matters

    def test_the_ends_of_the_range_are_one_from_its_centre(self):
        """A large offset does not drown the differences: the inputs are those of the range."""
        near = Varied("length", "m", 0.0, 1.0)
        far = near._replace(least=100.0, most=101.0)
        y = jnp.array([0.3, -0.5], jnp.float32)
        models = [Architecture(1, "mechanical", False, (0,), 8, parameters=(one,)) for one in (near, far)]
        rates = [
            model.model(jax.random.key(0)).vector_field(0.0, y, {"length": one.least + 0.25})
            for model, one in zip(models, (near, far), strict=True)
        ]
        np.testing.assert_allclose(rates[0], rates[1], rtol=1e-5)

    def test_each_start_is_predicted_with_the_parameters_of_its_system(self):
        model, lengths = self.model(), np.array([0.5, 1.0, 1.5])
        ts = jnp.broadcast_to(jnp.linspace(0.0, 1.0, 6), (3, 6))
        ys = jnp.broadcast_to(jnp.array([0.8, 0.1]), (3, 6, 2))
        starts = Starts(ts, ys, {"length": jnp.asarray(lengths)})
        columns, measure = Columns("t", ("x",), (), None, {}, ()), Measure(np.ones(1), 1.0)
        found = rollout_errors({"network": model}, starts, columns, measure)[1]["network"]
        for k, length in enumerate(lengths):
            np.testing.assert_allclose(found[k], with_parameters(model, {"length": length})(ts[k], ys[k, 0]), atol=1e-6)
            np.testing.assert_allclose(found[k], starts.model_of(model, k)(ts[k], ys[k, 0]), atol=1e-6)
        assert np.abs(found[0] - found[1]).max() > 1e-4
        plain = starts.model_of(lambda ts, y0: ts)
        np.testing.assert_array_equal(plain(ts[0], None), ts[0])  # a model of one system stays

    @pytest.mark.bad_input
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({}, r"`parameters` lacks 'length'; fit was trained with length \[m\] from 0.4 to 1.6"),
            ({"mass": 1.0}, "`parameters` has 'mass', which is unknown; fit was trained with length"),
            ({"length": 1.0, "mass": 1.0}, "`parameters` has 'mass', which is unknown"),
            ({"length": np.nan}, "`parameters` has 'length' = nan; expected one finite number"),
            ({"length": [1.0, 2.0]}, r"`parameters` has 'length' = \[1.0, 2.0\]; expected one finite number"),
        ],
    )
    def test_values_that_do_not_fit_are_refused(self, given, message):
        with pytest.raises(UsageError, match=message):
            values_of(given, [self.length], "fit")

    def test_a_model_of_one_system_takes_none(self):
        with pytest.raises(
            UsageError, match="`parameters` are length, but fit was learned from one system; leave them"
        ):
            values_of({"length": 1.0}, [], "fit")

    def test_values_outside_of_the_trained_range_are_told(self):
        assert beyond({"length": 0.4}, [self.length]) == beyond({"length": np.array([1.6, 1.0])}, [self.length]) == []
        (text,) = beyond({"length": np.array([1.0, 1.7])}, [self.length])
        assert (
            text
            == "length = 1.7 m lies outside of the training data of the model: trained on length [m] from 0.4 to 1.6"
        )

    @pytest.mark.bad_input
    def test_damaged_settings_are_refused(self):
        columns = Columns("t", ("x",), (), None, {}, (), None, ("length",))
        stored = {"parameters": {"length": self.length.settings}}
        assert read_varied(stored, columns) == (self.length,)
        assert read_varied({}, replace(columns, parameters=())) == ()
        for damaged in ({}, {"length": {"unit": "m", "least": 1.0, "most": 1.0}}, stored["parameters"] | {"mass": {}}):
            with pytest.raises((ValueError, KeyError)):
                read_varied({"parameters": damaged}, columns)


@pytest.mark.optax
def test_without_the_parameter_the_same_motions_are_not_predicted(monkeypatch):
    """Springs of stiffness 4 and 9 are predicted by a network that has seen others, if it knows their stiffness."""
    monkeypatch.setattr(learning, "STAGE_HORIZONS", (1.0, 1.0))
    task = task_of(springs())
    plan = task.plan._replace(steps=(100,))

    def error(architecture, parts):
        model = architecture.model(jax.random.key(0))
        options = {"seed": 0, "callbacks": [], "checkpoints": None, "progress": False}
        trained = learning.train(model, parts, task.scaling, plan, **options).model
        model = nl.Scaled(nl.models.with_precision(trained, jnp.float64), task.scaling)
        starts, measure = starts_of(parts.held_out, plan.stride), Measure.of(parts.train, task.columns)
        errors, _ = rollout_errors({"network": model}, starts, task.columns, measure)
        return errors.median("network", 0, len(errors.times) - 1)

    known = error(task.architecture, task.parts)
    parts = Parts(*(replace(part, parameters=None) for part in task.parts))
    unknown = error(replace(task.architecture, parameters=()), parts)
    assert known < 0.2 * unknown
