"""What a score result says of its run, in words: the same on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Sequence

from onnx_ood.audits.score.result import ProbeResult, ScoreResult
from onnx_ood.reports import numbers
from onnx_ood.reports.words import feeds
from onnx_ood.results.base import NudgeSettings, Run
from onnx_ood.results.provenance import placement_text


def score_facts(result: ScoreResult) -> list[tuple[str, str]]:
    """What was run on what, by name; a text is empty where there is nothing to say."""
    model, run = result.model, result.run
    scored, failed = result.scored, result.unscored
    return [
        ("model", f"{model.path} ({numbers.size(model.size)}, {model.parameters:,} parameters)"),
        (
            "inputs",
            f"{scored:,} scored"
            + (f", {failed:,} failed" if failed else "")
            + (f", {len(result.ignored)} of other kinds ignored" if result.ignored else ""),
        ),
        ("preprocessing", result.preprocessing or "none: inputs as the model takes them"),
        ("other inputs", feeds(result.feeds)),
        ("verdict", _verdict(result)),
        ("nudge", _nudge(result.nudges, result.site)),
        ("copies", _copies_used(result)),
        ("provider", _provider(run)),
        ("noise floor", _above_floor(result.probes)),
        ("observer effect", _observer_effect(run)),
    ]


def _verdict(result: ScoreResult) -> str:
    verdict = result.detector_summary
    if verdict is None:
        return "none: inputs are compared with each other"
    names = ", ".join(one.name for one in verdict.detectors)
    kinds = {"given": "known-good inputs", "bundled": "crops of the bundled photos", "none": ""}
    against = f" against {verdict.references} {kinds[verdict.reference]}" if verdict.references else ""
    if result.flagged is None:
        return f"{names}{against}; a rank, no threshold"
    return f"{names}{against}; {result.flagged:,} of {result.scored:,} flagged (p <= {verdict.fpr:g})"


def _nudge(nudges: NudgeSettings, site: str) -> str:
    most = "up to " if nudges.adaptive else ""
    copies = (
        f"{most}{nudges.copies} {'copy' if nudges.copies == 1 else 'copies'}, seed {nudges.seed}, at {site}"
    )
    if nudges.recipe == "lesswrong":
        return (
            f"lesswrong recipe: gaussian of {nudges.scale:g}*|x| in tensor space, rescaled to |x|; {copies}"
        )
    return f"{nudges.noise}, std {nudges.scale:g} in {nudges.space} space; {copies}"


def _copies_used(result: ScoreResult) -> str:
    used = result.adaptive
    if used is None or not result.scored:
        return ""
    saved = 1 - used.forwards / used.forwards_fixed
    return (
        f"{used.copies / result.scored:.1f} in the mean, {numbers.percent(abs(saved))} "
        f"{'fewer' if saved >= 0 else 'more'} runs of the model than with all; {used.rule}"
    )


def _provider(run: Run) -> str:
    text = f"{run.provider} ({placement_text(run.placement)}"
    text += "; TF32" if run.tf32 else ""
    text += f"; {run.provider_note})" if run.provider_note else ")"
    return f"{text}; {run.batching_note}" if run.batching_note else text


def _above_floor(probes: Sequence[ProbeResult]) -> str:
    if not probes:
        return ""
    clear = sum(probe.above_floor == 1 for probe in probes)
    text = f"{clear} of {len(probes)} probes are above it for every input"
    if clear < len(probes):
        text += "; under it a drop is rounding noise: use a larger --scale"
    return text


def _observer_effect(run: Run) -> str:
    moved = run.observer_effect
    if moved is None:
        return ""
    if moved == 0:
        return "none: watching changed no bit of the model's outputs"
    return f"watching moved the model's outputs by {numbers.number(moved)} of their size; --exact runs without fusions"
