"""Plan → instrumented model → session → statistics: the one place that runs models."""

from onnx_ood.measurement.arguments import batch_axis, can_feed, find_input, find_site, first_input
from onnx_ood.measurement.channels import ChannelReader, Channels, ChannelStatistics
from onnx_ood.measurement.codes import CodeReader, Codes, distances
from onnx_ood.measurement.cores import decoding_threads
from onnx_ood.measurement.jacobian import (
    JacobianCheck,
    JacobianNorms,
    JacobianProber,
    find_derived,
    jacobian_norms,
)
from onnx_ood.measurement.measure import measure, observer_effect
from onnx_ood.measurement.prober import Group, Prober
from onnx_ood.measurement.result import Measurement
from onnx_ood.measurement.rings import ring_transitions
from onnx_ood.measurement.transitions import Transitions, count_transitions

__all__ = [
    "ChannelReader",
    "ChannelStatistics",
    "Channels",
    "CodeReader",
    "Codes",
    "Group",
    "JacobianCheck",
    "JacobianNorms",
    "JacobianProber",
    "Measurement",
    "Prober",
    "Transitions",
    "batch_axis",
    "can_feed",
    "count_transitions",
    "decoding_threads",
    "distances",
    "find_derived",
    "find_input",
    "find_site",
    "first_input",
    "jacobian_norms",
    "measure",
    "observer_effect",
    "ring_transitions",
]
