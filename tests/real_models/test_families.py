"""Kinds of models that people run, made here, can be watched everywhere, and nudged."""

from __future__ import annotations

from pathlib import Path

import pytest
from checking import agree_with_the_reference, watch_everywhere
from families import FAMILIES

import onnx_ood

pytestmark = pytest.mark.real
each = pytest.mark.parametrize("name", FAMILIES)


def site(name: str) -> str | None:
    """The tensor that is moved to find what rounding does, for models that take no floats."""
    family = FAMILIES[name]
    return None if family.site in family.feeds() else family.site


@each
def test_every_tensor_comes_back_and_nothing_moves(name: str, tmp_path: Path, report) -> None:
    family = FAMILIES[name]
    figures = watch_everywhere(
        family.make(tmp_path),
        family.feeds(),
        tmp_path,
        site=site(name),
        refusals=family.refused,
        unchecked=family.unchecked,
    )
    licence = "made by the test" if family.origin.startswith("made") else "Apache-2.0"
    report(name, family.origin, licence, figures)
    assert figures.bit_equal
    assert not figures.beyond


# The rest has operators of onnxruntime's own, which nobody else computes, or draws random numbers; trees are compared
# with the libraries that grew them.
@pytest.mark.parametrize(
    "name", ["time-first LSTM", "speech from text, length by a Loop (as FastSpeech)", "graph network"]
)
def test_what_comes_back_is_what_the_reference_computes(name: str, tmp_path: Path) -> None:
    family = FAMILIES[name]
    path = family.make(tmp_path)
    compared = agree_with_the_reference(path, family.feeds(), tmp_path, site=site(name))
    assert compared > 0.9 * len(onnx_ood.instrument(path, probes="all").outputs)
