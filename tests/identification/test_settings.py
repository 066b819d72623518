"""Settings are JSON that every reader takes, whatever numbers they hold."""

import json
import math

import numpy as np
import pytest

from neural_lagrangian.identification.folders.settings_file import SETTINGS, settings_text, write_settings
from neural_lagrangian.identification.recordings.columns import Columns
from neural_lagrangian.identification.recordings.region import Region


def refuse(constant):
    raise ValueError(f"{constant} is no JSON")


@pytest.mark.parametrize("gap", [None, 0.5, math.inf])
def test_numbers_that_json_lacks_are_written_otherwise(tmp_path, gap):
    columns = Columns("t", ("x",), (), None, {}, (), gap)
    write_settings(tmp_path, {"columns": columns.settings, "judged": {"errors": [1.0, math.inf, math.nan]}})
    read = json.loads((tmp_path / SETTINGS).read_text(), parse_constant=refuse)
    assert Columns.of(read["columns"]) == columns
    assert read["judged"]["errors"] == [1.0, None, None]
    with pytest.raises(ValueError, match="Infinity is no JSON"):
        json.loads(json.dumps(math.inf), parse_constant=refuse)


def test_a_region_with_an_angle_is_written_for_the_report_as_for_the_folder(tmp_path):
    region = Region(np.array([math.nan, -1.0]), np.array([math.nan, 2.0]))
    write_settings(tmp_path, {"region": region.settings})
    assert (tmp_path / SETTINGS).read_text() == settings_text({"region": region.settings}) + "\n"
    assert json.loads(settings_text({"region": region.settings}), parse_constant=refuse) == {
        "region": {"least": [None, -1.0], "most": [None, 2.0]}
    }
    read = json.loads((tmp_path / SETTINGS).read_text())["region"]
    np.testing.assert_array_equal(Region(*(np.array(read[name], float) for name in Region._fields)), region)
