"""Settings of a plane in words."""

from __future__ import annotations

import onnx_ood
from onnx_ood.reports.plane.facts import plane_facts, plane_notes


def test_facts_are_those_of_the_result(result: onnx_ood.PlaneResult) -> None:
    facts = dict(plane_facts(result))
    grid = result.grid
    assert facts["model"] == result.model.path
    assert facts["grid"].startswith(f"{grid.columns} by {grid.rows} points")
    width, _, height, *_ = facts["window"].split()
    assert abs(float(width) / ((grid.columns - 1) * grid.step) - 1) < 0.01
    assert abs(float(height) / ((grid.rows - 1) * grid.step) - 1) < 0.01
    assert facts["units that switch"] == f"{result.probe.switching} of 12"
    assert facts["Jacobian norm"].startswith("of softmax of 'y', 2 directions")
    assert dict(plane_facts(result.model_copy(update={"jacobian": None})))["Jacobian norm"] == ""


def test_the_note_of_the_norms_comes_last(result: onnx_ood.PlaneResult) -> None:
    assert result.jacobian is not None
    noted = result.model_copy(
        update={"notes": ("first",), "jacobian": result.jacobian.model_copy(update={"note": "last"})}
    )
    assert plane_notes(noted) == ["first", "last"]
    assert plane_notes(noted.model_copy(update={"jacobian": None})) == ["first"]
