"""Room for the names of rows."""

from __future__ import annotations

import pytest

from onnx_ood.reports._html.rows import row_frame, row_name


@pytest.mark.parametrize("names", [["a"], ["a", "b" * 20], ["c" * 200]])
def test_names_have_room_on_the_left_and_rows_below_each_other(names: list[str]) -> None:
    frame = row_frame(names, 30)
    assert frame.bottom - frame.top >= 30 * len(names)
    assert frame.height > frame.bottom
    # A character is 9.2 wide; longer names are shortened to 26.
    assert 9.2 * min(26, max(map(len, names))) <= frame.left - 10 < frame.right - 100


def test_long_names_are_shortened_in_the_middle() -> None:
    drawn = row_name("start" + "x" * 50 + "end", row_frame(["a"], 30), 7.5)
    assert ">start" in drawn
    assert "end<" in drawn
    assert "…" in drawn
