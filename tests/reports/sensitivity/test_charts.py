"""Charts of a sensitivity audit against the numbers of its result."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from svg_parts import corners, drawing, parts, texts, ticks

import onnx_ood
from onnx_ood.reports.sensitivity.picture import sensitivity_picture


def test_each_type_has_a_chart_with_its_profiles_and_their_mean(result: onnx_ood.SensitivityResult) -> None:
    tree = drawing(sensitivity_picture(result))
    assert texts(tree, "heading") == [Path(model.model.path).name for model in result.models]
    charts = iter(parts(tree, "g", "curve"))
    for model in result.models:
        assert len(model.trajectory_types) > 2
        for kind in model.trajectory_types:
            chart = next(charts)
            profiles = np.array([one.profile for one in model.trajectories if one.type == kind.type])
            slope, start = ticks(chart, upright=True)
            middles = [float(one.get("cy", "")) for one in parts(chart, "circle")]
            scale = profiles.max()
            np.testing.assert_allclose(
                (np.array(middles) - start) / slope, profiles.mean(axis=0), atol=2e-3 * scale + 1e-9
            )
            for path, profile in zip(parts(chart, "path", "single"), profiles, strict=True):
                x, y = corners(path).T
                drawn = (y - start) / slope
                np.testing.assert_allclose(
                    [drawn.min(), drawn.max()], [profile.min(), profile.max()], atol=0.01 * scale
                )
                across, origin = ticks(chart, upright=False)
                np.testing.assert_allclose(
                    (x - origin) / across, (np.arange(len(profile)) + 0.5) / len(profile), atol=1e-3
                )
            marks = [mark.get("d", "") for mark in parts(chart, "path", "input-mark")]
            inputs = len(next(one.inputs for one in model.trajectories if one.type == kind.type))
            assert bool(marks) == (inputs == 3)
            if marks:
                # Triangles of width 8 around θ = π/3, π, 5π/3.
                lefts = [float(x) + 4 for x in re.findall(r"M([\d.]+) ", marks[0])]
                across, origin = ticks(chart, upright=False)
                angles = 2 * np.pi * (np.array(lefts) - origin) / across
                np.testing.assert_allclose(angles, [np.pi / 3, np.pi, 5 * np.pi / 3], atol=0.01)
    assert next(charts, None) is None


def test_each_model_has_a_row_with_its_norms(result: onnx_ood.SensitivityResult) -> None:
    (chart,) = parts(drawing(sensitivity_picture(result)), "g", "norms")
    labels = [one for one in parts(chart, "text", "tick") if one.get("text-anchor") == "middle"]
    slope, start = np.polyfit(
        [np.log10(float(one.text or "")) for one in labels], [float(one.get("x", "")) for one in labels], 1
    )
    for k, model in enumerate(result.models):
        norms = np.log10([one.jacobian for one in model.inputs])
        dots = re.findall(r"M([\d.]+) [\d.]+h0", parts(chart, "path", "dots")[k].get("d", ""))
        drawn = (np.array(dots, float) - start) / slope
        np.testing.assert_allclose(np.sort(drawn), np.sort(norms), atol=0.005)
        box = parts(chart, "rect", "middle-half")[k]
        left, width = float(box.get("x", "")), float(box.get("width", ""))
        quartiles = np.log10(np.quantile(10**norms, [0.25, 0.75]))
        np.testing.assert_allclose((np.array([left, left + width]) - start) / slope, quartiles, atol=0.005)
        mean = re.match(r"M([\d.]+)", parts(chart, "path", "mean-mark")[k].get("d", ""))[1]
        assert (float(mean) - start) / slope == pytest.approx(np.log10((10**norms).mean()), abs=0.005)
