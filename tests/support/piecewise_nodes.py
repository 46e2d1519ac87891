"""Nodes read as steps of a piecewise-linear program, against onnx's reference in float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import NodeProto, TensorProto, helper
from onnx.reference import ReferenceEvaluator

from onnx_ood.piecewise.operators import Context, steps_of
from onnx_ood.piecewise.steps import Step, value_of

OPSET = 17


def context(
    shapes: Mapping[str, tuple[int, ...]], constants: Mapping[str, np.ndarray] | None = None
) -> Context:
    return Context(dict(constants or {}), dict(shapes), {"": OPSET})


def evaluated(node: NodeProto, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """The first output of a node."""
    kinds = {np.dtype(np.float64): TensorProto.DOUBLE, np.dtype(np.int64): TensorProto.INT64}
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(n, kinds[v.dtype], v.shape) for n, v in values.items()],
        [helper.make_tensor_value_info(node.output[0], TensorProto.DOUBLE, None)],
    )
    proto = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", OPSET)])
    return ReferenceEvaluator(proto).run(None, dict(values))[0]


def assert_as_reference(
    node: NodeProto, points: Sequence[np.ndarray], constants: Mapping[str, np.ndarray] | None = None
) -> Step:
    """Read a node and compare its values at M points, [M, *sample] per varying input, with the reference."""
    constants = dict(constants or {})
    names = [name for name in dict.fromkeys(node.input) if name and name not in constants]
    (step,) = steps_of(
        context({name: p.shape[1:] for name, p in zip(names, points, strict=True)}, constants), node
    )
    assert step.inputs == tuple(names)
    found = value_of(step, points)
    for i in range(len(points[0])):
        expected = evaluated(node, dict(zip(names, [p[i] for p in points], strict=True)) | constants)
        np.testing.assert_allclose(found[i], expected, rtol=1e-12, atol=1e-12)
    return step
