"""Reading, cataloguing, selecting and rewriting ONNX graphs. Knows onnx, knows nothing of onnxruntime."""

from onnx_ood.graph.cut import Cut, behind_cut, element_type, find_cut
from onnx_ood.graph.external import relocated
from onnx_ood.graph.instrument import Instrumented, instrument
from onnx_ood.graph.model import Model, load
from onnx_ood.graph.rewrite import with_outputs
from onnx_ood.graph.select import measurable, not_floating, select, why_not_measurable
from onnx_ood.graph.suggest import DEFAULT_LIMIT, Suggestion, suggest_probes
from onnx_ood.graph.tensors import Tensor, format_shape

__all__ = [
    "DEFAULT_LIMIT",
    "Cut",
    "Instrumented",
    "Model",
    "Suggestion",
    "Tensor",
    "behind_cut",
    "element_type",
    "find_cut",
    "format_shape",
    "instrument",
    "load",
    "measurable",
    "not_floating",
    "relocated",
    "select",
    "suggest_probes",
    "why_not_measurable",
    "with_outputs",
]
