"""Terminal report of the directions audit."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.directions.result import Counts, DirectionsResult, SetDirections, Verdict
from onnx_ood.reports import numbers, words
from onnx_ood.reports._terminal.report_layout import Answer, closing, duration, print_report
from onnx_ood.reports._terminal.report_tables import bullets, facts, fitted, table
from onnx_ood.reports.directions.facts import directions_facts, failures
from onnx_ood.reports.report_options import DEFAULTS, ReportOptions

# Style of a layer's letter.
_STYLES = {"H": "green", "h": "green", "F": "red", "f": "red", "x": "yellow", ".": "dim"}
# More layers than this have no space between them.
_MAX_SPACED = 16
_LEGEND = (
    "by layer, from input to output: H holds in all settings, h in some; F flips in all, f in some; x both; . "
    "inconclusive. By chance one of 40 settings holds and one flips."
)


def print_directions(console: Console, result: DirectionsResult, options: ReportOptions = DEFAULTS) -> None:
    """Print where a smaller cosine drop means out-of-distribution, and where a larger one.

    Args:
        console: Console to print to; its width and encoding are respected.
        result: The result.
        options: What to show.
    """
    failed = failures(result)
    skipped = result.skipped
    print_report(
        console,
        Answer(
            _headline(result),
            warnings=[
                words.failure_text(failed),
                *result.notes,
                f"{words.counted(len(skipped), 'probe')} skipped; -v lists them" if skipped else "",
            ],
            verbose=options.verbose,
        ),
        _sets(console, result),
        Text(_main_factor(result)),
        *(
            (
                Text(result.conclusion),
                _factors(console, result),
                facts(directions_facts(result)),
                bullets(words.by_reason(skipped.items())),
                bullets(words.by_reason((one.id, one.reason) for one in failed)),
            )
            if options.verbose
            else ()
        ),
        foot=closing(
            console,
            "",
            [words.file_name(result.model.path), result.provider, duration(options.seconds)],
            more="" if options.verbose else "layers, scales and copies",
        ),
    )


def _headline(result: DirectionsResult) -> str:
    if result.status == "not_evaluated":
        return f"Not evaluated: {words.too_few(result.id, ((one.name, one.inputs) for one in result.sets))}"
    counts = result.counts
    holds, flips = (
        numbers.percent(count / max(counts.settings, 1)) for count in (counts.holds, counts.flips)
    )
    return f"A smaller drop means out-of-distribution in {holds} of settings, a larger one in {flips}"


def _main_factor(result: DirectionsResult) -> str:
    swept = [factor for factor in result.factors if factor.within is not None]
    if not swept:
        return ""
    first = max(swept, key=lambda factor: factor.within or 0)
    if not first.within:
        return ""
    return f"Within a set the {first.name} matters most: {numbers.percent(first.within)} of the variance of the AUROC."


def _sets(console: Console, result: DirectionsResult) -> Table:
    layers = [layer.name for layer in result.layers]

    def build(level: int, names: int) -> Table:
        grid = table(caption=_LEGEND)
        grid.add_column("set", no_wrap=True)
        grid.add_column("by layer", overflow="fold")
        _add_counts(grid)
        if level == 0:
            grid.add_column("AUROC", justify="right", no_wrap=True)
            grid.add_column("main factor", no_wrap=True)
        for one in result.sets:
            factor, share = max(one.shares.items(), key=lambda item: item[1])
            grid.add_row(
                Text(words.shorten_middle(one.name, names)),
                _row(one, layers),
                *_counted(one.counts),
                *(
                    [
                        f"{one.auroc_low:.2f} to {one.auroc_high:.2f}",
                        f"{factor} {numbers.percent(share)}" if share else "-",
                    ]
                    if level == 0
                    else []
                ),
            )
        return grid

    return fitted(console, build, levels=2, longest=max(len(one.name) for one in result.sets), shortest=16)


def _row(one: SetDirections, layers: Sequence[str]) -> Text:
    """Make the row of letters, one per layer."""
    verdicts: dict[str, list[Verdict]] = {layer: [] for layer in layers}
    for setting in one.settings:
        verdicts[setting.layer].append(setting.verdict)
    text = Text()
    for place, layer in enumerate(layers):
        letter = _letter(verdicts[layer])
        text.append(" " if place and len(layers) <= _MAX_SPACED else "")
        text.append(letter, style=_STYLES[letter])
    return text


def _letter(verdicts: Sequence[Verdict]) -> str:
    found = set(verdicts)
    if {"holds", "flips"} <= found:
        return "x"
    if "holds" in found:
        return "H" if len(found) == 1 else "h"
    if "flips" in found:
        return "F" if len(found) == 1 else "f"
    return "."


def _factors(console: Console, result: DirectionsResult) -> Table:
    places = {layer.name: place for place, layer in enumerate(result.layers, start=1)}

    def build(_level: int, names: int) -> Table:
        grid = table(
            "Factors",
            "overall: share of the variance of the AUROC explained by the factor, over all sets; within: the same "
            "within sets; each line averages over all other factors",
        )
        grid.add_column("factor", no_wrap=True)
        grid.add_column("overall", justify="right", no_wrap=True)
        grid.add_column("within", justify="right", no_wrap=True)
        grid.add_column("level", no_wrap=True)
        grid.add_column("AUROC", justify="right", no_wrap=True)
        _add_counts(grid)
        for factor in result.factors:
            if factor.name == "set":
                grid.add_row("set", numbers.percent(factor.share), "-", "see above", end_section=True)
                continue
            head = (factor.name, numbers.percent(factor.share), numbers.percent(factor.within))
            shown = words.shorten_apart([level.level for level in factor.levels], names)
            for at, (level, name) in enumerate(zip(factor.levels, shown, strict=True)):
                grid.add_row(
                    *(head if at == 0 else ("", "", "")),
                    Text(f"[{places[level.level]}] {name}" if factor.name == "layer" else name),
                    f"{level.auroc:.2f}",
                    *_counted(level.counts),
                    end_section=at == len(factor.levels) - 1,
                )
        return grid

    longest = max(len(layer.name) for layer in result.layers)
    return fitted(console, build, levels=1, longest=longest)


def _add_counts(grid: Table) -> None:
    for name in ("holds", "flips", "neither"):
        grid.add_column(name, justify="right", no_wrap=True)


def _counted(counts: Counts) -> list[Text]:
    """Format the shares of settings, the largest in colour."""
    shares = [count / counts.settings for count in (counts.holds, counts.flips, counts.inconclusive)]
    return [
        Text(numbers.percent(share), style=style if share > 0.5 else "dim" if share == 0 else "")
        for share, style in zip(shares, ("bold green", "bold red", "bold"), strict=True)
    ]
