"""The warning about arrays whose range does not fit the preprocessing; the ranges are closed forms."""

import numpy as np
import pytest

from onnx_ood.inputs import parse
from onnx_ood.inputs.value_range import ValueRange

SHAPE = [None, 3, 8, 8]


@pytest.mark.parametrize(
    ("spec", "low", "high", "warns"),
    [
        ("symmetric", 0, 255, True),
        ("symmetric", 0, 1, True),  # not normalised yet
        ("symmetric", -1, 1, False),
        ("symmetric", -0.4, 0.9, False),
        ("unit", 0, 1, False),
        ("unit", -1, 1, True),
        ("unit", 0, 255, True),
        ("bytes", 0, 255, False),
        ("bytes", 0, 1, True),
        ("imagenet", -2.1, 2.6, False),
        ("imagenet", 0, 1, True),
    ],
)
def test_ranges(spec: str, low: float, high: float, warns: bool) -> None:
    found = ValueRange(parse(spec, SHAPE))
    found.add(np.linspace(low, high, 12, dtype=np.float32))
    assert bool(found.notes) is warns


def test_the_warning_names_both_ranges() -> None:
    found = ValueRange(parse("symmetric", SHAPE))
    found.add(np.array([0, 100], np.float32))
    found.add(np.array([3, 255], np.float32))
    assert "values from 0 to 255, but the preprocessing of pictures gives -1 to 1." in found.notes[0]


def test_nothing_is_expected_without_a_preprocessing_or_tensors() -> None:
    without = ValueRange(None)
    without.add(np.full(3, 1e6, np.float32))
    assert without.notes == ()
    assert ValueRange(parse("unit", SHAPE)).notes == ()
