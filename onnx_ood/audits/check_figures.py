"""Figures that gates can bound: what each means, and how it is read from an audit's result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from onnx_ood.audits.agreement import compare_answers
from onnx_ood.audits.check_runs import Runs, enough
from onnx_ood.exceptions import NotEvaluatedError, UsageError
from onnx_ood.graph import all_operators, count_non_finite
from onnx_ood.metrics.intervals import median_interval, share_interval


@dataclass(frozen=True)
class Reading:
    """What a figure is.

    Attributes:
        value: A number, a text, or texts.
        low: Lower end of the number's 95% confidence interval, None where it has none.
        high: Upper end.
        count: From how many inputs (or trajectories) it is; None where none are involved.
        detail: What a reader should know of it, or empty.
    """

    value: float | str | tuple[str, ...]
    low: float | None = None
    high: float | None = None
    count: int | None = None
    detail: str = ""


Read = Callable[[Runs, str, str | None], Reading]


@dataclass(frozen=True)
class Figure:
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


def _auroc(runs: Runs, of: str, named: str | None) -> Reading:
    if reason := runs.why_no_detector(of):
        raise NotEvaluatedError(reason)
    result = runs.bench()
    sets = {one.name: one.inputs for one in result.sets}
    if named is not None and named not in sets:
        raise UsageError(f"there is no set {named!r}: name one of {', '.join(sets)}")
    if result.status == "not evaluated":
        least = min(sets, key=lambda name: sets[name])
        raise NotEvaluatedError(
            "fewer than 10 inputs of a set could be measured: "
            f"{result.ordinary} ordinary ones, {sets[least]} of {least}"
        )
    detector = next(one for one in result.detectors if one.name == of)
    wanted = {named: sets[named]} if named is not None else sets
    area = detector.macro
    if named is not None:
        area = next(one.auroc for one in detector.figures if one.set == named)
    return Reading(area.value, area.low, area.high, min(result.ordinary, *wanted.values()))


def _flagged(runs: Runs, _of: str, _set: str | None) -> Reading:
    if reason := runs.why_no_detector(runs.said.detector):
        raise NotEvaluatedError(reason)
    result = runs.scored()
    if result.flagged is None:
        verdict = result.verdict
        rate = f" at a rate of {verdict.rate:g}" if verdict and verdict.rate else ""
        raise NotEvaluatedError(f"nothing can be flagged{rate} by so few references; give more")
    return _share(result.flagged, result.scored)


def _at_probe(measure: Literal["drop", "flip_rate"]) -> Read:
    def read(runs: Runs, of: str, _set: str | None) -> Reading:
        name = runs.probe(of)
        result = runs.scored()
        if name in result.skipped_probes:
            raise NotEvaluatedError(f"{name}: {result.skipped_probes[name]}")
        place = [probe.name for probe in result.probes].index(name)
        values = [getattr(entry, measure)[place] for entry in result.inputs]
        known = [value for value in values if value is not None]
        if not known:
            raise NotEvaluatedError(f"{name} has no such number for any input")
        median = median_interval(known)
        probe = result.probes[place]
        detail = ""
        if measure == "drop" and probe.above_floor < 0.5:
            detail = f"most drops are not above the noise floor of {probe.noise_floor:.2g}"
        return Reading(median.mean, _number(median.low), _number(median.high), len(known), detail)

    return read


def _jacobian(runs: Runs, _of: str, _set: str | None) -> Reading:
    norm = runs.sensitive().jacobian.norm
    if norm.mean is None:
        raise NotEvaluatedError("no Jacobian norm is a finite number")
    return Reading(norm.mean, norm.low, norm.high, norm.count)


def _density(runs: Runs, of: str, _set: str | None) -> Reading:
    kind = next((one for one in runs.sensitive().kinds if one.kind == of), None)
    if kind is None or kind.density.mean is None:
        raise NotEvaluatedError(f"there are no trajectories of the kind {of!r} between these inputs")
    density = kind.density
    unsure = density.count - kind.converged
    detail = f"{unsure} of {density.count} trajectories did not converge" if unsure else ""
    return Reading(density.mean or 0.0, density.low, density.high, density.count, detail)


def _agreement(runs: Runs, _of: str, _set: str | None) -> Reading:
    same, compared = compare_answers(runs.score(), enough(runs.baseline_score()))
    return _share(same, compared)


def _observer(runs: Runs, _of: str, _set: str | None) -> Reading:
    effect = runs.scored().run.observer_effect
    if effect is None:
        raise NotEvaluatedError("the model was not run unwatched")
    return Reading(effect)


def _failed(runs: Runs, _of: str, _set: str | None) -> Reading:
    result = runs.score()
    total = result.scored + result.unscored
    if not total:
        raise NotEvaluatedError("there are no inputs")
    first = f"the first: {result.failed[0].id}: {result.failed[0].reason}" if result.failed else ""
    reading = _share(result.unscored, total)
    return Reading(reading.value, reading.low, reading.high, total, first)


def _provider(runs: Runs, _of: str, _set: str | None) -> Reading:
    run = runs.score().run
    if not run.placement:
        raise NotEvaluatedError("no input was run")
    return Reading(run.provider, detail=run.provider_note)


def _size(runs: Runs, _of: str, _set: str | None) -> Reading:
    return Reading(runs.model.size)


def _opset(runs: Runs, _of: str, _set: str | None) -> Reading:
    if "ai.onnx" not in runs.model.opsets:
        raise NotEvaluatedError("the model imports no version of the standard operators")
    return Reading(runs.model.opsets["ai.onnx"])


def _operators(runs: Runs, _of: str, _set: str | None) -> Reading:
    return Reading(all_operators(runs.model))


def _non_finite(what: Literal["nan", "infinite"]) -> Read:
    def read(runs: Runs, _of: str, _set: str | None) -> Reading:
        found = count_non_finite(runs.model)
        count = found.nan if what == "nan" else found.infinite
        shown = ", ".join(found.tensors[:3]) + (", ..." if len(found.tensors) > 3 else "")
        return Reading(count, detail=f"NaN or infinity is in {shown}" if count else "")

    return read


def _share(count: int, total: int) -> Reading:
    return Reading(count / total, *share_interval(count, total), total)


def _number(value: float) -> float | None:
    return value if isfinite(value) else None


_MEASURED = (
    "check the weights up to this layer, and the preprocessing; compare the layers with onnx-ood score"
)
_ALL: Sequence[Figure] = (
    Figure(
        "auroc",
        "how well a detector tells a set from the ordinary inputs; without a set, the mean over all sets",
        "bench",
        _auroc,
        "see all detectors and sets with onnx-ood bench; check the preprocessing, and that the sets are as before",
        largest=1,
        worse="smaller",
        of="detector",
        takes_set=True,
    ),
    Figure(
        "flagged",
        "share of inputs that are flagged as unlike the references",
        "score",
        _flagged,
        "look at the flagged inputs with onnx-ood score --reference; check the preprocessing",
        unit="share",
        largest=1,
        needs=("inputs", "reference"),
    ),
    Figure(
        "cosine-drop",
        "how far the activation of a probe turns when inputs are nudged: median over inputs",
        "score",
        _at_probe("drop"),
        _MEASURED,
        largest=2,
        worse="change",
        of="probe",
    ),
    Figure(
        "flip-rate",
        "share of a probe's units that a nudge switches on or off: median over inputs",
        "score",
        _at_probe("flip_rate"),
        _MEASURED,
        unit="share",
        largest=1,
        worse="change",
        of="probe",
    ),
    Figure(
        "jacobian-norm",
        "norm of the Jacobian of the answer by the input: mean over inputs",
        "sensitivity",
        _jacobian,
        "compare the models with onnx-ood sensitivity; check the preprocessing",
    ),
    Figure(
        "transition-density",
        "changes of linear region for each unit of length: mean over trajectories of a kind",
        "sensitivity",
        _density,
        "compare the models with onnx-ood sensitivity; check the preprocessing",
        of="trajectories",
    ),
    Figure(
        "agreement",
        "share of inputs to which the baseline model gives the same class",
        "score",
        _agreement,
        "look at inputs that the two answer differently; check weights, preprocessing and quantisation",
        unit="share",
        largest=1,
        worse="smaller",
        needs=("inputs", "baseline-model"),
    ),
    Figure(
        "failed-inputs",
        "share of inputs that can't be read or run, or for which the model gives NaN or infinity",
        "score",
        _failed,
        "onnx-ood score lists the failed inputs with reasons",
        unit="share",
        largest=1,
    ),
    Figure(
        "observer-effect",
        "largest relative change of the model's outputs by watching it",
        "score",
        _observer,
        "watch fewer probes, or accept the runtime's fusions with a larger bound",
    ),
    Figure(
        "provider",
        "where the model ran: cuda or cpu",
        "score",
        _provider,
        "onnx-ood doctor says what this machine can run",
        kind="text",
        worse="change",
    ),
    Figure(
        "size",
        "bytes on disk, external data included",
        "file",
        _size,
        "export the model again; onnx-ood inspect shows what is in it",
        unit="bytes",
        needs=(),
    ),
    Figure(
        "opset",
        "version of the standard operators",
        "file",
        _opset,
        "export the model for the opset that is asked for",
        worse="change",
        needs=(),
    ),
    Figure(
        "operators",
        "operators that occur, inside control flow and functions too",
        "file",
        _operators,
        "export the model without them; onnx-ood inspect shows what is in it",
        kind="texts",
        worse="change",
        needs=(),
    ),
    Figure(
        "nan-weights",
        "stored values that are NaN, weights and constants",
        "file",
        _non_finite("nan"),
        "the training or the export broke; fetch the file again or export it from a good checkpoint",
        unit="values",
        needs=(),
    ),
    Figure(
        "infinite-weights",
        "stored values that are infinite, weights and constants (masks of attention may well be)",
        "file",
        _non_finite("infinite"),
        "export the model from a good checkpoint; a mask may use the largest finite number instead",
        unit="values",
        needs=(),
    ),
)
FIGURES: Mapping[str, Figure] = {figure.name: figure for figure in _ALL}
"""By name."""
