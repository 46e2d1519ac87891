"""The channel axis of a tensor, from the operators that compute it."""

from __future__ import annotations

from onnx_ood.graph.catalogue.model import Model
from onnx_ood.graph.catalogue.nodes import producers

# Operators that define the channel axis. All others are taken to keep it.
_CHANNELS_FIRST_OPS = frozenset(
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
_CHANNELS_LAST_OPS = frozenset(
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
    """Channel axes of the main graph's tensors."""

    def __init__(self, model: Model) -> None:
        """Take a model."""
        self._producer = producers(model.proto.graph.node)

    def last(self, name: str) -> bool:
        """Return True if a tensor's channels are on its last axis, False if on the first after the batch.

        Args:
            name: A tensor.

        Returns:
            True after a matrix product or a normalization of rows, as in transformers; False after a convolution, or if
            no operator defines the axis.
        """
        node = self._producer.get(name)
        # Bounded, because a damaged file may hold a cycle.
        for _ in range(len(self._producer)):
            if node is None or not node.input:
                break
            if node.op_type in _CHANNELS_FIRST_OPS:
                return False
            if node.op_type in _CHANNELS_LAST_OPS:
                return True
            # A bias or a scale may come first; the data comes from a node.
            node = next((self._producer[one] for one in node.input if self._computed(one)), None)
        return False

    def _computed(self, name: str) -> bool:
        return name in self._producer and self._producer[name].op_type != "Constant"
