"""Whether an input is one of the references' kind: a p-value that is exact in finite samples."""

from __future__ import annotations

from onnx_ood.detectors.activity_profile import activity_profile
from onnx_ood.detectors.conformal import full_p_values, p_values
from onnx_ood.detectors.detector import Need
from onnx_ood.detectors.doubt import Doubt
from onnx_ood.detectors.evidence import Evidence, Float, Subject

NEEDS: tuple[Need, ...] = ("layers", "logits", "features")
"""Parts of the evidence that a verdict reads."""


def verdict_p_values(subject: Subject, reference: Evidence, inputs: Evidence) -> Float:
    """How rarely an input like the references is as strange as each input, by its activity and by the model's doubt.

    These are the parts of `auto` that can be made exact. Its discriminant is left out: it learns from altered
    references, and the new input would have to be altered and run in the same ways.

    Args:
        subject: The model.
        reference: What was measured of n known-good inputs.
        inputs: What was measured of N inputs.

    Returns:
        p-values, [N], from 1 / (n + 1) to 1; see `full_p_values`. Exact if an input and the references are
        exchangeable, on average over draws of references.

    Raises:
        ValueError: If the model has neither layers nor class scores, or anything isn't finite.
    """
    scores = None
    if subject.probabilities is not None:
        # It learns nothing from references, so that theirs are as good as those of new inputs.
        doubt = Doubt().fit(subject, None)
        scores = doubt(reference), doubt(inputs)
    if subject.layers:
        return full_p_values(
            activity_profile(reference.layers), activity_profile(inputs.layers), scores=scores
        )
    if scores is None:
        raise ValueError("the model has neither layers whose activations can be read nor class scores")
    return p_values(*scores)
