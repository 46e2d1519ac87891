"""Bars of a share."""

from __future__ import annotations

from io import BytesIO, TextIOWrapper

import pytest
from rich.console import Console

from onnx_ood.reports._terminal.marks import Marks


@pytest.mark.parametrize(
    ("encoding", "value", "expected"),
    [
        ("utf-8", 1.0, "████"),
        ("utf-8", 0.5, "██"),
        ("utf-8", 0.28, "█▏"),
        ("utf-8", 0.0, ""),
        ("ascii", 1.0, "####"),
        ("ascii", 0.5, "##"),
    ],
)
def test_a_share_is_as_long_as_its_value(encoding: str, value: float, expected: str) -> None:
    console = Console(file=TextIOWrapper(BytesIO(), encoding=encoding))
    assert Marks(console).share(3 * value, 3.0, 4) == expected
