"""BatchNormalization nodes, whose running statistics are a summary of the training data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from onnx_ood.graph.catalogue.model import Model
from onnx_ood.graph.catalogue.stored import StoredValues


@dataclass(frozen=True)
class BatchNorm:
    """One BatchNormalization node that has running statistics.

    Attributes:
        reads: The tensor that it normalises, [N, C, ...].
        mean: Running mean, float64 [C].
        variance: Running variance, float64 [C].
        epsilon: What it adds to the variance.
    """

    reads: str
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    epsilon: float


def find_batch_norms(model: Model) -> tuple[BatchNorm, ...]:
    """Finds the BatchNormalization nodes of the main graph, in order.

    Args:
        model: The model. Of its weights the running statistics alone are read.

    Returns:
        Those whose statistics are stored. Nodes that exporters folded into convolutions are gone.
    """
    stored = StoredValues(model)
    found = []
    for node in model.proto.graph.node:
        if node.op_type != "BatchNormalization" or len(node.input) < 5:
            continue
        mean, variance = stored.value(node.input[3]), stored.value(node.input[4])
        if mean is None or variance is None:
            continue
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        found.append(
            BatchNorm(
                node.input[0],
                np.asarray(mean, np.float64),
                np.asarray(variance, np.float64),
                attributes.get("epsilon", 1e-5),
            )
        )
    return tuple(found)
