"""The score audit on a terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.score.result import InputResult, ProbeResult, ScoreResult
from onnx_ood.reports import numbers, words
from onnx_ood.reports._terminal.marks import Marks
from onnx_ood.reports._terminal.previews import print_thumbnails
from onnx_ood.reports._terminal.report_tables import bullets, facts, fitted, table
from onnx_ood.reports.score.facts import score_facts
from onnx_ood.reports.score.probe_advice import print_advice
from onnx_ood.results.base import Prediction

# Failed inputs that are named one by one; the rest are counted, and all are in the JSON.
_FAILURES_SHOWN = 10
# A profile longer than this is thinned.
_PROFILE_WIDTH = 16
# Deviations that are coloured.
_UNUSUAL, _FAR = 2, 3


def print_score(console: Console, result: ScoreResult, top: int = 5, *, pictures: bool = False) -> None:
    """Prints a score result for people.

    Args:
        console: Where to; its width and encoding are respected.
        result: The result.
        top: How many of the strangest and of the most ordinary inputs to list.
        pictures: True to draw these inputs, from their files.
    """
    signs = Marks(console)
    facts(console, score_facts(result))
    if result.inputs:
        _print_inputs(console, signs, result, top)
        if pictures:
            _print_pictures(console, result.inputs, top)
        _print_layers(console, signs, result.probes)
        if result.advice:
            print_advice(console, result.advice, [probe.name for probe in result.probes])
    _print_failures(console, result)
    _print_skipped(console, result.skipped_probes)
    if result.notes:
        console.print()
        bullets(console, result.notes, style="dim")


def _print_inputs(console: Console, signs: Marks, result: ScoreResult, top: int) -> None:
    """One table: the strangest, and after a gap the most ordinary, so that their columns can be compared."""
    inputs = result.inputs
    if inputs[0].rank is None:
        title, strangest, ordinary = "Inputs, not ranked", inputs[: 2 * top], inputs[:0]
    else:
        title = "Strangest inputs"
        strangest, ordinary = inputs[:top], inputs[max(top, len(inputs) - top) :]
        if ordinary:
            title += " and, after the gap, most ordinary inputs"
    detectors = [one.name for one in result.detector_summary.detectors] if result.detector_summary else []
    _print_table(console, signs, title, [*strangest, *ordinary], detectors, gap_after=len(strangest))


def _print_pictures(console: Console, inputs: Sequence[InputResult], top: int) -> None:
    ranked = inputs[0].rank is not None
    strangest = inputs[:top]
    parts = {"Strangest" if ranked else "Inputs": strangest}
    if ranked:
        parts["Most ordinary"] = inputs[max(top, len(inputs) - top) :]
    for title, some in parts.items():
        if some:
            print_thumbnails(
                console,
                title,
                [(entry.id, "" if entry.rank is None else f"#{entry.rank} ") for entry in some],
            )


def _print_table(
    console: Console,
    signs: Marks,
    title: str,
    inputs: Sequence[InputResult],
    detectors: Sequence[str],
    gap_after: int,
) -> None:
    ranked = inputs[0].rank is not None
    compared = inputs[0].deviation is not None
    tested = inputs[0].p_value is not None
    adapted = len({entry.copies for entry in inputs}) > 1
    last = len(inputs[0].drop) - 1
    # With less room: the drops of fewer probes and the first detector alone, then no distortions, no predictions, ...
    drops = [sorted({0, last // 2, last}), sorted({0, last}), [last], [last], []]

    def build(level: int, names: int) -> Table:
        predicted = level < 3 and any(entry.prediction for entry in inputs)
        scored = detectors if level == 0 else detectors[:1]
        # What a detector says comes before what nudges tell.
        turned = compared and (level < 2 or not detectors)
        distorted = level < 2 or (not detectors and level < 4)
        view = table(title)
        if ranked:
            view.add_column("#", justify="right", no_wrap=True)
        view.add_column("input", no_wrap=True)
        for name in scored:
            view.add_column(name, justify="right", no_wrap=True)
        if tested:
            view.add_column("p", justify="right", no_wrap=True)
        if compared:
            view.add_column("strange", justify="right", no_wrap=True)
        if turned:
            view.add_column("turned", no_wrap=True)
        if compared:
            view.add_column("by layer", no_wrap=True)
        if adapted:
            view.add_column("copies", justify="right", no_wrap=True)
        for p in drops[level]:
            view.add_column(f"drop [{p + 1}]", justify="right", no_wrap=True)
        if distorted:
            view.add_column(f"dist. [{last + 1}]", justify="right", no_wrap=True)
        if predicted:
            view.add_column("largest output", no_wrap=True)
        for row, entry in enumerate(inputs, start=1):
            view.add_row(
                *([str(entry.rank)] if ranked else []),
                words.shorten(entry.id, names),
                *(Text(f"{score:.2f}", style=_alarm(entry)) for score in entry.scores[: len(scored)]),
                *([_p_value(signs, entry)] if tested else []),
                *([_strange(entry)] if compared else []),
                *([_turned(signs, entry)] if turned else []),
                *([_by_layer(signs, entry)] if compared else []),
                *([str(entry.copies)] if adapted else []),
                *(_drop(signs, entry, p) for p in drops[level]),
                *([numbers.number(entry.distortion[last])] if distorted else []),
                *([_prediction(entry.prediction)] if predicted else []),
                end_section=row == gap_after < len(inputs),
            )
        return view

    console.print()
    console.print(fitted(console, build, levels=len(drops), longest=max(len(entry.id) for entry in inputs)))


def _alarm(entry: InputResult) -> str:
    return "bold red" if entry.flagged else ""


def _p_value(signs: Marks, entry: InputResult) -> Text:
    value = "" if entry.p_value is None else f"{entry.p_value:.3f}"
    return Text(f"{value} {signs.bad if entry.flagged else ' '}", style=_alarm(entry))


def _strange(entry: InputResult) -> Text:
    strange = entry.deviation or 0.0
    return Text(numbers.number(strange), style=_heat(strange) if strange >= _UNUSUAL else "")


def _turned(signs: Marks, entry: InputResult) -> str:
    return f"{signs.more} more" if entry.rotation == "more" else f"{signs.less} less"


def _by_layer(signs: Marks, entry: InputResult) -> Text:
    """A profile in which height says how far a layer departs; colour says it again."""
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
    return f"{name if len(name) <= 18 else name[:17] + '…'}{share}"


def _print_layers(console: Console, signs: Marks, probes: Sequence[ProbeResult]) -> None:
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

    console.print()
    longest = max(len(probe.name) for probe in probes)
    console.print(fitted(console, build, levels=3, longest=longest, shortest=32))


def _print_skipped(console: Console, skipped: Mapping[str, str]) -> None:
    """Prints which probes were left out, those with one reason together."""
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for name, reason in skipped.items():
        reasons[reason].append(name)
    for reason, names in reasons.items():
        if len(names) == 1:
            console.print(Text(f"Skipped probe {names[0]}: {reason}.", style="yellow"))
            continue
        console.print(Text(f"Skipped {len(names)} probes, each of which {reason}:", style="yellow"))
        for name in names[:_FAILURES_SHOWN]:
            console.print(Text(f"  {name}", style="yellow"), soft_wrap=True)
        if len(names) > _FAILURES_SHOWN:
            console.print(
                Text(f"  and {len(names) - _FAILURES_SHOWN} more (all are in the JSON)", style="yellow")
            )


def _print_failures(console: Console, result: ScoreResult) -> None:
    if not result.failed:
        return
    console.print()
    count = result.unscored
    console.print(
        Text(f"{count} {'input was' if count == 1 else 'inputs were'} not scored:", style="bold red")
    )
    shown = result.failed[:_FAILURES_SHOWN]
    bullets(console, [f"{failure.id}: {failure.reason}" for failure in shown])
    if count > len(shown):
        where = "--json" if count == len(result.failed) else "the stream"
        console.print(Text(f"  and {count - len(shown)} more; {where} lists them all"))
