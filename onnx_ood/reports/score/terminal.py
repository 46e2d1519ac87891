"""Terminal report of the score audit."""

from __future__ import annotations

from collections.abc import Sequence, Set
from functools import partial
from typing import NamedTuple

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.score.result import InputResult, ProbeResult, ScoreResult, ScoreTerm
from onnx_ood.reports import numbers, words
from onnx_ood.reports._terminal.marks import Marks
from onnx_ood.reports._terminal.previews import thumbnails
from onnx_ood.reports._terminal.report_layout import (
    LINES,
    MIN_ROWS,
    Answer,
    closing,
    duration,
    height,
    print_report,
)
from onnx_ood.reports._terminal.report_tables import bullets, facts, fitted, table, titled
from onnx_ood.reports.report_options import DEFAULTS, ReportOptions
from onnx_ood.reports.score.facts import (
    layer_names,
    leading_terms,
    score_facts,
    score_headline,
    score_reasons,
    score_warnings,
)
from onnx_ood.reports.score.probe_advice import advice_table
from onnx_ood.results.base import Prediction

# Probes of the profile in a row; longer profiles are thinned.
_PROFILE_WIDTH = 16
_MAX_LABEL = 18
# Flagged inputs that are listed although the report gets longer than a terminal.
_MAX_FLAGGED = 20
# Inputs whose nearest references are named.
_MAX_NEAREST = 3
# Deviations that are coloured.
_UNUSUAL, _FAR = 2, 3


def print_score(console: Console, result: ScoreResult, options: ReportOptions = DEFAULTS) -> None:
    """Print a score result.

    Args:
        console: Console to print to; its width and encoding are respected.
        result: The result.
        options: What to show.
    """
    signs = Marks(console)
    text, style = score_headline(result)
    head = Answer(text, style, score_warnings(result), verbose=options.verbose)
    advice = advice_table(console, result.advice, [probe.name for probe in result.probes])
    about = _about(result, options.seconds)

    # A flag can count without the part of the score that ranks, so flagged inputs need not be the first ones.
    inputs = sorted(result.inputs, key=lambda one: not one.flagged)
    flagged = len(result.flagged_inputs)
    gap = 0 if inputs == list(result.inputs) else flagged

    def foot(left_out: Sequence[InputResult]) -> RenderableType:
        layers = result.nudges is not None or any(
            term.layer_number is not None for entry in inputs for term in leading_terms(result, entry)[:1]
        )
        more = "layers" if layers else "settings"
        return closing(console, _left_out(left_out), about, more="" if options.verbose else more)

    near = _nearest(inputs)
    # Besides the rows: an empty line before each table, and the two lines of its head.
    rows = LINES - height(console, head, advice, foot(inputs)) - (4 if advice else 3) - bool(gap)
    rows -= 1 + height(console, near) if near else 0
    default = max(MIN_ROWS, rows, min(flagged, _MAX_FLAGGED))
    count = len(inputs) if options.everything else options.top or default
    first, rest = inputs[:count], inputs[count:]
    ranked = bool(first) and first[0].rank is not None
    last = rest[-count:] if options.verbose and ranked else []
    drawn = (
        {("Most unusual" if ranked else "Inputs"): first, "Least unusual": last} if options.thumbnails else {}
    )
    listed = [*first, *last]
    view, terms = _inputs(console, signs, result, listed, gaps={gap, len(first)}, verbose=options.verbose)
    print_report(
        console,
        head,
        view,
        near,
        *(thumbnails(console, title, _captions(some)) for title, some in drawn.items() if some),
        advice,
        *(_details(console, signs, result, listed, terms) if options.verbose else ()),
        foot=foot(rest[: len(rest) - len(last)]),
    )


def _nearest(inputs: Sequence[InputResult]) -> Text | None:
    """Name the nearest references of the first inputs, on one line."""
    found = [one for one in inputs[:_MAX_NEAREST] if one.nearest_reference is not None]
    if not found:
        return None
    names = words.without_common_folder([one.nearest_reference or "" for one in found])
    pairs = (f"#{one.rank} {name}" for one, name in zip(found, names, strict=True))
    return Text(f"Nearest references: {', '.join(pairs)}", no_wrap=True, overflow="ellipsis")


class _Terms(NamedTuple):
    """Terms of scores that a table has room for: of each input the first ones, or all.

    Attributes:
        named: Number of named terms; None for all.
        layers: Number of those with their layer; None for all.
    """

    named: int | None
    layers: int | None

    def hint(self, most: int) -> str:
        """Say what is left out; empty if all is there.

        Args:
            most: Most terms that an input has to name.
        """
        what = "Terms" if self.named == 0 else "Further terms" if self.named else "Layers of further terms"
        fits = self.layers is None or most <= self.layers
        return "" if fits else f"{what} do not fit this width: --html report.html has them."


def _left_out(inputs: Sequence[InputResult]) -> str:
    if not inputs:
        return ""
    flagged = sum(bool(one.flagged) for one in inputs)
    count = f"{len(inputs):,} {'other' if len(inputs) == 1 else 'others'}"
    return f"{count}{f' ({flagged:,} flagged)' if flagged else ''}: --all, or --html report.html"


def _about(result: ScoreResult, seconds: float | None) -> list[str]:
    summary = result.detector_summary
    detectors = ", ".join(one.name for one in summary.detectors) if summary else "deviation"
    return [words.file_name(result.model.path), detectors, result.run.provider, duration(seconds)]


def _details(
    console: Console, signs: Marks, result: ScoreResult, listed: Sequence[InputResult], shown: _Terms
) -> list[RenderableType | None]:
    """Parts that only a verbose report has."""
    terms = [leading_terms(result, entry) for entry in listed]
    placed = [one for some in terms for one in some[: shown.layers]]
    named = layer_names(result, placed)
    hint = shown.hint(max(map(len, terms), default=0))
    return [
        Text(hint) if hint else None,
        facts(score_facts(result)),
        _layers(console, signs, result.probes) if result.probes else None,
        titled("Layers that contribute most to a score", facts(named) if named else None),
        titled("Skipped probes", bullets(words.by_reason(result.skipped_probes.items()))),
        titled(
            "Inputs that could not be scored",
            bullets(words.by_reason((failure.id, failure.reason) for failure in result.failed)),
        ),
    ]


def _captions(inputs: Sequence[InputResult]) -> list[tuple[str, str]]:
    return [(entry.id, "" if entry.rank is None else f"#{entry.rank} ") for entry in inputs]


def _inputs(
    console: Console,
    signs: Marks,
    result: ScoreResult,
    inputs: Sequence[InputResult],
    *,
    gaps: Set[int],
    verbose: bool,
) -> tuple[Table | None, _Terms]:
    """Make the table of inputs, with a rule after the rows in `gaps`: flagged ones, and before the least unusual.

    Returns:
        The table, None without inputs, and the terms of scores that it shows.
    """
    if not inputs:
        return None, _Terms(None, None)
    ranked = inputs[0].rank is not None
    compared = any(entry.deviation is not None for entry in inputs)
    tested = inputs[0].p_value is not None
    adapted = verbose and len({entry.copies for entry in inputs}) > 1
    detectors = [one.name for one in result.detector_summary.detectors] if result.detector_summary else []
    last = len(inputs[0].drop) - 1
    terms_of = partial(leading_terms, result)
    reasons = [[score_reasons(result, entry, layers=layers) for entry in inputs] for layers in (True, False)]
    explained = any(map(any, reasons))
    # With less room: fewer drops and no layers in reasons, then no rotation, one reason and no deviation, no profile of
    # several detectors, no prediction, and at last no reasons and one score. A verbose report keeps reasons longer, and
    # the layer of the first one.
    placed = verbose and any(
        term.layer_number is not None for entry in inputs for term in terms_of(entry)[:1]
    )
    kept = 2 if placed else 0
    dropped = verbose and last >= 0
    drops = [sorted({0, last // 2, last}), sorted({0, last}), [last]] if dropped else [[]] * 3
    drops += [[]] * (4 + kept)
    shown = _Terms(None, None)
    listed = words.without_common_folder([entry.id for entry in inputs])
    compared = compared and (verbose or not detectors)

    def why(row: int, level: int) -> str:
        found = reasons[level > 0][row]
        return ", ".join(found if level < 3 + kept else found[:1])

    def build(level: int, width: int) -> Table:
        nonlocal shown
        predicted = level < 5 + kept and any(entry.prediction for entry in inputs)
        scored = detectors if level < 6 + kept else detectors[:1]
        given = explained and level < 6 + kept
        layered = placed and given and level > 0
        shown = _Terms(
            (None if level < 3 + kept else 1) if given else 0, (None if level == 0 else 1) if given else 0
        )
        rotated = compared and (level < 2 or not detectors)
        distorted = dropped and level < 2
        deviating = compared and (level < 3 or not detectors)
        profiled = compared and (level < 4 + kept or (len(detectors) < 2 and not kept))
        view = table()
        columns = [
            ("#", "right", ranked),
            ("input", "left", True),
            *(("score" if len(detectors) == 1 else name, "right", True) for name in scored),
            ("p", "right", tested),
            ("why", "left", given),
            ("layer", "right", layered),
            ("deviation", "right", deviating),
            ("rotation", "left", rotated),
            ("by layer", "left", profiled),
            ("copies", "right", adapted),
            *((f"drop [{p + 1}]", "right", True) for p in drops[level]),
            (f"dist. [{last + 1}]", "right", distorted),
            ("prediction", "left", predicted),
        ]
        for name, side, there in columns:
            if there:
                view.add_column(name, justify="right" if side == "right" else "left", no_wrap=True)
        names = words.shorten_paths(listed, width)
        for row, (entry, name) in enumerate(zip(inputs, names, strict=True), start=1):
            view.add_row(
                *([str(entry.rank)] if ranked else []),
                Text(name),
                *(Text(f"{score:.2f}", style=_alarm(entry)) for score in entry.scores[: len(scored)]),
                *([_p_value(signs, entry)] if tested else []),
                *([Text(why(row - 1, level))] if given else []),
                *([_layer(terms_of(entry))] if layered else []),
                *([_deviation(entry)] if deviating else []),
                *([_rotation(signs, entry)] if rotated else []),
                *([_by_layer(signs, entry)] if profiled else []),
                *([str(entry.copies)] if adapted else []),
                *(_drop(signs, entry, p) for p in drops[level]),
                *([numbers.number(entry.distortion[last])] if distorted else []),
                *([Text(_prediction(entry.prediction))] if predicted else []),
                end_section=row in gaps and row < len(inputs),
            )
        return view

    view = fitted(console, build, levels=len(drops), longest=max(map(len, listed)), shortest=14)
    return view, shown


def _layer(terms: Sequence[ScoreTerm]) -> str:
    """Return the number of the layer that contributes most to the first term."""
    number = terms[0].layer_number if terms else None
    return "" if number is None else "input" if number == 0 else str(number)


def _alarm(entry: InputResult) -> str:
    return "bold red" if entry.flagged else ""


def _p_value(signs: Marks, entry: InputResult) -> Text:
    value = "" if entry.p_value is None else f"{entry.p_value:.3f}"
    return Text(f"{value} {signs.bad if entry.flagged else ' '}", style=_alarm(entry))


def _deviation(entry: InputResult) -> Text:
    deviation = entry.deviation
    if deviation is None:
        return Text()
    return Text(numbers.number(deviation), style=_heat(deviation) if deviation >= _UNUSUAL else "")


def _rotation(signs: Marks, entry: InputResult) -> str:
    if entry.rotation is None:
        return ""
    return f"{signs.more} more" if entry.rotation == "more" else f"{signs.less} less"


def _by_layer(signs: Marks, entry: InputResult) -> Text:
    """Draw signed deviations by layer: the height of a mark, and its colour."""
    deviations = _thinned(entry.probe_deviations or ())
    view = Text()
    for value, mark in zip(deviations, signs.profile(deviations), strict=True):
        view.append(mark, style=_heat(abs(value or 0)))
    return view


def _heat(deviation: float) -> str:
    return "bold red" if deviation >= _FAR else "yellow" if deviation >= _UNUSUAL else "cyan"


def _thinned(values: Sequence[float | None]) -> Sequence[float | None]:
    if len(values) <= _PROFILE_WIDTH:
        return values
    step = (len(values) - 1) / (_PROFILE_WIDTH - 1)
    return [values[round(i * step)] for i in range(_PROFILE_WIDTH)]


def _drop(signs: Marks, entry: InputResult, probe: int) -> str:
    mean = entry.drop[probe]
    error = numbers.relative_error(mean, entry.drop_error[probe])
    return f"{numbers.number(mean)} {signs.plus_minus}{error}" if error else numbers.number(mean)


def _prediction(prediction: Prediction | None) -> str:
    if prediction is None:
        return ""
    name = f"#{prediction.index}" if prediction.label is None else prediction.label
    share = "" if prediction.probability is None else f" {numbers.percent(prediction.probability)}"
    return f"{name if len(name) <= _MAX_LABEL else name[: _MAX_LABEL - 1] + '…'}{share}"


def _layers(console: Console, signs: Marks, probes: Sequence[ProbeResult]) -> Table:
    medians = [probe.drop_median for probe in probes if probe.drop_median]
    low, high = (min(medians), max(medians)) if medians else (1.0, 1.0)

    def build(level: int, names: int) -> Table:
        view = table("Layer profile (medians over inputs)")
        view.add_column("", justify="right", no_wrap=True)
        view.add_column("probe", no_wrap=True)
        view.add_column("depth", justify="right", no_wrap=True)
        view.add_column("cosine drop", justify="right", no_wrap=True)
        if level == 0:
            view.add_column("5% to 95% of inputs", no_wrap=True)
        if level < 2:
            view.add_column("", no_wrap=True)
        view.add_column("distortion", justify="right", no_wrap=True)
        view.add_column("flips", justify="right", no_wrap=True)
        view.add_column("> noise", justify="right", no_wrap=True)
        shown = words.shorten_apart([probe.name for probe in probes], names)
        for index, (probe, name) in enumerate(zip(probes, shown, strict=True), start=1):
            row = [
                f"[{index}]",
                name,
                str(probe.depth),
                numbers.number(probe.drop_median),
                *(
                    [f"{numbers.number(probe.drop_low)} to {numbers.number(probe.drop_high)}"]
                    if level == 0
                    else []
                ),
                *([signs.bar(probe.drop_median, low, high)] if level < 2 else []),
                numbers.number(probe.distortion_median),
                numbers.percent(probe.flip_rate_median),
                numbers.percent(probe.above_floor),
            ]
            style = "" if probe.above_floor == 1 else "yellow"
            view.add_row(*(Text(cell, style=style) for cell in row))
        return view

    return fitted(console, build, levels=3, longest=max(len(probe.name) for probe in probes), shortest=32)
