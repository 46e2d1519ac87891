"""Cosine between features and class weights: closed forms and invariances."""

import numpy as np
from detector_inputs import classifier, score

from onnx_ood.detectors import Features, LinearHead, ModelInfo


def test_it_is_the_largest_cosine_with_its_sign_changed() -> None:
    info, features = classifier(2)
    directions = [row - info.head.weight.mean(axis=0) for row in info.head.weight]
    expected = [-max(h @ w / np.sqrt((h @ h) * (w @ w)) for w in directions) for h in features.features]
    np.testing.assert_allclose(score("class_cosine", info, features), expected, rtol=1e-12)


def test_features_along_centred_weights_score_minus_1() -> None:
    info, _ = classifier(6)
    along = Features(features=3 * (info.head.weight - info.head.weight.mean(axis=0)))
    np.testing.assert_allclose(score("class_cosine", info, along), -1, rtol=1e-12)


def test_neither_the_length_of_features_nor_a_common_vector_of_the_classes_counts() -> None:
    info, features = classifier(6)
    moved = ModelInfo(False, LinearHead(info.head.weight + 5, info.head.bias, True), True, (), ())
    longer = Features(features=7 * features.features)
    np.testing.assert_allclose(
        score("class_cosine", moved, longer), score("class_cosine", info, features), rtol=1e-9
    )
