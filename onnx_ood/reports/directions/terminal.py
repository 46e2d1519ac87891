"""The direction audit on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.directions.result import Counts, DirectionsResult, SetDirections, Verdict
from onnx_ood.reports import numbers, words
from onnx_ood.reports._terminal.report_tables import bullets, facts, fitted, table
from onnx_ood.reports.directions.facts import directions_facts, failures

# What a layer's letter looks like where there are colours.
_STYLES = {"H": "green", "h": "green", "F": "red", "f": "red", "x": "yellow", ".": "dim"}
# More layers than this stand without a space between them.
_SPACED = 16
_LEGEND = (
    "Layers from input to output, over scales, families and copies. H holds in all settings, h in some; F flips in "
    "all, f in some; x holds in some and flips in others; . says nothing. Of 40 settings without any signal, one "
    "holds and one flips by chance, in the mean."
)


def print_directions(console: Console, result: DirectionsResult, top: int) -> None:
    """Prints where the published direction holds.

    Args:
        console: Where to.
        result: The result.
        top: How many failed inputs to list.
    """
    failed = failures(result)
    facts(console, directions_facts(result))
    console.print()
    console.print(Text(result.conclusion))
    console.print()
    console.print(_sets(console, result))
    console.print()
    console.print(_factors(console, result))
    if result.skipped:
        console.print()
        bullets(
            console, [f"skipped: {name}: {reason}" for name, reason in result.skipped.items()], style="yellow"
        )
    if failed:
        console.print()
        bullets(console, [f"failed: {failure.id}: {failure.reason}" for failure in failed[:top]], style="red")
    if result.notes:
        console.print()
        bullets(console, result.notes, style="dim")


def _sets(console: Console, result: DirectionsResult) -> Table:
    layers = [layer.name for layer in result.layers]

    def build(level: int, names: int) -> Table:
        grid = table('Where "a smaller drop is out-of-distribution" holds, by set', _LEGEND)
        grid.add_column("set", no_wrap=True)
        grid.add_column("by layer", overflow="fold")
        _add_counts(grid)
        if level == 0:
            grid.add_column("AUROC", justify="right", no_wrap=True)
            grid.add_column("matters most", no_wrap=True)
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
    """A letter a layer."""
    verdicts: dict[str, list[Verdict]] = {layer: [] for layer in layers}
    for setting in one.settings:
        verdicts[setting.layer].append(setting.verdict)
    text = Text()
    for place, layer in enumerate(layers):
        letter = _letter(verdicts[layer])
        text.append(" " if place and len(layers) <= _SPACED else "")
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
            "What matters",
            "Overall: share of the variance of the AUROC that a factor explains alone, over all sets. In a set: the "
            "same for each set by itself, together. Each line is over all sets and everything else.",
        )
        grid.add_column("factor", no_wrap=True)
        grid.add_column("overall", justify="right", no_wrap=True)
        grid.add_column("in a set", justify="right", no_wrap=True)
        grid.add_column("level", no_wrap=True)
        grid.add_column("AUROC", justify="right", no_wrap=True)
        _add_counts(grid)
        for factor in result.factors:
            if factor.name == "set":
                grid.add_row("set", numbers.percent(factor.share), "-", "as above", end_section=True)
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
    for name in ("holds", "flips", "nothing"):
        grid.add_column(name, justify="right", no_wrap=True)


def _counted(counts: Counts) -> list[Text]:
    """Shares of settings; the one of most settings stands out."""
    shares = [count / counts.settings for count in (counts.holds, counts.flips, counts.inconclusive)]
    return [
        Text(numbers.percent(share), style=style if share > 0.5 else "dim" if share == 0 else "")
        for share, style in zip(shares, ("bold green", "bold red", "bold"), strict=True)
    ]
