"""Settings are JSON that every reader takes, whatever numbers they hold."""

import json
import math

import pytest

from neural_lagrangian.identification.columns import Columns
from neural_lagrangian.identification.model_folder import SETTINGS, write_settings


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
