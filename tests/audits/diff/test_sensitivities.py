"""Differences between sensitivity results, from their intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from stored_results import estimates

import onnx_ood
from onnx_ood import models


def test_sensitivities_of_two_models_are_compared_with_their_intervals(sensitivities: Path) -> None:
    compared = onnx_ood.diff(sensitivities / "sens-good.json", sensitivities / "sens-bad.json")
    good, bad = models.path("fashion_cnn"), sensitivities / "damaged.onnx"
    before, after = estimates(sensitivities, "good", good), estimates(sensitivities, "bad", bad)
    pair = f"{good.as_posix()} / {bad.as_posix()}"
    assert {metric.name for metric in compared.metrics} == {
        f"{name}, {pair}" for name in before.keys() & after.keys()
    }
    assert len(compared.metrics) > 2
    for metric in compared.metrics:
        a, b = before[metric.name.removesuffix(f", {pair}")], after[metric.name.removesuffix(f", {pair}")]
        assert (metric.a, metric.b) == (a["mean"], b["mean"])
        assert metric.change == pytest.approx(b["mean"] - a["mean"])
        down = np.hypot(b["mean"] - b["low"], a["high"] - a["mean"])
        up = np.hypot(b["high"] - b["mean"], a["mean"] - a["low"])
        assert metric.low == pytest.approx(metric.change - down)
        assert metric.high == pytest.approx(metric.change + up)
    changed = {one.name: (one.a, one.b) for one in compared.settings}
    assert changed[f"models.{pair}.model.path"] == (good.as_posix(), bad.as_posix())
    assert not any("Not compared" in note for note in compared.notes)


def test_models_are_paired_by_their_paths(sensitivities: Path) -> None:
    compared = onnx_ood.diff(sensitivities / "sens-good.json", sensitivities / "sens-both.json")
    path = models.path("fashion_cnn").as_posix()
    assert compared.metrics
    assert {metric.name.rpartition(", ")[2] for metric in compared.metrics} == {path}
    assert {metric.change for metric in compared.metrics} == {0}
    assert compared.settings == ()
    (note,) = [note for note in compared.notes if "Not compared" in note]
    assert note.endswith(f": {(sensitivities / 'damaged.onnx').as_posix()}.")


def test_the_noise_of_a_mean_of_one_is_unknown(sensitivities: Path) -> None:
    compared = onnx_ood.diff(sensitivities / "sens-good.json", sensitivities / "sens-one.json")
    (norm,) = [metric for metric in compared.metrics if metric.name.startswith("Jacobian norm")]
    a, b = (estimates(sensitivities, name, models.path("fashion_cnn")) for name in ("good", "one"))
    assert norm.change == pytest.approx(b["Jacobian norm"]["mean"] - a["Jacobian norm"]["mean"])
    assert (norm.low, norm.high, norm.beyond_noise) == (None, None, None)
