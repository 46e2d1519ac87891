"""Counts that no run would end with are refused before it begins."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from command import run

import onnx_ood
from onnx_ood import models
from onnx_ood.exceptions import ModelError, UsageError

CNN = models.path("fashion_cnn")
ROOT = Path(__file__).parents[1]
LIMITS = [
    (onnx_ood.ScoreSettings, "copies", 10_000),
    (onnx_ood.ScoreSettings, "batch_size", 1_000_000),
    (onnx_ood.ScoreSettings, "limit", 1_000_000_000),
    (onnx_ood.BenchSettings, "batch_size", 1_000_000),
    (onnx_ood.DirectionsSettings, "limit", 1_000_000_000),
    (onnx_ood.SensitivitySettings, "directions", 1_000_000),
    (onnx_ood.SensitivitySettings, "trajectories", 10_000),
    (onnx_ood.PlaneSettings, "directions", 1_000_000),
    (onnx_ood.PlaneSettings, "units", 1_000_000),
    (onnx_ood.PlaneSettings, "resolution", 2000),
    (onnx_ood.PlaneSettings, "extent", 1000),
    (onnx_ood.PreprocessSettings, "limit", 1_000_000_000),
]


@pytest.mark.parametrize(("settings", "name", "most"), LIMITS)
def test_a_setting_has_a_largest_value(settings, name, most):
    assert getattr(settings(**{name: most}), name) == most
    for value in (most + 1, 2**40, 10**30):
        with pytest.raises(UsageError, match=f"{name}: expected {most} or less, found"):
            settings(**{name: value})


@pytest.mark.parametrize(
    ("command", "option"),
    [("score", "--copies"), ("score", "--top"), ("sensitivity", "--trajectories"), ("plane", "--units")],
)
def test_an_option_has_a_largest_value(command, option):
    done = run(command, CNN, "x.npy", option, 2**40)
    assert done.returncode == 64
    assert option in done.stderr
    assert done.stderr.count("\n") == 1


def test_schemas_state_the_largest_values():
    found = json.loads((ROOT / "docs" / "schemas" / "check-file.json").read_text())
    model = found["$defs"]["CheckedModel"]["properties"]
    assert model["trajectories"]["maximum"] == 10_000
    assert model["directions"]["maximum"] == 1_000_000


def test_a_prober_takes_no_larger_batch():
    model = onnx_ood.load(CNN)
    with pytest.raises(UsageError, match="batch_size=1099511627776 is too large; give at most 1000000"):
        onnx_ood.Prober(model, onnx_ood.select(model, "outputs"), batch_size=2**40)


def test_a_model_with_a_huge_fixed_batch_is_refused(save):
    model = onnx.load(CNN)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2**40
    with pytest.raises(ModelError, match="'image' has a fixed batch of 1099511627776, and at most 1000000"):
        onnx_ood.measure(
            save(model), np.zeros((1, 1, 28, 28)), probes="outputs", nudges=np.zeros((1, 1, 28, 28))
        )
