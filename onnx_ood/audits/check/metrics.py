"""Figures that gates can bound: what each means, what it needs, and what is worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from onnx_ood.audits.check import metric_values as readings
from onnx_ood.audits.check.metric_values import Read


@dataclass(frozen=True)
class Metric:
    """A figure that an audit gives.

    Attributes:
        name: What gates call it.
        meaning: In words.
        audit: Which audit gives it; `"file"` for what is read from the model file alone.
        read: Reads it; takes the audits, what the gate's `of` says, and its `set`.
        kind: What it is: a number, a text, or texts.
        unit: Of a number, or empty.
        largest: The largest number that it can be; None for no such.
        worse: What is worse; `"change"` where neither is better.
        of: What a gate has to name; None for nothing.
        takes_set: Whether a gate may name an out-of-distribution set.
        needs: Keys of a model that have to be there.
        advice: What to try where a gate fails.
    """

    name: str
    meaning: str
    audit: Literal["file", "score", "bench", "sensitivity"]
    read: Read
    advice: str
    kind: Literal["number", "text", "texts"] = "number"
    unit: str = ""
    largest: float | None = None
    worse: Literal["larger", "smaller", "change"] = "larger"
    of: Literal["detector", "probe", "trajectories"] | None = None
    takes_set: bool = False
    needs: tuple[str, ...] = ("inputs",)


_MEASURED = (
    "check the weights up to this layer, and the preprocessing; compare the layers with onnx-ood score"
)
_ALL: Sequence[Metric] = (
    Metric(
        "auroc",
        "how well a detector tells a set from the ordinary inputs; without a set, the mean over all sets",
        "bench",
        readings.auroc,
        "see all detectors and sets with onnx-ood bench; check the preprocessing, and that the sets are as before",
        largest=1,
        worse="smaller",
        of="detector",
        takes_set=True,
    ),
    Metric(
        "flagged",
        "share of inputs that are flagged as unlike the references",
        "score",
        readings.flagged,
        "look at the flagged inputs with onnx-ood score --reference; check the preprocessing",
        unit="share",
        largest=1,
        needs=("inputs", "reference"),
    ),
    Metric(
        "cosine-drop",
        "how far the activation of a probe turns when inputs are nudged: median over inputs",
        "score",
        readings.at_probe("drop"),
        _MEASURED,
        largest=2,
        worse="change",
        of="probe",
    ),
    Metric(
        "distortion",
        "angle by which a probe turns over the angle by which the nudged input does: median over inputs",
        "score",
        readings.at_probe("distortion"),
        _MEASURED,
        worse="change",
        of="probe",
    ),
    Metric(
        "flip-rate",
        "share of a probe's units that a nudge switches on or off: median over inputs",
        "score",
        readings.at_probe("flip_rate"),
        _MEASURED,
        unit="share",
        largest=1,
        worse="change",
        of="probe",
    ),
    Metric(
        "above-noise",
        "share of inputs whose cosine drop at a probe is more than float rounding alone can make",
        "score",
        readings.above_noise,
        "nudge more strongly with scale, or watch another layer",
        unit="share",
        largest=1,
        worse="smaller",
        of="probe",
    ),
    Metric(
        "jacobian-norm",
        "norm of the Jacobian of the answer by the input: mean over inputs",
        "sensitivity",
        readings.jacobian,
        "compare the models with onnx-ood sensitivity; check the preprocessing",
    ),
    Metric(
        "transition-density",
        "changes of linear region for each unit of length: mean over trajectories of a kind",
        "sensitivity",
        readings.density,
        "compare the models with onnx-ood sensitivity; check the preprocessing",
        of="trajectories",
    ),
    Metric(
        "agreement",
        "share of inputs to which the baseline model gives the same class",
        "score",
        readings.agreement,
        "look at inputs that the two answer differently; check weights, preprocessing and quantisation",
        unit="share",
        largest=1,
        worse="smaller",
        needs=("inputs", "baseline-model"),
    ),
    Metric(
        "failed-inputs",
        "share of inputs that can't be read or run, or for which the model gives NaN or infinity",
        "score",
        readings.failed,
        "onnx-ood score lists the failed inputs with reasons",
        unit="share",
        largest=1,
    ),
    Metric(
        "observer-effect",
        "largest relative change of the model's outputs by watching it",
        "score",
        readings.observer,
        "watch fewer probes, or accept the runtime's fusions with a larger bound",
    ),
    Metric(
        "provider",
        "where the model ran: cuda or cpu",
        "score",
        readings.provider,
        "onnx-ood doctor says what this machine can run",
        kind="text",
        worse="change",
    ),
    Metric(
        "size",
        "bytes on disk, external data included",
        "file",
        readings.size,
        "export the model again; onnx-ood inspect shows what is in it",
        unit="bytes",
        needs=(),
    ),
    Metric(
        "parameters",
        "stored numbers: elements of initializers and constants",
        "file",
        readings.parameters,
        "see what is in the model with onnx-ood inspect; another architecture or export was sent",
        worse="change",
        needs=(),
    ),
    Metric(
        "opset",
        "version of the standard operators",
        "file",
        readings.opset,
        "export the model for the opset that is asked for",
        worse="change",
        needs=(),
    ),
    Metric(
        "operators",
        "operators that occur, inside control flow and functions too",
        "file",
        readings.operators,
        "export the model without them; onnx-ood inspect shows what is in it",
        kind="texts",
        worse="change",
        needs=(),
    ),
    Metric(
        "nan-weights",
        "stored values that are NaN, weights and constants",
        "file",
        readings.non_finite("nan"),
        "the training or the export broke; fetch the file again or export it from a good checkpoint",
        unit="values",
        needs=(),
    ),
    Metric(
        "infinite-weights",
        "stored values that are infinite, weights and constants (masks of attention may well be)",
        "file",
        readings.non_finite("infinite"),
        "export the model from a good checkpoint; a mask may use the largest finite number instead",
        unit="values",
        needs=(),
    ),
)
METRICS: Mapping[str, Metric] = {figure.name: figure for figure in _ALL}
"""By name."""
