"""Which axis of a tensor holds its channels."""

from __future__ import annotations

from onnx import NodeProto

from onnx_ood.graph.catalogue.model import Model

# Operators that say where channels are. Everything else keeps them where they were.
_FIRST = frozenset(
    {
        "AveragePool",
        "BatchNormalization",
        "Conv",
        "ConvInteger",
        "ConvTranspose",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "GroupNormalization",
        "InstanceNormalization",
        "LRN",
        "MaxPool",
        "QLinearConv",
    }
)
_LAST = frozenset(
    {
        "Attention",
        "EmbedLayerNormalization",
        "Gather",
        "Gemm",
        "LayerNormalization",
        "MatMul",
        "SkipLayerNormalization",
    }
)


class ChannelAxes:
    """Says of tensors of the main graph which axis of one input's share holds the channels."""

    def __init__(self, model: Model) -> None:
        """Takes a model."""
        self._producer: dict[str, NodeProto] = {
            name: node for node in model.proto.graph.node for name in node.output if name
        }

    def last(self, name: str) -> bool:
        """Whether a tensor's channels are on its last axis, not on the first behind the batch.

        Args:
            name: A tensor.

        Returns:
            True behind a matrix product or a normalisation of rows, as in transformers; False behind convolutions, and
            where no operator says.
        """
        node = self._producer.get(name)
        # A damaged file may hold a circle.
        for _ in range(len(self._producer)):
            if node is None or not node.input:
                break
            if node.op_type in _FIRST:
                return False
            if node.op_type in _LAST:
                return True
            node = self._producer.get(node.input[0])
        return False
