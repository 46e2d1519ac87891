"""Results of planes: grids, and lines of points."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError
from stored_results import STORED

import onnx_ood

RESULT = json.loads((STORED / "plane.json").read_text())


@pytest.mark.parametrize("change", [{"rows": 7}, {"columns": 9}, {"rows": 0}, {"step": 0}])
def test_values_at_points_are_those_of_the_grid(change):
    assert onnx_ood.PlaneResult.model_validate(RESULT).grid.rows == len(RESULT["classes"]["answers"])
    with pytest.raises(ValidationError, match=r"grid|greater than"):
        onnx_ood.PlaneResult.model_validate({**RESULT, "grid": {**RESULT["grid"], **change}})


def test_lines_have_points_with_two_coordinates():
    line = {"index": 0, "x": [1.0, 2.0], "y": [1.0]}
    probe = {**RESULT["probe"], "lines": [line]}
    with pytest.raises(ValidationError, match="y has 1 entries for 2 values of x"):
        onnx_ood.PlaneResult.model_validate({**RESULT, "probe": probe})
