"""Histograms against counts of their values."""

import math
import re

from hypothesis import given
from hypothesis import strategies as st
from page_parts import find, parsed

from onnx_ood.reports._html.histogram import histogram_figure


def bars(scores):
    tree = parsed(
        "<!doctype html><html><head><title>t</title></head><body>"
        f"{histogram_figure('x', scores, [False] * len(scores), '')}</body></html>"
    )
    return [one.get("aria-label") for one in find(tree, "g", class_="point")]


@given(st.lists(st.floats(width=64), min_size=1, max_size=40))
def test_histograms_count_what_is_a_number(scores):
    counts = [int(re.search(r": (\d+) inputs?$", label)[1]) for label in bars(scores)]
    assert sum(counts) == sum(map(math.isfinite, scores))


def test_histograms_of_extremes():
    assert bars([math.nan, math.inf]) == []
    assert bars([1e300] * 3) == ["x 1.0e+300 to 1.0e+300: 3 inputs"]
    assert bars([-1.7e308, 1.7e308])[0].endswith(": 1 input")
