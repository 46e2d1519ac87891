"""Comparison of shapes, and their text."""

import pytest

from onnx_ood.inputs.shapes import fits, shape_text


@pytest.mark.parametrize(
    ("shape", "wanted", "expected"),
    [
        ((3, 4), (3, 4), True),
        ((3, 4), (3, 5), False),
        ((3, 4), ("C", None), True),
        ((3, 4), (0, -1), True),
        ((3,), (3, 4), False),
        ((), (), True),
    ],
)
def test_only_positive_sizes_bind(
    shape: tuple[int, ...], wanted: tuple[int | str | None, ...], expected: bool
) -> None:
    assert fits(shape, wanted) is expected


def test_text() -> None:
    assert shape_text(("N", 3, None, "")) == "[N,3,?,?]"
