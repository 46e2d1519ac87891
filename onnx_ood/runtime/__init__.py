"""The one place that runs models: plan, instrumented model, stages, session, statistics (see README.md)."""

from onnx_ood.runtime.activation_patterns import ActivationPatterns, PatternReader, distances
from onnx_ood.runtime.arguments import (
    batch_axis,
    can_feed,
    find_input,
    find_site,
    first_input,
    why_no_site,
)
from onnx_ood.runtime.batching.batch_axis import find_fed_input
from onnx_ood.runtime.channel_reader import ChannelReader, Channels, ChannelStatistics
from onnx_ood.runtime.host import PerturbationGroup
from onnx_ood.runtime.jacobian.estimate import jacobian_norms
from onnx_ood.runtime.jacobian.jacobian_prober import JacobianProber
from onnx_ood.runtime.jacobian.norms import JacobianCheck, JacobianNorms
from onnx_ood.runtime.jacobian.probe import answer_tensor, find_jacobian_probe
from onnx_ood.runtime.measure import measure, observer_effect
from onnx_ood.runtime.measurement import Measurement
from onnx_ood.runtime.prober import Prober
from onnx_ood.runtime.rings import ring_transitions
from onnx_ood.runtime.session import Session
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
    "Session",
    "Transitions",
    "answer_tensor",
    "batch_axis",
    "can_feed",
    "count_transitions",
    "decoding_threads",
    "distances",
    "find_fed_input",
    "find_input",
    "find_jacobian_probe",
    "find_site",
    "first_input",
    "jacobian_norms",
    "measure",
    "observer_effect",
    "ring_transitions",
    "why_no_site",
]
