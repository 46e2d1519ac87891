"""Rewriting a graph so that inner tensors become outputs."""

from __future__ import annotations

from collections.abc import Iterable

from onnx import ModelProto


def with_outputs(model: ModelProto, names: Iterable[str]) -> ModelProto:
    """Copies a model and makes inner tensors outputs of the copy.

    The added outputs carry no type: onnxruntime infers it, behind custom operators too, where onnx can't.

    Args:
        model: The model; it is not changed, and weights in external files are not touched.
        names: Names of tensors of the main graph.

    Returns:
        A model whose outputs are the original ones, in their order, followed by those of `names` that were
        not outputs already.
    """
    copy = ModelProto()
    copy.CopyFrom(model)
    present = {value.name for value in copy.graph.output}
    for name in names:
        if name not in present:
            copy.graph.output.add(name=name)
            present.add(name)
    return copy
