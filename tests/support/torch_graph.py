"""Runs the graphs of the bundled models in torch, in float64, so that torch can differentiate them.

Imported only where torch is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import NodeProto, helper, numpy_helper
from torch import Tensor
from torch.nn import functional


def evaluate(path: Path, known: Mapping[str, Tensor], wanted: str) -> Tensor:
    """One tensor of a model, from the values of inputs, or of tensors inside, which are then not computed."""
    graph = onnx.load(path).graph
    values: dict[str, Any] = {stored.name: _tensor(stored) for stored in graph.initializer}
    values.update(known)
    for node in graph.node:
        if node.output[0] in known or any(name and name not in values for name in node.input):
            continue
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        values[node.output[0]] = _compute(node, [values[name] for name in node.input if name], attributes)
    return values[wanted]


def jacobians(
    path: Path, site: str, values: np.ndarray, wanted: str, fed: Mapping[str, Tensor], *, softmax: bool
) -> np.ndarray:
    """∂ wanted/∂ site, or that of its softmax, at each of the site's values [N, *site]: [N, outputs, inputs].

    One backward pass for each output serves all inputs, which don't mix.
    """
    x = torch.from_numpy(values.astype(np.float64)).requires_grad_()
    output = evaluate(path, {**fed, site: x}, wanted)
    output = (output.softmax(-1) if softmax else output).flatten(1)
    rows = [torch.autograd.grad(column.sum(), x, retain_graph=True)[0].flatten(1) for column in output.T]
    return torch.stack(rows, dim=1).numpy()


def _tensor(stored: onnx.TensorProto) -> Tensor:
    tensor = torch.from_numpy(numpy_helper.to_array(stored).copy())
    return tensor.double() if tensor.is_floating_point() else tensor


def _compute(node: NodeProto, inputs: list[Tensor], a: dict[str, Any]) -> Tensor:
    x = inputs[0] if inputs else None
    match node.op_type:
        case "Constant":
            return _tensor(a["value"])
        case "Cast":
            return x.bool() if a["to"] == onnx.TensorProto.BOOL else x  # All floats are float64 here.
        case "Conv":
            before, after = a.get("pads", [0, 0, 0, 0])[:2], a.get("pads", [0, 0, 0, 0])[2:]
            x = functional.pad(x, (before[1], after[1], before[0], after[0]))
            return functional.conv2d(x, *inputs[1:], stride=a.get("strides", 1), groups=a.get("group", 1))
        case "BatchNormalization":
            scale, shift, mean, variance = inputs[1:]
            return functional.batch_norm(x, mean, variance, scale, shift, eps=a.get("epsilon", 1e-5))
        case "LayerNormalization":
            return functional.layer_norm(
                x, x.shape[a.get("axis", -1) :], *inputs[1:], eps=a.get("epsilon", 1e-5)
            )
        case "Gemm":
            return x @ (inputs[1].T if a.get("transB") else inputs[1]) + inputs[2]
        case "Reshape":
            return x.reshape([x.shape[i] if size == 0 else size for i, size in enumerate(inputs[1].tolist())])
        case "Unsqueeze":
            for axis in sorted(inputs[1].tolist()):
                x = x.unsqueeze(axis)
            return x
        case "Gather":
            return x[inputs[1]]  # Rows of a table, or one size of a shape.
        case "Slice":
            for first, last, axis in zip(*(part.tolist() for part in inputs[1:4]), strict=True):
                at = torch.arange(x.shape[axis])[first:last]
                x = x.index_select(axis, at)
            return x
        case "Transpose":
            return x.permute(a["perm"])
        case "Where":
            return torch.where(x, inputs[1], inputs[2])
        case "Softmax":
            return x.softmax(a.get("axis", -1))
        case "Clip":
            return x.clamp(inputs[1], inputs[2])
        case "Shape":
            return torch.tensor(x.shape)
    simple = {
        "Add": torch.add,
        "Div": torch.div,
        "Erf": torch.erf,
        "Flatten": lambda x: x.flatten(1),
        "GlobalAveragePool": lambda x: x.mean(dim=(2, 3), keepdim=True),
        "MatMul": torch.matmul,
        "Mul": torch.mul,
        "Not": torch.logical_not,
        "Relu": torch.relu,
    }
    return simple[node.op_type](*inputs)
