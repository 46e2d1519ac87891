"""Counts of references of each class against a counter."""

from collections import Counter

import numpy as np
import pytest

from onnx_ood.detectors import Features
from onnx_ood.detectors.predicted_classes import MIN_PER_CLASS, predicted_classes, why_few_per_class


def test_the_predicted_class_is_the_first_of_the_largest() -> None:
    logits = np.array([[0.0, 2, 1], [3, 3, 1], [-1, -2, -0.5]])
    assert predicted_classes(Features(logits=logits)).tolist() == [1, 0, 2]


@pytest.mark.parametrize("seed", range(5))
def test_classes_with_too_few_references_are_counted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    of = rng.choice(6, size=90, p=[0.3, 0.25, 0.2, 0.15, 0.07, 0.03])
    counts = Counter(of.tolist())
    few = [one for one in range(6) if counts[one] < 10]
    assert few
    least = min(range(6), key=lambda one: counts[one])
    reason = why_few_per_class(Features(logits=np.eye(6)[of]))
    assert reason == (
        "it requires 10 references of each class, as the model predicts them; classes with fewer: "
        f"{len(few)} of 6 (class {least} has {counts[least]})"
    )


def test_ten_of_each_class_suffice() -> None:
    assert MIN_PER_CLASS == 10
    assert why_few_per_class(Features(logits=np.repeat(np.eye(4), 10, axis=0))) is None
    assert why_few_per_class(Features(logits=np.zeros((50, 1)))) == "the model has a single class"
