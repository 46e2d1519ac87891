"""Comma-separated names."""

import pytest
from onnx_ood.cli.names import read_names


@pytest.mark.parametrize(
    ("text", "names"),
    [(None, ()), ("", ("",)), ("a", ("a",)), (" a,b , c d", ("a", "b", "c d")), ("a,", ("a", ""))],
)
def test_names_are_split_at_commas(text: str | None, names: tuple[str, ...]) -> None:
    assert read_names(text) == names
