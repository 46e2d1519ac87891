"""Models that onnxruntime's own tool has quantised, in both of its formats."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

import onnx_ood
from onnx_ood import models
from onnx_ood.exceptions import SelectorError


def batch(count):
    return models.fashion_samples()[0][:count, np.newaxis].astype(np.float32) / 255


class Calibration(CalibrationDataReader):
    def __init__(self):
        self.feeds = iter([{"image": batch(40)}])

    def get_next(self):
        return next(self.feeds, None)


@pytest.fixture(scope="module")
def quantised(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quantised")
    for kind in (QuantFormat.QDQ, QuantFormat.QOperator):
        quantize_static(
            str(models.path("fashion_resnet")),
            str(folder / f"{kind.name}.onnx"),
            Calibration(),
            quant_format=kind,
        )
    return {kind: folder / f"{kind}.onnx" for kind in ("QDQ", "QOperator")}


def test_dequantised_values_are_measured(quantised):
    """Against float64 numpy over the same tensors, marked by hand."""
    nudges = np.random.default_rng(0).normal(size=(2, 1, 28, 28)).astype(np.float32) * 0.05
    measured = onnx_ood.measure(
        quantised["QDQ"], batch(6), probes="op:DequantizeLinear", nudges=nudges, provider="cpu"
    )
    model = onnx.load(quantised["QDQ"])
    reached = {"image"}
    for node in model.graph.node:
        if reached.intersection(node.input):
            reached.update(node.output)
    dequantised = [
        node.output[0]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.output[0] in reached
    ]
    assert set(measured.probes) == set(dequantised)
    present = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in dequantised if name not in present)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    clean = session.run(list(measured.probes), {"image": batch(6)})
    for k in range(2):
        nudged = session.run(list(measured.probes), {"image": batch(6) + nudges[k]})
        for p, (a, b) in enumerate(zip(clean, nudged, strict=True)):
            a64, b64 = (x.reshape(6, -1).astype(np.float64) for x in (a, b))
            # Chunks of 4,096 products are summed up in float32: √4096 · 2⁻²⁴.
            np.testing.assert_allclose(measured.dd[:, k, p], ((b64 - a64) ** 2).sum(axis=1), rtol=2.0**-18)
            np.testing.assert_array_equal(measured.flips[:, k, p], ((a64 > 0) != (b64 > 0)).sum(axis=1))


def test_quantised_values_themselves_are_refused_with_the_way_out(quantised):
    model = onnx_ood.load(quantised["QDQ"])
    name = next(
        tensor.name for tensor in model.tensors if tensor.op == "QuantizeLinear" and not tensor.constant
    )
    reader = next(node for node in model.proto.graph.node if node.input[0] == name)
    assert reader.op_type == "DequantizeLinear"
    with pytest.raises(
        SelectorError, match=rf"holds u?int8 values.*use '{reader.output[0]}', its dequantized values"
    ):
        onnx_ood.select(model, name)
    with pytest.raises(SelectorError, match=r"holds u?int8 values.*DequantizeLinear"):
        onnx_ood.measure(
            quantised["QOperator"],
            batch(2),
            probes="op:QLinearConv",
            nudges=np.zeros((1, 1, 28, 28)),
            provider="cpu",
        )


def test_what_can_be_measured_is_suggested(quantised):
    """In the operator format every inner tensor holds integers, but for the last."""
    assert {probe.tensor.dtype for probe in onnx_ood.inspect(quantised["QDQ"]).suggested_probes} == {
        "float32"
    }
    suggested = onnx_ood.inspect(quantised["QOperator"]).suggested_probes
    assert [probe.tensor.op for probe in suggested] == ["DequantizeLinear"]
