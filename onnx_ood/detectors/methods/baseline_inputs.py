"""How much a classifier doubts its answer, with and without what it answers to a blank picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from onnx_ood.detectors.base import FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.methods.uncertainty import Uncertainty


def uncertainty_above_baseline(info: ModelInfo, blanks: Features) -> FittedDetector:
    """The uncertainty of the answer, plus the uncertainty of what the input adds to the answer to a blank picture.

    A classifier gives some answer to a picture without any content, often a sure one. An input that gets an answer
    for what it shows is sure even if the blank's logits and features are taken off its own; one that gets the blank's
    answer is not. With D the uncertainty (`Uncertainty`), z the logits and h the features:

    score = D(z, h) + max over blanks b of D(z − z_b, h − h_b)

    Source: after T. Z. Zhao et al., ICML 2021 (calibration of language models by inputs without content).

    Args:
        info: The model; it has class scores.
        blanks: What was measured of blank pictures, with logits, and with features where it has a linear head.

    Returns:
        The scorer. Blanks whose logits or features aren't finite are left out; without any it is twice the uncertainty.
    """
    uncertainty = Uncertainty().fit(info, None)
    # Whatever else was measured of them, and may not be finite, is not asked.
    blanks = Features(logits=blanks.logits, features=blanks.features)
    blanks = blanks.rows(np.flatnonzero(blanks.finite()))

    def score(evidence: Features) -> NDArray[np.float64]:
        plain = uncertainty(evidence)
        beyond = [uncertainty(_without(evidence, blanks, which)) for which in range(len(blanks))]
        total: NDArray[np.float64] = plain + np.max(beyond or [plain], axis=0)
        return total

    return score


def _without(evidence: Features, blanks: Features, which: int) -> Features:
    def less(
        values: NDArray[np.float64] | None, blank: NDArray[np.float64] | None
    ) -> NDArray[np.float64] | None:
        return None if values is None or blank is None else values - blank[which]

    return replace(
        evidence,
        logits=less(evidence.logits, blanks.logits),
        features=less(evidence.features, blanks.features),
    )
