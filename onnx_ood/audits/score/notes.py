"""Notes of a score result: what a reader should know about the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from onnx_ood import models
from onnx_ood.audits.score.nudging import Perturber
from onnx_ood.audits.score.result import DetectorSummary, InputResult, ProbeAdvice, ProbeResult
from onnx_ood.audits.score.settings import ScoreSettings
from onnx_ood.audits.score.stream.stream import Stream
from onnx_ood.detectors import MIN_INPUTS, MIN_SPLIT, find_detector, min_discoveries
from onnx_ood.evidence.model_notes import randomness_notes
from onnx_ood.graph import Rounding
from onnx_ood.inputs import InputSource, shown
from onnx_ood.results.base import ModelAnswer, Run
from onnx_ood.results.note_order import MIXED_BATCH, NOT_EVALUATED
from onnx_ood.results.provenance import fallback_report


def rank_notes(results: Sequence[InputResult], *, nudged: bool) -> list[str]:
    """Note inputs that cannot be compared with each other, by their drops or by equal scores.

    Args:
        results: The inputs.
        nudged: True if drops were measured.
    """
    if not results:
        return []
    if len(results) > 1 and results[0].scores and len({entry.scores[0] for entry in results}) == 1:
        return ["All inputs have the same score: their order means nothing."]
    if not nudged or any(entry.deviation is not None for entry in results):
        return []
    what = "are listed as given, without a rank" if results[0].rank is None else "have no deviation"
    if len(results) < MIN_INPUTS:
        return [f"Fewer than {MIN_INPUTS} inputs cannot be compared with each other: they {what}."]
    return [f"The drops of all inputs are equal, so they cannot be compared with each other: they {what}."]


def detector_notes(
    summary: DetectorSummary | None, source: InputSource, inputs: int = 0, flagged: int = 0
) -> list[str]:
    """Note references that are too few for flags, and inputs that look like bundled references.

    Args:
        summary: Detectors and references.
        source: The inputs.
        inputs: Number of scored inputs.
        flagged: Number of flagged inputs.
    """
    if summary is None:
        return []
    notes = [] if flagged else discovery_notes(summary, inputs)
    if summary.fpr is not None and not summary.flags:
        notes.append(
            f"With so few references no p-value is below {summary.smallest_p:.2g}, so no input can be flagged at a "
            f"false-positive rate of {summary.fpr:g}; give more references."
        )
    if summary.reference == "bundled":
        bundled = {photo.name for photo in models.photos()}
        among = sum(path.name in bundled for path in source.paths)
        if among:
            notes.append(
                f"{among} of the inputs have names of the bundled photos that serve as references; if they are these "
                "photos, they look more typical than they are."
            )
    return notes


def discovery_notes(summary: DetectorSummary, inputs: int) -> list[str]:
    """Note that so many inputs cannot be flagged one by one at a false-discovery rate with so few references."""
    if summary.fdr is None or summary.smallest_p is None or not inputs:
        return []
    needed = min_discoveries(summary.smallest_p, inputs, summary.fdr)
    if needed == 1:
        return []
    few = (
        f"With {summary.references:,} references the smallest p-value is 1/{summary.calibrating + 1:,}: at a "
        f"false-discovery rate of {summary.fdr:g} "
    )
    if needed > inputs:
        return [f"{few}no input can be flagged; give at least {summary.references_for(summary.fdr):,}."]
    return [
        f"{few}inputs are flagged only if at least {needed:,} of {inputs:,} are that unusual; "
        f"{summary.references_for(summary.fdr / inputs):,} references suffice to flag one."
    ]


def answer_notes(answer: ModelAnswer) -> list[str]:
    """Note that no predictions are listed."""
    return [f"No predictions are listed: {answer.reason}."] if answer.reason else []


def rounding_notes(
    site: str,
    rounding: Rounding | None,
    settings: ScoreSettings,
    perturber: Perturber,
    results: Sequence[InputResult],
) -> list[str]:
    """Note nudges that the model rounds away, or that were enlarged to its steps."""
    if rounding is None:
        return []
    rounds = f"the model rounds {site!r} to {rounding}"
    if results and not any(drop for entry in results for drop in entry.drop):
        return [
            f"{NOT_EVALUATED}: {rounds}, so nudges change nothing; choose a larger scale or a later site."
        ]
    if perturber.scale > settings.scale:
        return [
            f"{rounds[0].upper()}{rounds[1:]}: nudges have a standard deviation of {perturber.scale:.3g} in place of "
            f"{settings.scale:.3g}."
        ]
    if rounding.step is None:
        return [f"{rounds[0].upper()}{rounds[1:]}: nudges smaller than a step are rounded away or up to it."]
    return []


def order_notes(summary: DetectorSummary | None, results: Sequence[InputResult]) -> list[str]:
    """Note flagged inputs that rank below others, which looks like a mistake."""
    flags = [entry.flagged for entry in results if entry.flagged is not None]
    if summary is None or flags == sorted(flags, reverse=True):
        return []
    why = (
        "p-values count unusually low scores, too"
        if find_detector(summary.detectors[0].name).two_sided
        else f"with fewer than {MIN_SPLIT} references p-values use only part of the score, so order and flags can "
        "differ"
        if summary.references < MIN_SPLIT
        else "with so few references for this rate p-values use only part of the score, so order and flags can differ"
    )
    return [f"Some flagged inputs rank below inputs that are not flagged: {why}."]


def batching_notes(run: Run, outputs: Sequence[str]) -> list[str]:
    """Note that predictions may depend on the batch: an output of the model cannot be split by input.

    Args:
        run: Facts of the run.
        outputs: Names of the model's outputs.
    """
    if not any(run.batching_note.startswith(f"one input at a time: {name!r}") for name in outputs):
        return []
    return [f"{MIXED_BATCH}; inputs were run {run.batching_note}."]


def run_notes(settings: ScoreSettings, run: Run) -> list[str]:
    """Note how the model ran if it differs from the settings."""
    notes = [*randomness_notes(run.random_operators)]
    if settings.tf32 and not run.tf32:
        notes.append("TF32 was requested, but the model ran on the CPU, which has none.")
    if run.fallback_nodes:
        notes.append(fallback_report(run.fallback_nodes))
    return notes


def comparison_notes(probes: Sequence[ProbeResult], pairs: int) -> list[str]:
    """Note pairs that are not comparable.

    Args:
        probes: Results of the probes.
        pairs: Number of pairs of an input and a copy at each probe.
    """
    return [
        f"At probe {probe.name}, {probe.not_comparable:,} of {pairs:,} pairs of an input and a copy are not "
        "comparable: their activations differ in size, which depends on the data, or are empty, as in a branch that an "
        "input does not take. They are left out."
        for probe in probes
        if probe.not_comparable
    ]


def advice_notes(settings: ScoreSettings, advice: tuple[ProbeAdvice, ...] | None) -> list[str]:
    """Note the meaning of advice on probes."""
    if not settings.advise:
        return []
    if advice is None:
        return [f"Advice on probes takes at least {MIN_INPUTS} inputs."]
    return [
        "Advice on probes is found without labels: it tells where nudges separate these inputs, not where they "
        "separate out-of-distribution inputs from in-distribution ones; onnx-ood directions measures that."
    ]


def label_notes(
    settings: ScoreSettings, names: Sequence[str] | None, results: Sequence[InputResult]
) -> list[str]:
    """Note class names that do not fit the model."""
    predictions = [one.prediction for one in results if one.prediction is not None]
    if settings.labels is None or names is None or not predictions or predictions[0].label is not None:
        return []
    return [
        f"{settings.labels} has {len(names):,} class names, not as many as the model has classes; predictions are "
        "shown by index."
    ]


def stream_notes(stream: Stream, listed: int) -> list[str]:
    """Note inputs of a streamed run that the result does not list."""
    notes = []
    if listed < stream.scored:
        notes.append(
            f"Of {stream.scored:,} scored inputs, {listed:,} are listed: half the most unusual, half the least. The "
            "stream has all."
        )
    if stream.path is not None and not stream.path.exists():
        notes.append(
            f"The stream {shown(stream.path)} was deleted during the run: this result is all that is left of it."
        )
    if stream.done.left:
        notes.append(
            f"{stream.done.left:,} inputs of the resumed run are not among the inputs given now; they count all the "
            "same."
        )
    return notes
