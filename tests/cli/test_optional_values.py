"""Options whose value may be left out."""

from __future__ import annotations

import pytest
from onnx_ood.cli.optional_values import OptionalValue, fill_values, is_number

SHARE = {"--share": OptionalValue("0", is_number)}


@pytest.mark.parametrize(
    ("words", "filled"),
    [
        ([], []),
        (["a", "--share"], ["a", "--share=0"]),
        (["--share", "0.5", "a"], ["--share=0.5", "a"]),
        (["--share", "1e-2"], ["--share=1e-2"]),
        (["--share", "photos", "b"], ["--share=0", "photos", "b"]),
        (["--share", "--other", "1"], ["--share=0", "--other", "1"]),
        (["--share=0.25", "a"], ["--share=0.25", "a"]),
        (["--other", "a", "--", "--share", "b"], ["--other", "a", "--", "--share", "b"]),
    ],
)
def test_a_value_is_added_unless_one_follows(words: list[str], filled: list[str]) -> None:
    assert fill_values(words, SHARE) == filled
