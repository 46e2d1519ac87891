"""Short names in tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_ood.reports.words import shorten_apart, shorten_middle, without_common_end, without_common_start

NAMES = ["If_0/then/encoder/0/Relu", "If_0/then/encoder/1/Relu", "If_0/then/decoder/Sigmoid"]


def test_the_folders_that_all_share_are_left_out() -> None:
    assert without_common_start(NAMES, 20) == ["…/encoder/0/Relu", "…/encoder/1/Relu", "…/decoder/Sigmoid"]


@pytest.mark.parametrize(
    ("names", "width"), [(NAMES, 30), (NAMES[:1], 5), (["conv1", "conv2"], 3), (["/a/x", "/b/x"], 2)]
)
def test_names_that_fit_or_share_nothing_stay(names: list[str], width: int) -> None:
    kept = without_common_start(names, width)
    assert [name.removeprefix("…") for name in kept] == names


@given(st.lists(st.text("ab/", min_size=1, max_size=8), min_size=2, max_size=5, unique=True))
def test_names_stay_apart(names: list[str]) -> None:
    shown = without_common_start(names, 0)
    assert len(set(shown)) == len(names)
    assert all(name.endswith(short.removeprefix("…")) for name, short in zip(names, shown, strict=True))


@given(st.lists(st.text("ab/", min_size=1, max_size=12), min_size=1, max_size=5), st.integers(1, 12))
def test_no_way_of_shortening_keeps_more_names_apart_than_the_usual(names: list[str], width: int) -> None:
    shown = shorten_apart(names, width)
    usual = [shorten_middle(name, width) for name in without_common_start(names, width)]
    assert len(set(shown)) >= len(set(usual))
    assert all(len(one) <= width for one in shown)


@given(st.lists(st.text("ab/", min_size=1, max_size=8), min_size=2, max_size=5, unique=True))
def test_names_without_their_common_end_stay_apart(names: list[str]) -> None:
    shown = without_common_end(names, 0)
    assert len(set(shown)) == len(names)
    ends = {name[len(short.removesuffix("…")) :] for name, short in zip(names, shown, strict=True)}
    assert len(ends) == 1
    assert all(name.startswith(short.removesuffix("…")) for name, short in zip(names, shown, strict=True))


def test_what_all_layers_end_with_makes_room_for_what_differs() -> None:
    names = ["/stem_relu/Clip_output_0", "/blocks.1/depthwise_relu/Clip_output_0"]
    assert shorten_apart(names, 20) == ["/stem…", "/blocks.1/depthwise…"]
    assert shorten_apart(names, 38) == names


def test_names_that_differ_in_the_middle_are_told_apart() -> None:
    names = [f"/stage/stage.{i}/relu/Relu_output_0" for i in range(4)]
    assert len({shorten_middle(name, 15) for name in names}) == 1
    assert len(set(shorten_apart(names, 22))) == 4
