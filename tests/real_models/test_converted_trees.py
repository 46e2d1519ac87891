"""Trees from scikit-learn, XGBoost and LightGBM, converted by skl2onnx and onnxmltools, against those libraries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from checking import watch_everywhere
from converted_trees import TREES, converted, flowers, need_converters
from running import run

import onnx_ood
from onnx_ood.graph import find_answer

pytestmark = pytest.mark.real
each = pytest.mark.parametrize("name", TREES)


@pytest.fixture(autouse=True)
def _installed() -> None:
    need_converters()


@each
def test_every_tensor_comes_back_and_nothing_moves(name: str, tmp_path: Path, report) -> None:
    made = converted(name, tmp_path)
    figures = watch_everywhere(made.path, made.feeds, tmp_path)
    report(name, made.origin, made.licence, figures)
    assert figures.bit_equal
    assert not figures.beyond


@each
def test_what_comes_back_is_what_the_library_computes(name: str, tmp_path: Path) -> None:
    made = converted(name, tmp_path)
    values = run(onnx_ood.instrument(made.path, probes="all").model, made.feeds)
    labels, probabilities = list(values.values())[:2]
    if isinstance(probabilities, list):
        probabilities = np.array([[row[label] for label in sorted(row)] for row in probabilities])
    np.testing.assert_array_equal(labels, made.labels)
    # The converters store thresholds and leaves in float32, and sum up to 30 trees.
    np.testing.assert_allclose(probabilities, made.probabilities, atol=30 * 2.0**-24)


@each
def test_class_scores_are_found_and_flowers_judged(name: str, tmp_path: Path) -> None:
    made = converted(name, tmp_path, 150)
    answer = find_answer(onnx_ood.load(made.path))
    assert answer is not None
    assert answer.scores is not None
    assert answer.label == next(iter(run(onnx_ood.load(made.path).proto, made.feeds)))
    numbers, _ = flowers()
    # Ten more flowers, and two that are ten times as large.
    result = onnx_ood.score(
        made.path,
        np.concatenate([numbers[100:110], 10 * numbers[110:112]]),
        reference=numbers[:100],
        provider="cpu",
        cache=False,
    )
    assert result.detector_summary is not None
    assert not any(entry.flagged for entry in result.inputs if int(entry.id.split("[")[1][:-1]) < 10)
    for entry in result.inputs:
        row = int(entry.id.removeprefix("inputs[").removesuffix("]"))
        if row < 10:
            own = made.probabilities[100 + row]
            assert entry.prediction is not None
            assert entry.prediction.index == own.argmax()
            assert entry.prediction.probability == pytest.approx(own.max(), abs=30 * 2.0**-24)
