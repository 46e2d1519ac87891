"""Settings of bench."""

from __future__ import annotations

import pytest

import onnx_ood
from onnx_ood.exceptions import UsageError
from onnx_ood.perturb import list_corruptions


def test_all_corruptions_are_those_with_severity_curves() -> None:
    everything = onnx_ood.BenchSettings(corruptions=("all",)).chosen_corruptions
    assert everything == (*list_corruptions("standard"), *list_corruptions("overlay"))
    assert onnx_ood.BenchSettings(corruptions=("fog",)).chosen_corruptions == ("fog",)
    assert onnx_ood.BenchSettings().chosen_corruptions == ()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"corruptions": ("forst",)}, "unknown corruption 'forst'; choose all, or from gaussian_noise"),
        ({"corruptions": ("all", "fog")}, "unknown corruption 'all'"),
        ({"corruptions": ("fog", "fog")}, "named twice: fog, fog"),
        ({"site": "x", "feeds": {"x": "1"}}, "'x' is nudged"),
    ],
)
def test_contradictions_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        onnx_ood.BenchSettings(**wrong)
