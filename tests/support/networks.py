"""Piecewise-linear networks of all that the exact mode knows, and their codes by onnx's reference in float64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from onnx_ood.graph import load
from onnx_ood.graph.catalogue.model import Model

# Weights that a file stores in one line of text have no place here: all are drawn.
CHANNELS, SIDE = 4, 6


class Writer:
    """Nodes of a network of [1 or N, 4, 6, 6] tensors, in float64 throughout."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[TensorProto] = []
        # For each unit: what it reads, and how its code is told from that.
        self.sites: dict[str, tuple[str, str, list[float]]] = {}

    def stored(self, array: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def node(self, op: str, inputs: list[str], **attributes: object) -> str:
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"node_{name}", **attributes))
        return name

    def site(self, source: str, op: str, thresholds: list[float], name: str) -> str:
        self.sites[name] = (source, op, thresholds)
        return name

    def conv(self, x: str, kernel: int = 3, group: int = 1, dilation: int = 1) -> str:
        weight = self.rng.standard_normal((CHANNELS, CHANNELS // group, kernel, kernel))
        weight /= np.sqrt(weight[0].size / 2)
        bias = 0.3 * self.rng.standard_normal(CHANNELS)
        side = dilation * (kernel - 1) // 2
        return self.node(
            "Conv",
            [x, self.stored(weight), self.stored(bias)],
            pads=[side] * 4,
            group=group,
            dilations=[dilation] * 2,
        )

    def relu(self, x: str) -> str:
        return self.site(x, "threshold", [0.0], self.node("Relu", [x]))

    def leaky(self, x: str) -> str:
        return self.site(x, "threshold", [0.0], self.node("LeakyRelu", [x], alpha=0.2))

    def prelu(self, x: str) -> str:
        slope = self.stored(self.rng.uniform(-0.5, 0.5, (CHANNELS, 1, 1)))
        return self.site(x, "threshold", [0.0], self.node("PRelu", [x, slope]))

    def clip(self, x: str) -> str:
        bounds = [self.stored(np.array(-0.25)), self.stored(np.array(0.75))]
        return self.site(x, "threshold", [-0.25, 0.75], self.node("Clip", [x, *bounds]))

    def absolute(self, x: str) -> str:
        return self.site(x, "threshold", [0.0], self.node("Abs", [x]))

    def hard_sigmoid(self, x: str) -> str:
        # onnx holds attributes in float32, and so does whoever reads them.
        alpha, beta = (float(np.float32(value)) for value in (0.3, 0.4))
        name = self.node("HardSigmoid", [x], alpha=alpha, beta=beta)
        return self.site(x, "threshold", [-beta / alpha, (1 - beta) / alpha], name)

    def max_pool(self, x: str) -> str:
        name = self.node("MaxPool", [x], kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4)
        return self.site(x, "pool", [], name)

    def maximum(self, x: str) -> str:
        other = self.conv(x, 1)
        return self.site(f"{x}|{other}", "max", [], self.node("Max", [x, other]))

    def residual(self, x: str) -> str:
        return self.node("Add", [self.conv(self.relu(self.conv(x))), x])

    def normalised(self, x: str) -> str:
        scale, bias = self.rng.uniform(0.5, 1.5, CHANNELS), 0.2 * self.rng.standard_normal(CHANNELS)
        mean, variance = 0.2 * self.rng.standard_normal(CHANNELS), self.rng.uniform(0.5, 1.5, CHANNELS)
        return self.node("BatchNormalization", [x, *map(self.stored, (scale, bias, mean, variance))])

    def concatenated(self, x: str) -> str:
        halves = [f"half{len(self.nodes)}", f"other{len(self.nodes)}"]
        self.nodes.append(helper.make_node("Split", [self.conv(x)], halves, axis=1, num_outputs=2))
        return self.node("Concat", [self.relu(halves[1]), halves[0]], axis=1)

    def average(self, x: str) -> str:
        return self.node(
            "AveragePool", [x], kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=int(self.rng.integers(2))
        )

    def affine(self, x: str) -> str:
        scaled = self.node("Mul", [x, self.stored(self.rng.uniform(0.5, 2, (CHANNELS, 1, 1)))])
        return self.node(
            "Sub", [self.node("Neg", [scaled]), self.stored(self.rng.standard_normal((1, 1, SIDE)))]
        )

    def turned(self, x: str) -> str:
        padded = self.node(
            "Pad", [x, self.stored(np.array([0, 0, 1, 0, 0, 0, 0, 1])), self.stored(np.array(0.5))]
        )
        cut = self.node(
            "Slice", [padded, *(self.stored(np.array(v)) for v in ([0, 1], [SIDE, SIDE + 1], [2, 3]))]
        )
        return self.node("Transpose", [cut], perm=[0, 1, 3, 2])

    def grouped(self, x: str) -> str:
        return self.conv(x, 3, group=2, dilation=2)

    def depthwise(self, x: str) -> str:
        return self.conv(x, 3, group=CHANNELS)


LAYERS = (
    "absolute",
    "affine",
    "average",
    "clip",
    "concatenated",
    "conv",
    "depthwise",
    "grouped",
    "hard_sigmoid",
    "leaky",
    "max_pool",
    "maximum",
    "normalised",
    "prelu",
    "relu",
    "residual",
    "turned",
)


def save(writer: Writer, last: str, folder: Path) -> Model:
    """Writes a network that ends in a linear head and a softmax."""
    pooled = writer.node("GlobalAveragePool", [last])
    flat = writer.node("Flatten", [pooled])
    hidden = writer.node(
        "Gemm",
        [flat, writer.stored(writer.rng.standard_normal((5, CHANNELS))), writer.stored(np.full(5, 0.1))],
        transB=1,
    )
    active = writer.relu(hidden)
    logits = writer.node("MatMul", [active, writer.stored(writer.rng.standard_normal((5, 3)))])
    writer.nodes.append(helper.make_node("Softmax", [logits], ["y"]))
    graph = helper.make_graph(
        writer.nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["N", CHANNELS, SIDE, SIDE])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, ["N", 3])],
        writer.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    path = folder / "network.onnx"
    onnx.save(model, path)
    return load(path)


class Conv(OpRun):
    """Convolution of pictures without a copy of each window, as onnx's reference makes."""

    op_domain = ""

    def _run(
        self,
        x: np.ndarray,
        weight: np.ndarray,
        bias: np.ndarray | None = None,
        auto_pad: str | None = None,
        dilations: list[int] | None = None,
        group: int | None = None,
        kernel_shape: list[int] | None = None,
        pads: list[int] | None = None,
        strides: list[int] | None = None,
    ) -> tuple[np.ndarray]:
        assert auto_pad in (None, "NOTSET")
        assert kernel_shape is None or list(kernel_shape) == list(weight.shape[2:])
        top, left, bottom, right = pads or (0, 0, 0, 0)
        (down, across), (dy, dx) = strides or (1, 1), dilations or (1, 1)
        padded = np.pad(x, [(0, 0), (0, 0), (top, bottom), (left, right)])
        groups = group or 1
        height, width = (
            (padded.shape[axis] - step * (weight.shape[axis] - 1) - 1) // stride + 1
            for axis, step, stride in ((2, dy, down), (3, dx, across))
        )
        kernel = weight.reshape(groups, -1, *weight.shape[1:])
        total = np.zeros((len(x), groups, kernel.shape[1], height * width), x.dtype)
        for i, j in np.ndindex(*weight.shape[2:]):
            seen = padded[
                :,
                :,
                dy * i : dy * i + down * (height - 1) + 1 : down,
                dx * j : dx * j + across * (width - 1) + 1 : across,
            ]
            # Of strided arrays numpy takes a product without BLAS.
            factor = np.ascontiguousarray(kernel[..., i, j])
            total += factor @ np.ascontiguousarray(seen).reshape(len(x), groups, -1, height * width)
        result = total.reshape(len(x), -1, height, width)
        return (result if bias is None else result + bias.reshape(-1, 1, 1),)


def reference(model: onnx.ModelProto) -> ReferenceEvaluator:
    """Onnx's reference, with convolutions of pictures that take less time and memory."""
    return ReferenceEvaluator(model, new_ops=[Conv])


def codes(
    model: onnx.ModelProto, sites: dict[str, tuple[str, str, list[float]]], points: np.ndarray
) -> list[np.ndarray]:
    """Codes at each site, [M, U] integers, of what onnx's reference computes in float64."""
    sources = list(dict.fromkeys(name for source, _, _ in sites.values() for name in source.split("|")))
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    computed = {name for node in model.graph.node for name in node.output}
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sources if name in computed)
    feeds = {model.graph.input[0].name: points}
    found = dict(
        zip(
            [value.name for value in copy.graph.output],
            reference(copy).run(None, feeds),
            strict=True,
        )
    )
    values = {**feeds, **found}
    result = []
    for source, op, thresholds in sites.values():
        read = [values[name] for name in source.split("|")]
        assert all(array.dtype == np.float64 for array in read)
        if op == "threshold":
            code = sum((read[0] > threshold).astype(int) for threshold in thresholds)
        elif op == "max":
            code = (read[1] > read[0]).astype(int)
        else:
            # The place in the padded picture of each 3x3 window's largest element.
            padded = np.pad(read[0], [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=-np.inf)
            seen = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
            code = seen.reshape(*seen.shape[:4], 9).argmax(-1)
        result.append(np.asarray(code).reshape(len(points), -1))
    return result
