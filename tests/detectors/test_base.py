"""The contract of detectors: defaults, and what those that learn have in common."""

import numpy as np
import pytest
from detector_inputs import NOTHING, reference_features, reference_info, score

from onnx_ood.detectors import Detector, find_detector, list_detectors

LEARNING = [name for name in list_detectors() if find_detector(name).requires_reference(reference_info())]
# Scores of certainty: far features of a larger norm make the model more certain, and they say so.
CERTAINTY = {"react", "ras", "nnguide", "klm", "she"}


def test_defaults() -> None:
    class Plain(Detector):
        name, formula, source, needs = "plain", "f", "s", ("logits",)

        def why_not(self, info):  # noqa: ARG002
            return None

        def fit(self, info, reference):  # noqa: ARG002
            return len

    plain = Plain()
    assert (plain.order, plain.uses_reference, plain.two_sided) == (1000, False, False)
    assert not plain.requires_reference(NOTHING)
    assert plain.why_not_references(reference_features(0, 3)) is None


def test_a_detector_without_fit_is_abstract() -> None:
    class Half(Detector):
        def why_not(self, info):  # noqa: ARG002
            return None

    with pytest.raises(TypeError, match="fit"):
        Half()


def test_these_require_references() -> None:
    assert {"activity", "knn", "mahalanobis", "profile", "vim", "rmds", *CERTAINTY} <= set(LEARNING)
    assert not {"auto", "msp", "energy", "gen", "cosine_drop", "batch_norm", "class_cosine"} & set(LEARNING)
    assert not [name for name in LEARNING if find_detector(name).why_not(NOTHING) is None]


@pytest.mark.parametrize("name", [name for name in LEARNING if name not in CERTAINTY])
@pytest.mark.parametrize("count", [10, 32, 100])
def test_far_inputs_get_higher_scores(name: str, count: int) -> None:
    reference = reference_features(0, count)
    scores = score(name, reference_info(), reference_features(1, 20), reference)
    far = score(name, reference_info(), reference_features(2, 20, far=1), reference)
    assert scores.shape == (20,)
    assert np.median(far) > np.quantile(scores, 0.9)


@pytest.mark.parametrize("name", LEARNING)
def test_a_score_depends_on_no_other_input(name: str) -> None:
    reference, inputs = reference_features(0, 12), reference_features(1, 6)
    together = score(name, reference_info(), inputs, reference)
    alone = [score(name, reference_info(), inputs.rows([i]), reference)[0] for i in range(6)]
    np.testing.assert_allclose(together, alone, rtol=1e-9)
