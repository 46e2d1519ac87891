"""RankFeat against scipy."""

from dataclasses import replace

import numpy as np
from detector_inputs import classifier, score
from scipy.special import logsumexp

from onnx_ood.detectors import find_detector


def test_it_is_the_energy_without_the_first_component() -> None:
    info, features = classifier(7)
    expected = [-logsumexp(info.head.weight @ h + info.head.bias) for h in features.without_rank_1]
    np.testing.assert_allclose(score("rank_feat", info, features), expected, rtol=1e-9)


def test_it_needs_a_feature_map() -> None:
    info, _ = classifier(7)
    assert "feature map" in find_detector("rank_feat").why_not(replace(info, pooled=False))
    assert "linear layer" in find_detector("rank_feat").why_not(replace(info, head=None))
