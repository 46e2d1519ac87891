"""HTML page of the score audit."""

from __future__ import annotations

from collections.abc import Sequence

from onnx_ood.audits.score.result import ProbeAdvice, ScoreResult, UsedDetector
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
from onnx_ood.reports.score.facts import (
    layer_names,
    leading_terms,
    nudges_of_detectors,
    score_facts,
    score_headline,
    term_name,
)
from onnx_ood.reports.score.gallery import gallery
from onnx_ood.reports.score.layer_profile import profile_figure, profile_table
from onnx_ood.reports.words import counted, without_flags
from onnx_ood.results.note_order import by_consequence

MAX_LISTED = 1000
"""Maximum number of inputs with a card; of more inputs, half are the first and half the last."""

MAX_BYTES = 3_000_000
"""Maximum size of such a page, at up to a dozen probes."""

# Bytes of thumbnails: what the rest of the page leaves, within bounds. Many probes still leave room for some, and pages
# stay small enough to send.
_MIN_THUMBNAILS, _MAX_THUMBNAILS = 200_000, 1_500_000
# Deviation from which the terminal marks an input.
_UNUSUAL = 3.0
# Facts below the answer; the others are among the settings.
_FIRST = frozenset({"model", "inputs", "detectors", "preprocessing", "noise floor", "observer effect"})


def score_page(result: ScoreResult, *, thumbnails: bool = True) -> str:
    """Render a score result as one HTML page that loads nothing.

    Args:
        result: The result. Of more than `MAX_LISTED` inputs, the page has the first and the last.
        thumbnails: True to read the inputs again, by their names, and put thumbnails in the page.

    Returns:
        The page as text.
    """
    listed = _listed(result)
    none = [Missing("no thumbnail")] * len(listed.inputs)
    bare = _page(result, listed, none)
    if not thumbnails:
        return bare
    left = MAX_BYTES - len(bare.encode()) - 20_000
    budget = min(max(left, _MIN_THUMBNAILS), _MAX_THUMBNAILS)
    ids = [entry.id for entry in listed.inputs]
    return _page(result, listed, make_thumbnails(ids, listed.site, budget))


def _listed(result: ScoreResult) -> ScoreResult:
    inputs, half = result.inputs, MAX_LISTED // 2
    if len(inputs) > MAX_LISTED:
        inputs = (*inputs[:half], *inputs[-half:])
    return result.model_copy(update={"inputs": inputs, "failed": result.failed[:MAX_LISTED]})


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
    headline, style = score_headline(result)
    return joined(
        element("h1", result.model.path.rpartition("/")[2], id="verdict-name"),
        element("p", headline, class_="headline alarm" if style else "headline"),
        element("p", _conclusion(result), class_="conclusion"),
        _notes([without_flags(note) for note in by_consequence(result.notes)]),
        fact_list(_facts(result)),
    )


def _conclusion(result: ScoreResult) -> str:
    """State the conclusions that the result supports, and its limits."""
    summary = result.detector_summary
    if result.status == "not_evaluated":
        return "Fewer than half of the inputs could be scored, so nothing follows about the rest."
    if summary and result.flagged is not None and summary.fdr is not None:
        return (
            f"A flagged input differs from the {summary.references:,} references. Of the flagged inputs, at most "
            f"{numbers.percent(summary.fdr)} are like the references, on average over random reference sets. A flag is "
            "a reason to look, not a proof, and an input without a flag can still get a wrong prediction."
        )
    if summary and result.flagged is not None and summary.fpr is not None:
        return (
            f"A flagged input differs from the {summary.references:,} references. Of inputs like the references, at "
            f"most {numbers.percent(summary.fpr)} are flagged too, on average over random reference sets. A flag is a "
            "reason to look, not a proof, and an input without a flag can still get a wrong prediction."
        )
    if not result.inputs or result.inputs[0].rank is None:
        return "The inputs are too few to be compared with each other: they are measured, but not ranked."
    against = {
        "given": "the references, which are too few for flags at this rate",
        "bundled": "crops of the bundled photos, which only stand in for known-good inputs",
        "run": "the most typical inputs of the run itself, which only stand in for known-good inputs",
    }
    if summary and summary.reference in against:
        return (
            f"The inputs are compared with {against[summary.reference]}. The first input is the most unusual of these, "
            "which does not make it out-of-distribution."
        )
    by = "ranked by the model's own uncertainty" if summary else "compared with each other"
    return (
        f"The inputs are {by}. The first input is the most unusual of these, which does not make it "
        "out-of-distribution: without references no threshold is justified."
    )


def _facts(result: ScoreResult) -> list[tuple[str, Child]]:
    return [(name, value) for name, value in score_facts(result) if name in _FIRST]


def _notes(notes: Sequence[str]) -> Markup | None:
    return bullets(notes, "notes")


def _failures(result: ScoreResult) -> Markup | None:
    if not result.unscored:
        return None
    count = f"{counted(result.unscored, 'input')} {'was' if result.unscored == 1 else 'were'} not scored."
    shown = result.failed[:MAX_LISTED]
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
        element(
            "p",
            f"Layers are not compared: {_why_not_compared(result)}. Measure them with 4 nudged copies of each input "
            "(--copies 4).",
        )
        if result.nudges is None
        else None,
        element("div", profile, element("div", _histograms(result), class_="side"), class_="charts"),
        profile_table(result.probes) if result.probes else None,
        _advice(result.advice, [probe.name for probe in result.probes]) if result.advice else None,
        _skipped(result),
    )


def _why_not_compared(result: ScoreResult) -> str:
    nudged = nudges_of_detectors(result)
    return (
        f"inputs were nudged by {nudged}, for scores only"
        if nudged
        else "inputs were not nudged, so cosine drops were not measured"
    )


def _histograms(result: ScoreResult) -> list[Child]:
    inputs = result.inputs
    if len(inputs) < result.scored:
        words = "The result lists only the first and the last inputs, so histograms are left out."
        return [element("p", words, class_="warning")]
    if len(inputs) < 2:
        return []
    flagged = [bool(entry.flagged) for entry in inputs]
    names = [one.name for one in result.detector_summary.detectors] if result.detector_summary else []
    drawn: list[Child] = [
        histogram_figure(name, [entry.scores[d] for entry in inputs], flagged, "flagged")
        for d, name in enumerate(names)
    ]
    deviations = [entry.deviation for entry in inputs if entry.deviation is not None]
    if len(deviations) == len(inputs):
        far = [value >= _UNUSUAL for value in deviations]
        drawn.append(histogram_figure("deviation", deviations, far, f"{_UNUSUAL:g} or more", others="less"))
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
        ("active", True),
        ("correlation", True),
        ("why", False),
    ]
    advised = sum(one.advised for one in advice)
    caption = f"Probes to watch: {advised} of {len(advice)}, then the others"
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
    shown = [term for entry in result.inputs for term in leading_terms(result, entry)]
    summary = result.detector_summary
    detectors: list[list[Child]] = [
        [one.name, one.formula, one.source] for one in (summary.detectors if summary else ())
    ]
    return joined(
        command_block(command(result)),
        fact_list(
            [
                *model_facts(result.model),
                ("preprocessing", facts["preprocessing"]),
                ("nudge", facts["nudge"]),
                ("seed", f"{result.settings.seed}"),
                ("references", _references(result)),
                ("provider", facts["provider"]),
                ("run", f"{run.batch_size:,} inputs at once" + ("; without fusions" if run.exact else "")),
                ("versions", versions(result.environment)),
            ]
        ),
        table("Detectors", [("name", False), ("formula", False), ("source", False)], detectors)
        if detectors
        else None,
        [_terms(one, summary.references) for one in summary.detectors] if summary else None,
        table("Layers that contribute most to a score", [("layer", False), ("name", False)], named)
        if (named := [[*one] for one in layer_names(result, shown)])
        else None,
    )


def _terms(detector: UsedDetector, references: int) -> Markup | None:
    if not detector.terms:
        return None
    rows: list[list[Child]] = [[term_name(one.name), one.meaning] for one in detector.terms]
    rows += [[term_name(name), f"not used: {reason}"] for name, reason in detector.left_out.items()]
    unit = ", each in standard deviations of held-out references" if references else ""
    return table(f"What {detector.name} is the sum of{unit}", [("term", False), ("high if", False)], rows)


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
    if verdict.reference == "run":
        return f"{verdict.references:,} of the inputs themselves: the most typical"
    return f"{verdict.references:,} crops of the bundled photos"
