"""BatchNormalization nodes, whose running statistics summarize the training data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onnx_ood._types import Float
from onnx_ood.graph.catalogue.model import Model
from onnx_ood.graph.catalogue.nodes import attribute_values
from onnx_ood.graph.catalogue.stored import StoredValues


@dataclass(frozen=True)
class BatchNorm:
    """A BatchNormalization node with its running statistics.

    Attributes:
        reads: Name of the tensor to normalize, [N, C, ...].
        mean: Running mean, float64 [C].
        variance: Running variance, float64 [C].
        epsilon: Constant added to the variance.
    """

    reads: str
    mean: Float
    variance: Float
    epsilon: float


def find_batch_norms(model: Model) -> tuple[BatchNorm, ...]:
    """Find the BatchNormalization nodes of the main graph.

    Args:
        model: The model. Of its weights only the running statistics are read.

    Returns:
        The nodes with stored statistics, in file order. Exporters often fold such nodes into convolutions.
    """
    stored = StoredValues(model)
    found = []
    for node in model.proto.graph.node:
        if node.op_type != "BatchNormalization" or len(node.input) < 5:
            continue
        mean, variance = stored.value(node.input[3]), stored.value(node.input[4])
        if mean is None or variance is None:
            continue
        found.append(
            BatchNorm(
                node.input[0],
                np.asarray(mean, np.float64),
                np.asarray(variance, np.float64),
                attribute_values(node).get("epsilon", 1e-5),
            )
        )
    return tuple(found)
