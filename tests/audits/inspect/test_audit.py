"""The inspect audit."""

import hashlib
import json

import jsonschema
import onnx
import pytest

import onnx_ood
from onnx_ood import models


@pytest.mark.parametrize("name", ["fashion_cnn", "fashion_resnet", "efficientnet_lite0"])
def test_the_facts_are_those_of_the_file(name, schema):
    path = models.path(name)
    result = onnx_ood.inspect(path)
    model = onnx.load(path)
    assert result.model.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert result.model.size == path.stat().st_size
    assert result.model.opsets == {"ai.onnx": model.opset_import[0].version}
    stored = sum(onnx.numpy_helper.to_array(tensor).size for tensor in model.graph.initializer)
    constants = sum(
        onnx.numpy_helper.to_array(attribute.t).size
        for node in model.graph.node
        for attribute in node.attribute
        if attribute.type == onnx.AttributeProto.TENSOR
    )
    assert result.model.parameters == stored + constants
    assert sum(result.operators.values()) == len(model.graph.node)
    assert result.operators["Conv"] == sum(node.op_type == "Conv" for node in model.graph.node)
    kinds = {"Relu", "Clip"}
    assert len(result.activations) == sum(node.op_type in kinds for node in model.graph.node)
    assert [tensor.name for tensor in result.inputs] == ["image"]
    assert [tensor.name for tensor in result.outputs] == ["logits"]
    assert 1 <= len(result.suggested_probes) <= 12
    jsonschema.validate(json.loads(result.model_dump_json(by_alias=True)), schema("inspect"))


def test_a_model_with_nothing_to_measure_is_still_described(tmp_path):
    graph = onnx.parser.parse_graph("g (int64[N] x) => (int64[N] y) { y = Add(x, x) }")
    onnx.save(
        onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)]),
        tmp_path / "m.onnx",
    )
    result = onnx_ood.inspect(tmp_path / "m.onnx")
    assert result.suggested_probes == ()
    assert any("nothing can be measured" in note for note in result.notes)
