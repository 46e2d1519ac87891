"""Reading, selecting and rewriting ONNX graphs. Uses onnx, never onnxruntime."""

from onnx_ood.graph.answer import (
    Answer,
    ClassScores,
    find_answer,
    gives_probabilities,
    row_size,
    why_no_answer,
    why_no_scores,
)
from onnx_ood.graph.batch_norms import BatchNorm, find_batch_norms
from onnx_ood.graph.catalogue.contents import NonFinite, all_operators, count_non_finite
from onnx_ood.graph.catalogue.external import embed_values, relocated
from onnx_ood.graph.catalogue.model import Model, load, once_per_model
from onnx_ood.graph.catalogue.names import PREFIX
from onnx_ood.graph.catalogue.nested import reached_from
from onnx_ood.graph.catalogue.node_evaluation import evaluate_node
from onnx_ood.graph.catalogue.nodes import attribute_values, is_standard, standard_opset, subgraphs
from onnx_ood.graph.catalogue.operator_names import why_unknown_operator
from onnx_ood.graph.catalogue.tensors import Dim, Tensor, format_shape
from onnx_ood.graph.catalogue.type_protos import element_type, tensor_type
from onnx_ood.graph.channels import ChannelAxes
from onnx_ood.graph.fed_input import FedInput
from onnx_ood.graph.heads import LinearLayer, find_linear_layer, why_no_linear_layer
from onnx_ood.graph.instrument import Instrumented, instrument
from onnx_ood.graph.randomness import random_operators
from onnx_ood.graph.select import measurable, not_floating, select, why_not_measurable
from onnx_ood.graph.sites import (
    Rounding,
    find_rounding,
    holds_input,
    nearest_floats,
    nudgeable,
    why_not_nudged,
)
from onnx_ood.graph.suggest import DEFAULT_LIMIT, Suggestion, suggest_probes
from onnx_ood.graph.surface.cut import Cut, downstream_model, find_cut
from onnx_ood.graph.surface.open_site import MIN_OPSET as MIN_NUDGE_OPSET
from onnx_ood.graph.surface.pair_statistics import MAX_UNITS, PairGraph, with_pair_statistics
from onnx_ood.graph.surface.pool_indices import PoolIndices, with_pool_indices
from onnx_ood.graph.surface.rewrite import Rewritten, open_at, rewrite
from onnx_ood.graph.surface.segments import Segment, Splitter
from onnx_ood.graph.units import PatternSite, Units, find_units

__all__ = [
    "DEFAULT_LIMIT",
    "MAX_UNITS",
    "MIN_NUDGE_OPSET",
    "PREFIX",
    "Answer",
    "BatchNorm",
    "ChannelAxes",
    "ClassScores",
    "Cut",
    "Dim",
    "FedInput",
    "Instrumented",
    "LinearLayer",
    "Model",
    "NonFinite",
    "PairGraph",
    "PatternSite",
    "PoolIndices",
    "Rewritten",
    "Rounding",
    "Segment",
    "Splitter",
    "Suggestion",
    "Tensor",
    "Units",
    "all_operators",
    "attribute_values",
    "count_non_finite",
    "downstream_model",
    "element_type",
    "embed_values",
    "evaluate_node",
    "find_answer",
    "find_batch_norms",
    "find_cut",
    "find_linear_layer",
    "find_rounding",
    "find_units",
    "format_shape",
    "gives_probabilities",
    "holds_input",
    "instrument",
    "is_standard",
    "load",
    "measurable",
    "nearest_floats",
    "not_floating",
    "nudgeable",
    "once_per_model",
    "open_at",
    "random_operators",
    "reached_from",
    "relocated",
    "rewrite",
    "row_size",
    "select",
    "standard_opset",
    "subgraphs",
    "suggest_probes",
    "tensor_type",
    "why_no_answer",
    "why_no_linear_layer",
    "why_no_scores",
    "why_not_measurable",
    "why_not_nudged",
    "why_unknown_operator",
    "with_pair_statistics",
    "with_pool_indices",
]
