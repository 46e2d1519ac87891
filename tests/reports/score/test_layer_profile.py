"""The layer profile of a score page, taken apart by an independent parser."""

import math
import re

import pytest
from page_parts import find


def test_the_profile_is_drawn_to_scale(tree, result):
    (chart,) = find(tree, "svg", class_="profile")
    points = find(chart, "circle")
    assert len(points) == len(result.probes)
    drops = [probe.drop_median for probe in result.probes]
    heights = [float(one.get("cy")) for one in points]
    # On a logarithmic scale places go linearly with logarithms: two points give the line, the marks of the axis too.
    slope = (heights[-1] - heights[0]) / math.log(drops[-1] / drops[0])
    for drop, height in zip(drops, heights, strict=True):
        assert height == pytest.approx(heights[0] + slope * math.log(drop / drops[0]), abs=0.1)
    ticks = [one for one in find(chart, "text", class_="tick") if one.get("text-anchor") == "end"]
    assert len(ticks) >= 3
    for tick in ticks:
        place = heights[0] + slope * math.log(float(tick.text) / drops[0])
        assert float(tick.get("y")) == pytest.approx(place, abs=0.1)
    (band,) = find(chart, "path", class_="band")
    corners = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", band.get("d"))]
    bounds = [probe.drop_high for probe in result.probes] + [
        probe.drop_low for probe in reversed(result.probes)
    ]
    for corner, bound in zip(corners, bounds, strict=True):
        assert corner == pytest.approx(heights[0] + slope * math.log(bound / drops[0]), abs=0.1)
    places = [float(one.get("cx")) for one in points]
    assert places == sorted(places)
    for p, (point, probe) in enumerate(zip(find(chart, "g", class_="point"), result.probes, strict=True)):
        assert point.get("aria-label").startswith(f"[{p + 1}] {probe.name}: median ")
