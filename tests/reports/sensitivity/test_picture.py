"""The picture of a sensitivity audit shows the numbers of its result."""

from __future__ import annotations

import re

from svg_parts import drawing, parts

import onnx_ood
from onnx_ood.reports.sensitivity.picture import sensitivity_picture


def test_norms_of_zero_and_no_trajectories_are_drawn_too(result: onnx_ood.SensitivityResult) -> None:
    flat = tuple(one.model_copy(update={"jacobian": 0.0}) for one in result.models[0].inputs)
    model = result.models[0].model_copy(update={"inputs": flat, "trajectories": (), "trajectory_types": ()})
    tree = drawing(sensitivity_picture(result.model_copy(update={"models": (model,)})))
    assert not parts(tree, "g", "curve")
    (dots,) = parts(parts(tree, "g", "norms")[0], "path", "dots")
    assert len(re.findall(r"h0", dots.get("d", ""))) <= len(flat)
