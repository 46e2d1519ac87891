"""Plan → instrumented model → session → statistics: the one place that runs models."""

from onnx_ood.runtime.arguments import batch_axis, can_feed, find_input, find_site, first_input
from onnx_ood.runtime.channels import ChannelReader, Channels, ChannelStatistics
from onnx_ood.runtime.jacobian.prober import (
    JacobianCheck,
    JacobianNorms,
    JacobianProber,
    find_jacobian_probe,
    jacobian_norms,
)
from onnx_ood.runtime.measure import measure, observer_effect
from onnx_ood.runtime.measurement import Measurement
from onnx_ood.runtime.patterns import ActivationPatterns, PatternReader, distances
from onnx_ood.runtime.prober import PerturbationGroup, Prober
from onnx_ood.runtime.rings import ring_transitions
from onnx_ood.runtime.threads import decoding_threads
from onnx_ood.runtime.transitions import Transitions, count_transitions

__all__ = [
    "ActivationPatterns",
    "ChannelReader",
    "ChannelStatistics",
    "Channels",
    "JacobianCheck",
    "JacobianNorms",
    "JacobianProber",
    "Measurement",
    "PatternReader",
    "PerturbationGroup",
    "Prober",
    "Transitions",
    "batch_axis",
    "can_feed",
    "count_transitions",
    "decoding_threads",
    "distances",
    "find_input",
    "find_jacobian_probe",
    "find_site",
    "first_input",
    "jacobian_norms",
    "measure",
    "observer_effect",
    "ring_transitions",
]
