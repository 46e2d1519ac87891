"""ResNet-50 with random weights, as exporters write it: BatchNormalization folded into the convolutions.

K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, table 1; strides in the 3x3 convolutions.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

# Blocks and width of each stage.
STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))
RELUS = 49


class _Writer:
    def __init__(self, seed: int, dtype: type[np.floating]) -> None:
        self._rng, self._dtype = np.random.default_rng(seed), dtype
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []

    def node(self, op: str, inputs: list[str], name: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"node_{name}", **attributes))
        return name

    def stored(self, name: str, *shape: int, scale: float) -> str:
        values = (self._rng.standard_normal(shape) * scale).astype(self._dtype)
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def conv(
        self, source: str, name: str, wide: tuple[int, int], kernel: int, stride: int, gain: float
    ) -> str:
        before, after = wide
        weight = self.stored(
            f"{name}.weight", after, before, kernel, kernel, scale=gain * (2 / (before * kernel**2)) ** 0.5
        )
        bias = self.stored(f"{name}.bias", after, scale=0.1)
        side = kernel // 2
        return self.node(
            "Conv",
            [source, weight, bias],
            name,
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[side] * 4,
        )

    def relu(self, source: str, name: str) -> str:
        return self.node("Relu", [source], name)


def resnet50(seed: int = 0, dtype: type[np.floating] = np.float32) -> onnx.ModelProto:
    """Make the model.

    Args:
        seed: Seed of the weights.
        dtype: float32 or float16.

    Returns:
        A model with the input `image`, [N, 3, 224, 224], and the output `logits`, [N, 1000].
    """
    writer = _Writer(seed, dtype)
    x = writer.relu(writer.conv("image", "stem", (3, 64), 7, 2, 1.0), "relu0")
    x = writer.node("MaxPool", [x], "pooled", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    before, count = 64, 1
    for stage, (blocks, width) in enumerate(STAGES):
        for block in range(blocks):
            name, stride = f"layer{stage + 1}.{block}", 2 if block == 0 and stage > 0 else 1
            y = writer.relu(writer.conv(x, f"{name}.conv1", (before, width), 1, 1, 1.0), f"relu{count}")
            y = writer.relu(
                writer.conv(y, f"{name}.conv2", (width, width), 3, stride, 1.0), f"relu{count + 1}"
            )
            # The branch adds a little to what is passed on, as in a trained net, so that nothing grows with depth.
            y = writer.conv(y, f"{name}.conv3", (width, 4 * width), 1, 1, 0.3)
            if block == 0:
                x = writer.conv(x, f"{name}.shortcut", (before, 4 * width), 1, stride, 0.7)
            x = writer.relu(writer.node("Add", [y, x], f"{name}.sum"), f"relu{count + 2}")
            before, count = 4 * width, count + 3
    assert count == RELUS
    x = writer.node("GlobalAveragePool", [x], "averaged")
    x = writer.node("Flatten", [x], "flat")
    head = [
        writer.stored("head.weight", 1000, 2048, scale=0.02),
        writer.stored("head.bias", 1000, scale=0.01),
    ]
    writer.node("Gemm", [x, *head], "logits", transB=1)
    element = TensorProto.FLOAT if dtype is np.float32 else TensorProto.FLOAT16
    graph = helper.make_graph(
        writer.nodes,
        "resnet50",
        [helper.make_tensor_value_info("image", element, ["N", 3, 224, 224])],
        [helper.make_tensor_value_info("logits", element, ["N", 1000])],
        writer.weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def save(folder: Path, seed: int = 0, dtype: type[np.floating] = np.float32) -> Path:
    """Write the model to a file in `folder` and return its path."""
    path = folder / "resnet50.onnx"
    onnx.save(resnet50(seed, dtype), path)
    return path
