"""The default verdict: the best combination that a model allows, the same for all models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood.detectors.activity_profile import activity_profile
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.calibration.combine import combined_score, held_out_scores
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.methods.activity import Activity
from onnx_ood.detectors.methods.baseline_inputs import uncertainty_above_baseline
from onnx_ood.detectors.methods.uncertainty import Uncertainty
from onnx_ood.detectors.models.discriminant import Discriminant
from onnx_ood.detectors.requirements import reference_of

# Crops of one photo are as many places apart as there are photos, a multiple of this, so that they share a fold.
_FOLDS = 8


class Auto(Detector):
    """The sum of what says most, in standard deviations of held-out references; without references uncertainty alone.

    Without references only the uncertainty tells blank pictures. If the model has been run on blank pictures, it is the
    uncertainty beyond those (`uncertainty_above_baseline`). With references, activity tells them, and the uncertainty
    stays as it is.
    """

    name = "auto"
    formula = (
        "z(log activity) + z(discriminant of activity against altered references) + z(uncertainty); without "
        "references uncertainty + uncertainty beyond blanks"
    )
    source = "onnx_ood; docs/detectors.md says how it was chosen"
    needs = ("layers", "logits", "features", "altered")
    uses_reference = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        if info.probabilities is None and not info.layers:
            return "it has neither class scores nor layers whose activations can be read"
        return None

    @override
    def requires_reference(self, info: ModelInfo) -> bool:
        return info.probabilities is None

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        if reference is None:
            if info.baseline is not None:
                return uncertainty_above_baseline(info, info.baseline)
            return Uncertainty().fit(info, None)
        parts: list[tuple[Callable[[Features], FittedDetector], bool]] = []
        if info.layers:
            parts.append((lambda some: Activity().fit(info, some), True))
            if reference.altered:
                parts.append((_discriminant, False))
        if info.probabilities is not None:
            parts.append((lambda some: Uncertainty().fit(info, some), False))
        known = reference_of(reference)
        folds = min(_FOLDS, len(known))
        scorers = [fit(known) for fit, _ in parts]
        usual = np.stack([held_out_scores(fit, known, folds) for fit, _ in parts], axis=1)
        distances = [distance for _, distance in parts]

        def score(evidence: Features) -> NDArray[np.float64]:
            scores = np.stack([scorer(evidence) for scorer in scorers], axis=1)
            return combined_score(scores, usual, distances)

        return score


def _discriminant(known: Features) -> FittedDetector:
    """Tells altered references from the references themselves by their activity."""
    controls = [activity_profile(kind.layers) for kind in known.altered]
    found = Discriminant(activity_profile(known.layers), controls)
    return lambda evidence: found.score(activity_profile(evidence.layers))
