"""Reasons why a model lacks a part."""

import pytest
from detector_inputs import NOTHING, PROBE_INFO, classifier

from onnx_ood.detectors import ModelInfo, find_detector, list_detectors
from onnx_ood.detectors.requirements import (
    required,
    why_no_classes,
    why_no_head,
    why_no_layers,
    why_no_logits,
    why_not_rectified,
)

PROBABILITIES = ModelInfo(True, None, False, (), ())
LOGITS = ModelInfo(False, None, False, (), ())
HEAD, SIGNED_HEAD = classifier(0)[0], classifier(0, rectified=False)[0]


@pytest.mark.parametrize(
    ("why_not", "fitting"),
    [
        (why_no_classes, [PROBABILITIES, LOGITS, HEAD, SIGNED_HEAD]),
        (why_no_logits, [LOGITS, HEAD, SIGNED_HEAD]),
        (why_no_layers, [PROBE_INFO]),
        (why_no_head, [HEAD, SIGNED_HEAD]),
        (why_not_rectified, [HEAD]),
    ],
)
def test_a_reason_is_given_where_the_part_is_missing(why_not, fitting):
    infos = [NOTHING, PROBABILITIES, LOGITS, PROBE_INFO, HEAD, SIGNED_HEAD]
    found = [info for info in infos if why_not(info) is None]
    assert [id(info) for info in found] == [id(info) for info in infos if any(info is one for one in fitting)]


def test_a_required_part_is_returned_or_named():
    assert required(0, "zero") == 0
    with pytest.raises(ValueError, match="logits missing"):
        required(None, "logits")


FITTING = [
    (NOTHING, set()),
    (PROBABILITIES, {"msp", "entropy", "gen", "uncertainty", "jacobian_norm"}),
    (LOGITS, {"msp", "entropy", "gen", "uncertainty", "max_logit", "energy", "jacobian_norm"}),
    (
        PROBE_INFO,
        {"cosine_drop", "distortion", "flip_rate", "transition_density", "jacobian_norm", "spectral_ratio"},
    ),
]
# Detectors of a head, of layers or of nodes that none of these models has.
OTHERS = {
    "ash", "scale", "grad_norm", "fdbd", "class_cosine", "rank_feat", "feature_norm", "activation_prior", "batch_norm",
}  # fmt: skip


@pytest.mark.parametrize(("info", "names"), FITTING)
def test_a_model_has_the_detectors_whose_parts_it_has(info, names):
    known = OTHERS.union(*(each for _, each in FITTING))
    assert known < set(list_detectors())
    fitting = {name for name in known if find_detector(name).why_not(info) is None}
    assert fitting == names


@pytest.mark.parametrize(
    "name", [name for name in list_detectors() if not find_detector(name).uses_reference]
)
def test_a_detector_without_references_reads_something_of_the_model(name):
    assert find_detector(name).why_not(NOTHING)
