"""Advice for misspelled names."""

from __future__ import annotations

import pytest

from onnx_ood._spelling import did_you_mean

NAMES = ["energy", "entropy", "msp"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_with_two_letters_swapped_is_found(name: str) -> None:
    assert did_you_mean(name[1] + name[0] + name[2:], iter(NAMES)) == f"did you mean {name!r}?"


def test_without_a_similar_name_all_are_listed() -> None:
    assert did_you_mean("zzz", iter(NAMES)) == "choose from energy, entropy, msp"
