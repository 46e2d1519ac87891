"""Colours, opacity and the range of norms."""

from __future__ import annotations

import numpy as np
import pytest

import onnx_ood
from onnx_ood.reports.plane.style import (
    CLASS_COLOURS,
    boundaries_title,
    coloured,
    line_opacity,
    norm_range,
    norms_title,
    others_name,
)


def test_the_most_frequent_classes_have_colours(result: onnx_ood.PlaneResult) -> None:
    assert result.classes is not None
    own, others = coloured(result.classes)
    assert len(own) == len(CLASS_COLOURS) == len(set(CLASS_COLOURS))
    assert [*own, *others] == list(result.classes.found)
    assert min(one.share for one in own) >= max(one.share for one in others)
    share = 100 * sum(one.share for one in others)
    assert others_name(others).startswith(f"{len(others)} others, ")
    assert abs(float(others_name(others).split()[-1].rstrip("%")) - share) <= 0.5


def test_more_lines_are_fainter(result: onnx_ood.PlaneResult) -> None:
    opacity = [line_opacity(result.probe.model_copy(update={"switching": n})) for n in (0, 36, 144, 10**9)]
    assert opacity == pytest.approx([0.9, 0.9, 0.45, 0.06])


@pytest.mark.parametrize(
    ("norms", "expected"),
    [
        ([[1.0, 2.0], [np.nan, 0.0]], (1.0, 2.0)),
        ([[1e-9, 2.0]], (2e-4, 2.0)),
        ([[0.0, np.nan, np.inf]], None),
    ],
)
def test_the_scale_of_norms_has_four_decades_at_most(
    norms: list[list[float]], expected: tuple[float, float] | None
) -> None:
    assert norm_range(np.array(norms)) == (expected and pytest.approx(expected))


def test_titles_name_the_layer_and_its_sample(result: onnx_ood.PlaneResult) -> None:
    assert boundaries_title(result.probe, None) == "boundaries of 12 Relu units"
    sampled = result.probe.model_copy(update={"looked_at": 5})
    assert (
        boundaries_title(sampled, result.classes)
        == "classes, and boundaries of a sample of 5 of 12 Relu units"
    )
    assert result.jacobian is not None
    assert norms_title(result.jacobian) == "norm of the Jacobian of softmax of y"
