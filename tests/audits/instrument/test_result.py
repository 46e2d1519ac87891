"""What instrumenting adds to a model, against the graph."""

from __future__ import annotations

from pathlib import Path

import small_models

import onnx_ood
from onnx_ood.audits.instrument.result import InstrumentResult


def test_types_and_required_inputs_are_those_of_the_graph(save) -> None:
    found = onnx_ood.instrument(
        save(small_models.classifier()), probes=["relu1", "conv2"], sites=["conv1", "logits"]
    )
    result = InstrumentResult.of(found, Path("folder") / "out.onnx")
    assert result.out == "folder/out.onnx"
    assert set(result.outputs) == {"relu1", "conv2"}
    assert set(result.inputs) == {"conv1", "logits"}
    for name, shape in (("relu1", ("N", 8, 8, 8)), ("conv2", ("N", 8, 3, 3))):
        kind = result.types[result.outputs[name]]
        assert kind.dtype == "float32"
        assert kind.shape is not None
        assert kind.shape[2:] == shape[2:]
    assert set(result.types) == {*result.outputs.values(), *result.inputs.values()}
    defaults = {tensor.name for tensor in found.model.graph.initializer}
    assert set(result.required_inputs) == set(result.inputs.values()) - defaults
