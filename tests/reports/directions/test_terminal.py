"""Terminal report of a directions audit, against the verdicts of its result."""

from __future__ import annotations

import re

import pytest
from hostile_names import HOSTILE
from printing import report_of

import onnx_ood
from onnx_ood.reports.directions.terminal import print_directions
from onnx_ood.reports.report_options import ReportOptions


def letter(verdicts: set[str]) -> str:
    """The letter of a layer by the legend."""
    if {"holds", "flips"} <= verdicts:
        return "x"
    for name, sign in (("holds", "h"), ("flips", "f")):
        if name in verdicts:
            return sign.upper() if len(verdicts) == 1 else sign
    return "."


@pytest.mark.parametrize("width", [80, 140])
def test_each_set_has_a_letter_for_each_layer(result: onnx_ood.DirectionsResult, width: int) -> None:
    lines = report_of(print_directions, result, width)
    one = next(one for one in result.sets if one.name == HOSTILE)
    expected = [
        letter({setting.verdict for setting in one.settings if setting.layer == layer.name})
        for layer in result.layers
    ]
    (row,) = [line for line in lines if line.startswith(HOSTILE[:7])]
    assert re.search(r"(?<=  )[HhFfx.]( [HhFfx.])+(?=  )", row)[0].split() == expected  # type: ignore[index]
    assert max(map(len, lines)) <= width


def test_the_first_line_has_the_shares_of_settings(result: onnx_ood.DirectionsResult) -> None:
    counts = result.counts
    holds, flips = re.findall(r"([\d.<]+)%", report_of(print_directions, result, 200)[0])
    assert float(holds.strip("<")) == pytest.approx(100 * counts.holds / counts.settings, abs=0.51)
    assert float(flips.strip("<")) == pytest.approx(100 * counts.flips / counts.settings, abs=0.51)
    few = result.model_copy(update={"status": "not_evaluated", "id": 3})
    assert report_of(print_directions, few)[0].startswith("Not evaluated: there are 3 in-distribution inputs")


def test_details_have_all_factors_and_failures(result: onnx_ood.DirectionsResult) -> None:
    lines = report_of(print_directions, result, 140, options=ReportOptions(verbose=True))
    for factor in result.factors:
        assert any(line.startswith(f"{factor.name} ") for line in lines)
    assert any("broken <i>.png" in line for line in lines)
    assert result.conclusion.split(".")[0] in " ".join(" ".join(lines).split())
