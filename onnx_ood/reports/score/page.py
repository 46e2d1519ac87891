"""The page of the score audit."""

from __future__ import annotations

from collections.abc import Sequence

from onnx_ood.audits.score.result import ProbeAdvice, ScoreResult
from onnx_ood.reports import numbers
from onnx_ood.reports._html.histogram import histogram_figure
from onnx_ood.reports._html.markup import Child, Markup, element, joined
from onnx_ood.reports._html.page import bullets, fact_list, failure_list, folded, page, table
from onnx_ood.reports._html.provenance import (
    command_block,
    command_text,
    model_facts,
    versions,
)
from onnx_ood.reports._html.thumbnails import Missing, Shown, make_thumbnails
from onnx_ood.reports.score.facts import score_facts
from onnx_ood.reports.score.gallery import gallery
from onnx_ood.reports.score.layer_profile import profile_figure, profile_table
from onnx_ood.reports.words import counted

MOST_LISTED = 1000
"""Inputs that a page has cards for; of more, half of them from each end."""

MOST_BYTES = 3_000_000
"""What a page of as many inputs takes at most, at up to a dozen probes."""

# Thumbnails get what is left of the page's size: at least this, so that many probes leave room for some, and at most
# that, since small pages are better to send.
_LEAST_THUMBNAILS, _MOST_THUMBNAILS = 200_000, 1_500_000
# Strangeness from which on the terminal marks an input.
_STRANGE = 3.0
# What a reader wants to know at once; the rest stands among the settings.
_FIRST = frozenset({"model", "inputs", "verdict", "preprocessing", "noise floor", "observer effect"})


def score_page(result: ScoreResult, *, thumbnails: bool = True) -> str:
    """A score result as a page: one HTML file that loads nothing.

    Args:
        result: The result. Beyond `MOST_LISTED` inputs, the page has the first and the last of them alone.
        thumbnails: Whether to read the inputs once more, by their names, and put small pictures of them in the page.

    Returns:
        The page as text.
    """
    listed = _listed(result)
    none = [Missing("no thumbnail")] * len(listed.inputs)
    bare = _page(result, listed, none)
    if not thumbnails:
        return bare
    left = MOST_BYTES - len(bare.encode()) - 20_000
    budget = min(max(left, _LEAST_THUMBNAILS), _MOST_THUMBNAILS)
    ids = [entry.id for entry in listed.inputs]
    return _page(result, listed, make_thumbnails(ids, listed.site, budget))


def _listed(result: ScoreResult) -> ScoreResult:
    inputs, half = result.inputs, MOST_LISTED // 2
    if len(inputs) > MOST_LISTED:
        inputs = (*inputs[:half], *inputs[-half:])
    return result.model_copy(update={"inputs": inputs, "failed": result.failed[:MOST_LISTED]})


def _page(result: ScoreResult, listed: ScoreResult, shown: Sequence[Shown]) -> str:
    sections: list[tuple[str, str, Child]] = [
        ("verdict", "Verdict", _verdict(result)),
        ("failed", "Not scored", _failures(result)),
        ("inputs", "Inputs", joined(_listing(listed), gallery(listed, shown)) if listed.inputs else None),
        ("layers", "Layers and scores", _charts(result, listed)),
        ("settings", "Settings and provenance", _settings(listed)),
    ]
    name = result.model.path.rpartition("/")[2]
    return page(name, "score", sections, listed, result.environment.onnx_ood)


def _verdict(result: ScoreResult) -> Markup:
    headline, alarm = _headline(result)
    return joined(
        element("h1", result.model.path.rpartition("/")[2], id="verdict-name"),
        element("p", headline, class_="headline alarm" if alarm else "headline"),
        element("p", _conclusion(result), class_="conclusion"),
        _notes(result.notes),
        fact_list(_facts(result)),
    )


def _headline(result: ScoreResult) -> tuple[str, bool]:
    if result.status == "not_evaluated":
        return (
            f"Not evaluated: {result.scored:,} of {result.scored + result.unscored:,} inputs were scored",
            True,
        )
    if result.flagged is not None:
        return f"{result.flagged:,} of {result.scored:,} inputs flagged", result.flagged > 0
    ranked = bool(result.inputs) and result.inputs[0].rank is not None
    count = counted(result.scored, "input")
    return (f"{count} ranked, none judged" if ranked else f"{count} measured, not ranked"), False


def _conclusion(result: ScoreResult) -> str:
    """What may be concluded, and what not."""
    verdict = result.detector_summary
    if result.status == "not_evaluated":
        return "Fewer than half of the inputs could be scored, so nothing may be concluded about the rest."
    if verdict and result.flagged is not None and verdict.fpr is not None:
        return (
            f"A flagged input is unlike the {verdict.references:,} known-good ones; of inputs that are like them, "
            f"{numbers.percent(verdict.fpr)} at most would be flagged too. A flag is a reason to look, not a "
            "proof, and no flag doesn't show that the model's answer is right."
        )
    if not result.inputs or result.inputs[0].rank is None:
        return "The inputs were too few to be compared with each other: they are measured, and not ranked."
    against = {
        "given": "the known-good ones, which are too few for a flag at this rate",
        "bundled": "crops of bundled photos, which only stand for good ones",
    }
    if verdict and verdict.reference in against:
        return (
            f"The inputs are compared with {against[verdict.reference]}: the first is the strangest of these, which "
            "doesn't mean that it is strange. None of them is judged good or bad."
        )
    by = "by the model's own uncertainty" if verdict else "with each other"
    return (
        f"The inputs are {'ranked' if verdict else 'compared'} {by}: the first is the strangest of these, which "
        "doesn't mean that it is strange. Without known-good references none of them is judged good or bad."
    )


def _facts(result: ScoreResult) -> list[tuple[str, Child]]:
    return [(name, value) for name, value in score_facts(result) if name in _FIRST]


def _notes(notes: Sequence[str]) -> Markup | None:
    return bullets(notes, "notes")


def _failures(result: ScoreResult) -> Markup | None:
    if not result.unscored:
        return None
    count = f"{counted(result.unscored, 'input')} {'was' if result.unscored == 1 else 'were'} not scored."
    shown = result.failed[:MOST_LISTED]
    if len(shown) < result.unscored:
        count += f" The first {len(shown):,} are listed."
    return joined(element("p", count, class_="warning"), failure_list(shown))


def _listing(listed: ScoreResult) -> Markup | None:
    count = len(listed.inputs)
    if count == listed.scored:
        return None
    return element(
        "p",
        f"{count:,} of the {listed.scored:,} scored inputs are listed: the first {(count + 1) // 2:,} and the last "
        f"{count // 2:,} of the ranking.",
        class_="warning",
    )


def _charts(result: ScoreResult, listed: ScoreResult) -> Markup | None:
    if not result.inputs:
        return None
    profile = profile_figure(result.probes, listed.inputs, result.scored) if result.probes else None
    return joined(
        element("div", profile, element("div", _histograms(result), class_="side"), class_="charts"),
        profile_table(result.probes) if result.probes else None,
        _advice(result.advice, [probe.name for probe in result.probes]) if result.advice else None,
        _skipped(result),
    )


def _histograms(result: ScoreResult) -> list[Markup]:
    inputs = result.inputs
    if len(inputs) < result.scored:
        words = "The result lists the first and the last inputs alone, which have no histogram worth drawing."
        return [element("p", words, class_="warning")]
    if len(inputs) < 2:
        return []
    flagged = [bool(entry.flagged) for entry in inputs]
    names = [one.name for one in result.detector_summary.detectors] if result.detector_summary else []
    drawn = [
        histogram_figure(name, [entry.scores[d] for entry in inputs], flagged, "flagged")
        for d, name in enumerate(names)
    ]
    strange = [entry.deviation for entry in inputs if entry.deviation is not None]
    if len(strange) == len(inputs):
        far = [value >= _STRANGE for value in strange]
        drawn.append(histogram_figure("strange", strange, far, f"{_STRANGE:g} or more", others="less"))
    return drawn


def _advice(advice: Sequence[ProbeAdvice], probes: Sequence[str]) -> Markup:
    places = {name: f"[{place}]" for place, name in enumerate(probes, start=1)}
    rows: list[list[Child]] = [
        [
            places[one.name],
            element("span", one.name, class_="name"),
            f"{one.reliability:.2f}",
            numbers.number(one.spread),
            numbers.percent(one.active),
            "" if one.most_similar is None else f"{one.correlation:.2f} with {places[one.most_similar]}",
            one.reason,
        ]
        for one in advice
    ]
    heads = [
        ("layer", True),
        ("probe", False),
        ("reliability", True),
        ("spread", True),
        ("on", True),
        ("correlation", True),
        ("why", False),
    ]
    advised = sum(one.advised for one in advice)
    caption = f"Probes to watch: {advised} of {len(advice)}, then why not the others"
    return folded("Which probes to watch", table(caption, heads, rows))


def _skipped(result: ScoreResult) -> Markup | None:
    if not result.skipped_probes:
        return None
    lines = [
        joined(element("span", name, class_="name"), f": {reason}")
        for name, reason in result.skipped_probes.items()
    ]
    return folded(f"Skipped probes: {len(lines)}", bullets(lines))


def _settings(result: ScoreResult) -> Markup:
    run, facts = result.run, dict(score_facts(result))
    verdict = result.detector_summary
    detectors: list[list[Child]] = [
        [one.name, one.formula, one.source] for one in (verdict.detectors if verdict else ())
    ]
    return joined(
        command_block(command(result)),
        fact_list(
            [
                *model_facts(result.model),
                ("preprocessing", facts["preprocessing"]),
                ("nudge", facts["nudge"]),
                ("seed", f"{result.nudges.seed}"),
                ("references", _references(result)),
                ("provider", facts["provider"]),
                ("run", f"{run.batch_size:,} inputs at once" + ("; without fusions" if run.exact else "")),
                ("versions", versions(result.environment)),
            ]
        ),
        table("Detectors", [("name", False), ("formula", False), ("source", False)], detectors)
        if detectors
        else None,
    )


def command(result: ScoreResult) -> str:
    """Return the command of the run, without the inputs: a result does not name them as they were given."""
    given = result.detector_summary is not None and result.detector_summary.reference == "given"
    words = [
        "onnx-ood",
        "score",
        result.model.path,
        "INPUTS...",
        *(["--reference", "REFERENCES"] if given else []),
    ]
    return command_text([*words, *result.settings.arguments()])


def _references(result: ScoreResult) -> str:
    verdict = result.detector_summary
    if verdict is None or not verdict.references:
        return "none"
    if verdict.references_sha256:
        return f"{verdict.references:,} known-good inputs; SHA-256 of their names {verdict.references_sha256}"
    return f"{verdict.references:,} crops of the bundled photos"
