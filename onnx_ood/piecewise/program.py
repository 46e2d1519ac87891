"""Reading a model as a piecewise-linear program."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import NodeProto, inliner

from onnx_ood._types import Array
from onnx_ood.exceptions import ModelError
from onnx_ood.graph import Model, embed_values
from onnx_ood.graph.catalogue.tensors import stored_array
from onnx_ood.piecewise.operators import Context, UnsupportedError, has_units, steps_of
from onnx_ood.piecewise.steps import Affine, Program, Step, value_of


def read_program(model: Model, input_name: str, sample: tuple[int, ...]) -> Program:
    """Read a model up to its last piecewise-linear unit.

    Args:
        model: The model. Its weights are read, external ones too.
        input_name: The input for points; the model must have no other.
        sample: Shape of one input, including its batch axis of 1.

    Returns:
        The steps that the units depend on. Operators after the last unit, a softmax for example, are left out.

    Raises:
        ModelError: If a unit depends on an operator that is not piecewise linear, or there is no unit.

    Examples:
        >>> from onnx_ood import load, models
        >>> program = read_program(load(models.path("fashion_cnn")), "image", (1, 1, 28, 28))
        >>> len(program.sites)
        5
    """
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    embed_values(proto, model.path)
    proto = inliner.inline_local_functions(proto)
    graph = proto.graph
    context = Context(
        constants={tensor.name: stored_array(tensor) for tensor in graph.initializer},
        samples={input_name: sample},
        opsets={opset.domain: opset.version for opset in proto.opset_import},
    )
    steps: list[Step] = []
    unsupported: dict[str, str] = {}
    for node in graph.node:
        _read(context, node, steps, unsupported)
        reason = next((unsupported[name] for name in node.input if name in unsupported), None)
        if reason is not None and has_units(node.op_type):
            raise ModelError(
                f"{model.path}: the model is not piecewise linear: {reason}; count transitions between samples instead"
            )
    steps = _needed(steps)
    if not steps:
        reason = next(iter(unsupported.values()), "all its operators are affine")
        raise ModelError(f"{model.path}: the model has no piecewise-linear units: {reason}")
    return Program(input_name, sample, tuple(steps))


def _read(context: Context, node: NodeProto, steps: list[Step], unsupported: dict[str, str]) -> None:
    """Read a node as constants, as steps, or as unsupported."""
    outputs = [name for name in node.output if name]
    missing = next((name for name in node.input if name in unsupported), None)
    if missing is not None:
        # Shapes of their results are unknown.
        unsupported.update(dict.fromkeys(outputs, unsupported[missing]))
        return
    try:
        varying = context.varying(node)
        if not varying or node.op_type in {"Shape", "Size"}:
            values = {**context.constants, **_zeros(context, varying)}
            found = context.evaluate(node, values)
            context.constants.update(zip(outputs, map(np.asarray, found), strict=True))
            return
        new = steps_of(context, node)
    except UnsupportedError as error:
        reason = f"node {node.name or outputs[0]!r} ({node.op_type}): {error}"
        unsupported.update(dict.fromkeys(outputs, reason))
        return
    for step in new:
        zeros = _zeros(context, step.inputs)
        context.samples[step.output] = _shape_of(step, zeros)
    steps += new


def _zeros(context: Context, names: tuple[str, ...]) -> dict[str, Array]:
    return {name: np.zeros(context.samples[name]) for name in names}


def _shape_of(step: Step, zeros: Mapping[str, Array]) -> tuple[int, ...]:
    """Shape of a step's output for one point."""
    return value_of(step, [zeros[name][np.newaxis] for name in step.inputs]).shape[1:]


def _needed(steps: list[Step]) -> list[Step]:
    """Select the steps that units depend on."""
    needed: set[str] = set()
    kept: list[Step] = []
    for step in reversed(steps):
        if not isinstance(step, Affine) or step.output in needed:
            kept.append(step)
            needed.update(step.inputs)
    return kept[::-1]
