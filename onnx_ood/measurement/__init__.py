"""Plan → instrumented model → session → statistics: the one place that runs models."""

from onnx_ood.measurement.arguments import find_site
from onnx_ood.measurement.measure import measure, observer_effect
from onnx_ood.measurement.prober import Prober
from onnx_ood.measurement.result import Measurement

__all__ = ["Measurement", "Prober", "find_site", "measure", "observer_effect"]
