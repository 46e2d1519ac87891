"""Score results in words, shared by terminal and page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from onnx_ood.audits.score.result import (
    DetectorSummary,
    InputResult,
    ProbeResult,
    ScoreResult,
    ScoreTerm,
    UsedDetector,
)
from onnx_ood.detectors import MIN_INPUTS
from onnx_ood.reports import numbers
from onnx_ood.reports.words import SPACES, counted, failure_text, feeds
from onnx_ood.results.base import DetectorNudges, NudgeSettings, Run
from onnx_ood.results.note_order import by_consequence
from onnx_ood.results.provenance import placement_text

# Parts of reasons for the CPU on machines without a GPU to use.
_NO_GPU = ("no NVIDIA driver", "no GPU", "built without CUDA")
# Relative change of the outputs above which watching is worth a warning; fused kernels differ by less.
_MAX_OBSERVER_EFFECT = 1e-3
# Value from which a term that is not the largest is named: one standard deviation of the references.
_NOTICEABLE = 1.0


def score_headline(result: ScoreResult) -> tuple[str, str]:
    """Return the answer in one sentence, and its style: "red" for a reason to look, or empty."""
    summary, count = result.detector_summary, result.scored
    if result.status == "not_evaluated":
        return (
            f"Not evaluated: {count:,} of {counted(count + result.unscored, 'input')} could be scored",
            "red",
        )
    if not result.inputs or result.inputs[0].rank is None:
        reason = f"fewer than {MIN_INPUTS}" if count < MIN_INPUTS else "their drops are equal"
        return f"{counted(count, 'input')} measured, not ranked: {reason}", ""
    if summary is None:
        return (
            f"{counted(count, 'input')} ranked by deviation from each other, not flagged: no references given",
            "",
        )
    scored = (
        f"{counted(count, 'input')} {'scored' if count == 1 else 'ranked'} by {summary.detectors[0].name}"
    )
    if summary.rate is None:
        beyond = _beyond_references(result)
        if beyond is None:
            instead = {"bundled": ", only the bundled photos", "run": ", compared with the run itself"}
            return f"{scored}, not flagged: no references given{instead.get(summary.reference, '')}", ""
        return (
            f"{beyond:,} of {counted(count, 'input')} more unusual than all {summary.references:,} bundled crops "
            "(no references given)",
            "",
        )
    kind, rate = _rate(summary), f"{100 * summary.rate:g}%"
    references = counted(summary.references, "reference")
    if result.flagged is None:
        return f"{scored}, not flagged: {references} are too few for a {kind} of {rate}", ""
    found = f"{result.flagged:,} of {counted(count, 'input')} flagged"
    return f"{found}: unlike the {references} ({kind} {rate})", "red" * bool(result.flagged)


def _rate(summary: DetectorSummary) -> str:
    return "false-positive rate" if summary.fdr is None else "false-discovery rate"


def _beyond_references(result: ScoreResult) -> int | None:
    """Return the number of inputs that score higher than every bundled reference; None if unknown."""
    summary = result.detector_summary
    if summary is None or summary.reference != "bundled" or summary.largest_reference is None:
        return None
    beyond = sum(one.scores[0] > summary.largest_reference for one in result.inputs)
    # A streamed run lists the first and the last: more inputs may be beyond than the first ones.
    return None if len(result.inputs) < result.scored and 2 * beyond >= len(result.inputs) else beyond


def score_warnings(result: ScoreResult) -> list[str]:
    """Return warnings, the most important first."""
    run, probes = result.run, result.probes
    warnings = [*result.notes, failure_text(result.failed, result.unscored, "scored")]
    if run.provider_note and not any(part in run.provider_note for part in _NO_GPU):
        warnings.append(f"Ran on the CPU: {run.provider_note}; see onnx-ood doctor")
    if (run.observer_effect or 0) > _MAX_OBSERVER_EFFECT:
        moved = numbers.number(run.observer_effect)
        warnings.append(f"Watching changed the model's outputs by {moved} of their size; use --exact")
    # The cosine of one number cannot drop.
    if low := sum(probe.above_floor < 1 and probe.units > 1 for probe in probes):
        of = f"At {low} of {counted(len(probes), 'probe')} drops"
        if run.random_operators:
            warnings.append(f"{of} are not above the model's own randomness")
        else:
            warnings.append(f"{of} can be rounding noise; use a larger --scale")
    if result.skipped_probes:
        warnings.append(f"{counted(len(result.skipped_probes), 'probe')} skipped; --verbose lists them")
    if result.ignored:
        warnings.append(f"{counted(len(result.ignored), 'file')} of other types skipped")
    return by_consequence(filter(None, warnings))


def score_reasons(result: ScoreResult, entry: InputResult, *, layers: bool = True) -> list[str]:
    """Explain the rank of an input by the terms of its score, the largest first.

    Args:
        result: The result.
        entry: One of its inputs.
        layers: True to name the layer that contributes most, and the alteration of references that the input is like.

    Returns:
        The largest term of the first detector, and its others of at least one standard deviation; empty if it has none,
        or there are no references that give their values a scale.
    """
    return [
        f"{term_name(one.name)} {numbers.decimal(one.value, 1)}{_details(result, one) if layers else ''}"
        for one in leading_terms(result, entry)
    ]


def leading_terms(result: ScoreResult, entry: InputResult) -> list[ScoreTerm]:
    """Return the terms that `score_reasons` names, in its order."""
    summary = result.detector_summary
    if summary is None or not summary.references:
        return []
    first = summary.detectors[0].name
    terms = sorted((one for one in entry.terms if one.detector == first), key=lambda one: -one.value)
    return [one for place, one in enumerate(terms) if place == 0 or one.value >= _NOTICEABLE]


def _details(result: ScoreResult, term: ScoreTerm) -> str:
    """Name the layer that contributes most to a term, and the alteration of references that it points to."""
    place = _place(result, term)
    # A low value does not point to any.
    if term.alteration is None or term.value < _NOTICEABLE:
        return place
    like = f"as references after {term_name(term.alteration)}"
    return f"{place.removesuffix(')')}, {like})" if place else f" ({like})"


def _place(result: ScoreResult, term: ScoreTerm) -> str:
    if term.layer_number is None or result.detector_summary is None:
        return ""
    return (
        f" (layer {term.layer_number} of {result.detector_summary.layers})"
        if term.layer_number
        else " (the input)"
    )


def layer_names(result: ScoreResult, terms: Iterable[ScoreTerm]) -> list[tuple[str, str]]:
    """Name the layers that contribute most to terms, by the numbers that reasons have.

    Args:
        result: The result.
        terms: Terms of its inputs.

    Returns:
        Number and name of each layer; a watched one also has the number of its probe.
    """
    probes = {probe.name: f" (probe [{place}])" for place, probe in enumerate(result.probes, start=1)}
    layers = {
        term.layer_number: term for term in terms if term.layer_number is not None and term.layer is not None
    }
    return [
        (_place(result, term).strip(" ()"), f"{term.layer}{probes.get(term.layer or '', '')}")
        for _, term in sorted(layers.items())
    ]


def term_name(name: str) -> str:
    """Return the name of a term in words.

    >>> term_name("above_baseline")
    'above baseline'
    """
    return name.replace("_", " ")


def score_facts(result: ScoreResult) -> list[tuple[str, str]]:
    """Return settings and circumstances of the run by name; empty texts are left out of reports."""
    model, run = result.model, result.run
    scored, failed = result.scored, result.unscored
    return [
        ("model", f"{model.path} ({numbers.size(model.size)}, {model.parameters:,} parameters)"),
        (
            "inputs",
            f"{scored:,} scored"
            + (f", {failed:,} failed" if failed else "")
            + (f", {len(result.ignored)} of other types skipped" if result.ignored else ""),
        ),
        ("preprocessing", result.preprocessing or "none: inputs are used as they are"),
        ("other inputs", feeds(result.feeds)),
        ("detectors", _detectors(result)),
        ("nudge", _nudge(result)),
        ("copies", _copies_used(result)),
        ("provider", _provider(run)),
        ("noise floor", _above_floor(result.probes, run)),
        ("observer effect", _observer_effect(run)),
    ]


def _detectors(result: ScoreResult) -> str:
    summary = result.detector_summary
    if summary is None:
        return "none: inputs are compared with each other (deviation)"
    names = ", ".join(map(_with_terms, summary.detectors))
    kinds = {
        "given": "known-good inputs",
        "bundled": "crops of bundled photos",
        "run": "inputs of this run",
        "none": "",
    }
    against = f", against {summary.references:,} {kinds[summary.reference]}" if summary.references else ""
    if result.flagged is None:
        return f"{names}{against}; ranks only"
    return f"{names}{against}{_calibrated(summary)}; {_flags(result, summary)}"


def _flags(result: ScoreResult, summary: DetectorSummary) -> str:
    flagged = f"{result.flagged:,} of {result.scored:,} flagged"
    if summary.fdr is None:
        return f"{flagged} (p <= {summary.fpr:g})"
    largest = f": p <= {summary.threshold:.3g}" if summary.threshold else ""
    return f"{flagged} ({_rate(summary)} {100 * summary.fdr:g}%{largest})"


def _calibrated(summary: DetectorSummary) -> str:
    """Say what p-values are made from."""
    if summary.calibration == "split" and summary.learned:
        return f"; learned from {summary.learned:,} of these, p-values by the other {summary.calibrating:,}"
    if summary.calibration == "half":
        return "; p-values by a detector that learned from half of these"
    return "; p-values by activity and uncertainty alone" if summary.calibration == "full" else ""


def _with_terms(detector: UsedDetector) -> str:
    names = [term_name(one.name) for one in detector.terms]
    missing: dict[str, list[str]] = {}
    for name, reason in detector.left_out.items():
        missing.setdefault(reason, []).append(term_name(name))
    parts = [" + ".join(names)] if names else []
    parts += [f"without {' and '.join(some)}: {reason}" for reason, some in missing.items()]
    return f"{detector.name} ({'; '.join(parts)})" if parts else detector.name


def nudges_of_detectors(result: ScoreResult) -> str:
    """Describe the nudges of detectors that nudge inputs themselves; empty without such detectors.

    Returns:
        Name, copies and size for each detector, such as "detector flip_rate: 2 copies, std 0.02 in pixel space".
    """
    summary = result.detector_summary
    return "; ".join(
        f"detector {one.name}: {one.nudges.copies} copies"
        + (", differences of small steps" if one.nudges.scale is None else _size(one.nudges))
        for one in (summary.detectors if summary else ())
        if one.nudges
    )


def _size(nudges: DetectorNudges | NudgeSettings) -> str:
    return f", std {nudges.scale:g} {SPACES[nudges.space]}"


def _nudge(result: ScoreResult) -> str:
    by_detectors = nudges_of_detectors(result)
    if result.nudges is None:
        if by_detectors:
            return f"nudged by {by_detectors}; layers are not compared; compare them with --copies 4"
        return "none: cosine drops were not measured; measure them with --copies 4"
    profile = _profile_nudge(result.nudges, result.site)
    return f"of the profile of layers: {profile}; nudged by {by_detectors}" if by_detectors else profile


def _profile_nudge(nudges: NudgeSettings, site: str) -> str:
    most = "up to " if nudges.adaptive else ""
    copies = (
        f"{most}{nudges.copies} {'copy' if nudges.copies == 1 else 'copies'}, seed {nudges.seed}, at {site}"
    )
    if nudges.recipe == "lesswrong":
        return (
            f"lesswrong recipe: gaussian of {nudges.scale:g}*|x| in tensor space, rescaled to |x|; {copies}"
        )
    return f"{nudges.noise}{_size(nudges)}; {copies}"


def _copies_used(result: ScoreResult) -> str:
    used = result.adaptive
    if used is None or not result.scored:
        return ""
    saved = 1 - used.forwards / used.forwards_fixed
    return (
        f"{used.copies / result.scored:.1f} on average, {numbers.percent(abs(saved))} "
        f"{'fewer' if saved >= 0 else 'more'} runs of the model than with all copies; {used.rule}"
    )


def _provider(run: Run) -> str:
    text = f"{run.provider} ({placement_text(run.placement)}"
    text += "; TF32" if run.tf32 else ""
    text += f"; {run.provider_note})" if run.provider_note else ")"
    return f"{text}; {run.batching_note}" if run.batching_note else text


def _above_floor(probes: Sequence[ProbeResult], run: Run) -> str:
    if not probes:
        return ""
    clear = sum(probe.above_floor == 1 for probe in probes)
    text = f"{clear} of {len(probes)} probes are above it for all inputs"
    if run.random_operators:
        text += "; it is the model's own randomness"
    elif clear < len(probes):
        text += "; a drop below it is rounding noise: use a larger --scale"
    return text


def _observer_effect(run: Run) -> str:
    moved = run.observer_effect
    if moved is None:
        return ""
    if moved == 0:
        return "none: the outputs are bitwise the same"
    return f"outputs changed by {numbers.number(moved)} of their size; --exact avoids it"
