"""Classes of references by the model's own predictions: labels are never given."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onnx_ood.detectors.features import Features
from onnx_ood.detectors.requirements import required

MIN_PER_CLASS = 10
"""References that each class of a model requires for statistics of its own."""


def predicted_classes(features: Features) -> NDArray[np.intp]:
    """Return the class with the largest logit of each input, int [N]; the first of equal ones."""
    classes: NDArray[np.intp] = required(features.logits, "logits").argmax(axis=1)
    return classes


def why_few_per_class(reference: Features) -> str | None:
    """Return why references do not suffice for statistics of each class, or None.

    Args:
        reference: Features of references with logits, [n, C].

    >>> why_few_per_class(Features(logits=np.eye(3)[[0] * 12 + [1] * 10 + [2] * 7]))
    'it requires 10 references of each class, as the model predicts them; classes with fewer: 1 of 3 (class 2 has 7)'
    """
    classes = required(reference.logits, "logits").shape[1]
    if classes < 2:
        return "the model has a single class"
    counts = np.bincount(predicted_classes(reference), minlength=classes)
    few = np.flatnonzero(counts < MIN_PER_CLASS)
    if not len(few):
        return None
    least = int(counts.argmin())
    return (
        f"it requires {MIN_PER_CLASS} references of each class, as the model predicts them; classes with fewer: "
        f"{len(few)} of {classes} (class {least} has {counts[least]})"
    )
