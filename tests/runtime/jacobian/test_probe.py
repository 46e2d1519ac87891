"""Choice of the tensor whose Jacobian is taken."""

from __future__ import annotations

import pytest
import small_models

import onnx_ood
from onnx_ood.exceptions import SelectorError, UsageError
from onnx_ood.runtime.jacobian.probe import answer_tensor, find_jacobian_probe


def test_a_selector_has_to_match_one_tensor(save) -> None:
    model = onnx_ood.load(save(small_models.classifier()))
    site = model.by_name["image"]
    assert find_jacobian_probe(model, None, site) is None
    assert find_jacobian_probe(model, "op:Gemm", site) == model.by_name["logits"]
    with pytest.raises(SelectorError, match=r"'op:Relu' selects 2 tensors of .*\(relu1, relu2\); select one"):
        find_jacobian_probe(model, "op:Relu", site)
    with pytest.raises(SelectorError, match=r"selects 7 tensors of .*\(conv1, relu1, conv2, …\)"):
        find_jacobian_probe(model, "all", site)


def test_the_first_output_of_floats_is_taken(save) -> None:
    labels = "g (float[N, 4] x) => (int64[N] best, float[N, 4] y) {{ {} y = Relu (x) }}"
    text = labels.format("best = ArgMax <axis = 1, keepdims = 0> (x)")
    model = onnx_ood.load(save(small_models.build(text)))
    assert answer_tensor(model).name == "y"
    text = "g (float[N, 4] x) => (int64[N] best) { best = ArgMax <axis = 1, keepdims = 0> (x) }"
    with pytest.raises(UsageError, match=r"no output has a Jacobian \('best' holds int64"):
        answer_tensor(onnx_ood.load(save(small_models.build(text))))
