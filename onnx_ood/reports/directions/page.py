"""HTML page of the directions audit."""

from __future__ import annotations

from collections.abc import Sequence

from onnx_ood.audits.directions.result import Counts, Direction, DirectionsResult, Factor, SetDirections
from onnx_ood.reports import numbers
from onnx_ood.reports._html.bands import FRAME, Band, band_chart, band_places
from onnx_ood.reports._html.charts import Figure, Frame, chart, layer_marks, level_axis, point, square_key
from onnx_ood.reports._html.markup import Child, Markup, element, joined
from onnx_ood.reports._html.page import bullets, fact_list, failure_list, folded, page, table
from onnx_ood.reports._html.provenance import (
    command_block,
    command_text,
    model_facts,
    versions,
)
from onnx_ood.reports._html.rows import row_frame, row_name
from onnx_ood.reports._html.scales import Scale
from onnx_ood.reports.directions.facts import directions_facts, failures
from onnx_ood.reports.words import counted

_ROW = 30
# Maximum number of ticks below a curve.
_MAX_TICKS = 12
# Sets that fit side by side in a printed table.
_ABREAST = 6
_KINDS = (("holds", "holds"), ("flips", "flips"), ("nothing", "inconclusive"))


def directions_page(result: DirectionsResult) -> str:
    """Render a directions result as one HTML page that loads nothing.

    Args:
        result: The result.

    Returns:
        The page as text.
    """
    failed = failures(result)
    count = f"{counted(len(failed), 'input')} could not be measured."
    sections: list[tuple[str, str, Child]] = [
        ("verdict", "Verdict", _verdict(result)),
        (
            "failed",
            "Not measured",
            joined(element("p", count, class_="warning"), failure_list(failed)) if failed else None,
        ),
        ("sets", "Sets", _sets(result)),
        ("layers", "Layers", _layers(result)),
        ("factors", "Factors", _factors(result)),
        ("settings", "Settings and provenance", _settings(result)),
    ]
    return page(_name(result), "directions", sections, result, result.environment.onnx_ood)


def _name(result: DirectionsResult) -> str:
    return result.model.path.rpartition("/")[2]


def _verdict(result: DirectionsResult) -> Markup:
    measured = result.status == "measured"
    return joined(
        element("h1", _name(result), id="verdict-name"),
        element("p", _headline(result), class_="headline"),
        element("p", result.conclusion, class_="conclusion") if measured else None,
        element("p", _limits(result), class_="conclusion"),
        bullets(result.notes, "notes"),
        fact_list(directions_facts(result)),
    )


def _headline(result: DirectionsResult) -> str:
    if result.status == "not_evaluated":
        return "Not evaluated"
    holds, flips, _ = _shares(result.counts)
    return f"A smaller drop is out-of-distribution in {holds} of settings, a larger one in {flips}"


def _limits(result: DirectionsResult) -> str:
    """State the conclusions that the result supports, and its limits."""
    if result.status == "not_evaluated":
        return "There are fewer than 10 in-distribution inputs, or fewer of a set: nothing follows."
    return (
        "This holds for this model, these sets and these settings; other out-of-distribution inputs may go the other "
        "way. Of 40 settings without any signal, one holds and one flips by chance, on average."
    )


def _sets(result: DirectionsResult) -> Markup:
    heads = [("set", False), ("inputs", True), ("holds", True), ("flips", True), ("inconclusive", True)]
    heads += [("AUROC", True), ("main factor", False)]
    rows: list[list[Child]] = []
    for one in result.sets:
        factor, share = max(one.shares.items(), key=lambda item: item[1])
        rows.append(
            [
                one.name,
                f"{one.inputs:,}",
                *_shares(one.counts),
                f"{one.auroc_low:.2f} to {one.auroc_high:.2f}",
                f"{factor} {numbers.percent(share)}" if share else "-",
            ]
        )
    skipped = [
        joined(element("span", name, class_="name"), f": {reason}") for name, reason in result.skipped.items()
    ]
    return joined(
        element("div", counts_figure(result), class_="one"),
        table('Where "a smaller drop is out-of-distribution" holds, by set', heads, rows),
        folded(f"Skipped probes: {len(skipped)}", bullets(skipped)) if skipped else None,
    )


def counts_figure(result: DirectionsResult) -> Figure:
    """Draw one bar per set, with parts in proportion to numbers of settings."""
    frame = row_frame([one.name for one in result.sets], _ROW)
    scale = Scale(0.0, 1.0, frame.left, frame.right)
    ticks = [(scale(tick), numbers.percent(tick)) for tick in scale.ticks()]
    drawing = chart(
        "shares",
        f"Shares of settings in which the direction holds, flips and is inconclusive, for {len(result.sets)} sets.",
        frame,
        level_axis(ticks, frame, "settings"),
        [_bar(one, frame, scale, frame.top + place * _ROW + 6) for place, one in enumerate(result.sets)],
    )
    return Figure(
        "Settings by set",
        [drawing],
        [square_key(name, class_=kind) for kind, name in _KINDS],
        ["Holds: the interval of the AUROC of a smaller drop is above 0.5; flips: it is below."],
    )


def _bar(one: SetDirections, frame: Frame, scale: Scale, top: float) -> list[Markup]:
    counts = one.counts
    parts, begun = [], 0
    for (kind, name), count in zip(_KINDS, (counts.holds, counts.flips, counts.inconclusive), strict=True):
        if not count:
            continue
        left, right = scale(begun / counts.settings), scale((begun + count) / counts.settings)
        parts.append(
            point(
                f"{one.name}: {name} in {count:,} of {counts.settings:,} settings",
                element("rect", class_=kind, x=left, y=top, width=right - left, height=_ROW - 10),
            )
        )
        begun += count
    return [row_name(one.name, frame, top + (_ROW - 10) / 2), *parts]


def _layers(result: DirectionsResult) -> Markup:
    by_layer = [_by_layer(result, one) for one in result.sets]
    tables = [
        _layer_table(result, result.sets[first : first + _ABREAST], by_layer[first : first + _ABREAST])
        for first in range(0, len(result.sets), _ABREAST)
    ]
    return joined(
        element(
            "p",
            "AUROC of a smaller drop at each layer: mean and range over scales, noises and copies. Above the dashed "
            "line a smaller drop is out-of-distribution, below it a larger one.",
            class_="aside",
        ),
        element("div", layer_figures(result), class_="grid-2"),
        folded("Layers as a table", tables),
    )


def _layer_table(
    result: DirectionsResult,
    sets: Sequence[SetDirections],
    by_layer: Sequence[Sequence[Sequence[Direction]]],
) -> Markup:
    """Make the table of the curves of some sets."""
    rows: list[list[Child]] = [
        [
            f"[{place}]",
            element("span", layer.name, class_="name"),
            layer.op,
            f"{layer.depth}",
            *map(_span, column),
        ]
        for place, (layer, column) in enumerate(
            zip(result.layers, zip(*by_layer, strict=True), strict=True), start=1
        )
    ]
    heads = [("layer", True), ("probe", False), ("op", False), ("depth", True)]
    heads += [(one.name.replace("_", " "), True) for one in sets]
    return table("AUROC at each layer: mean, smallest and largest over settings", heads, rows)


def _by_layer(result: DirectionsResult, one: SetDirections) -> list[list[Direction]]:
    """Group the settings of a set by layer."""
    found: dict[str, list[Direction]] = {layer.name: [] for layer in result.layers}
    for setting in one.settings:
        found[setting.layer].append(setting)
    return list(found.values())


def layer_figures(result: DirectionsResult) -> list[Figure]:
    """Draw the AUROC of a smaller drop at each layer, one figure per set."""
    return [_curve(result, one, _by_layer(result, one)) for one in result.sets]


def _curve(result: DirectionsResult, one: SetDirections, by_layer: Sequence[Sequence[Direction]]) -> Figure:
    bands = []
    for place, (layer, settings) in enumerate(zip(result.layers, by_layer, strict=True), start=1):
        low, middle, high = _range(settings)
        verdicts = [setting.verdict for setting in settings]
        tip = (
            f"[{place}] {layer.name}: mean AUROC {middle:.2f}, {low:.2f} to {high:.2f}; holds in "
            f"{verdicts.count('holds')}, flips in {verdicts.count('flips')} of {len(verdicts)} settings"
        )
        bands.append(Band(low, middle, high, tip))
    up = Scale(0.0, 1.0, FRAME.bottom, FRAME.top)
    drawing = band_chart(
        "curve",
        f"AUROC of a smaller drop at {len(bands)} layers for {one.name}: mean and range of its settings.",
        bands,
        up,
        upright="AUROC",
        ticks=layer_marks(band_places(len(bands)), _MAX_TICKS),
        level="layer, first to last",
        guide=element("path", class_="floor", d=f"M{FRAME.left} {up(0.5):.1f}H{FRAME.right}"),
    )
    return Figure(one.name, [drawing])


def _range(settings: Sequence[Direction]) -> tuple[float, float, float]:
    areas = [setting.auroc for setting in settings]
    return min(areas), sum(areas) / len(areas), max(areas)


def _span(settings: Sequence[Direction]) -> Markup:
    low, middle, high = _range(settings)
    return joined(f"{middle:.2f}", element("br"), element("span", f"{low:.2f} to {high:.2f}", class_="aside"))


def _factors(result: DirectionsResult) -> Markup:
    places = {layer.name: f"[{place}] " for place, layer in enumerate(result.layers, start=1)}
    heads = [("factor", False), ("overall", True), ("within sets", True)]
    rows: list[list[Child]] = [
        [factor.name, numbers.percent(factor.share), numbers.percent(factor.within)]
        for factor in result.factors
    ]
    return joined(
        table("Share of the variance of the AUROC explained by the main effect of each factor", heads, rows),
        element(
            "p",
            "Overall: over all sets. Within sets: pooled over sets. The rest to 100% are interactions of factors.",
            class_="aside",
        ),
        [_levels(factor, places) for factor in result.factors],
    )


def _levels(factor: Factor, places: dict[str, str]) -> Markup:
    """Make the table of the levels of a factor, over all sets and other factors."""
    heads = [(factor.name, False), ("AUROC", True), ("holds", True), ("flips", True), ("inconclusive", True)]
    rows: list[list[Child]] = [
        [
            joined(places[level.level], element("span", level.level, class_="name"))
            if factor.name == "layer"
            else level.level,
            f"{level.auroc:.2f}",
            *_shares(level.counts),
        ]
        for level in factor.levels
    ]
    return folded(f"By {factor.name}", table(f"Mean AUROC and verdicts by {factor.name}", heads, rows))


def _shares(counts: Counts) -> list[str]:
    return [
        numbers.percent(count / counts.settings)
        for count in (counts.holds, counts.flips, counts.inconclusive)
    ]


def _settings(result: DirectionsResult) -> Markup:
    return joined(
        command_block(command(result)),
        fact_list(
            [
                *model_facts(result.model),
                ("preprocessing", result.preprocessing),
                ("seed", f"{result.seed}"),
                ("provider", result.provider),
                ("versions", versions(result.environment)),
            ]
        ),
    )


def command(result: DirectionsResult) -> str:
    """Return the command of the run, without the inputs: a result does not name them as they were given."""
    words = ["onnx-ood", "directions", result.model.path, "--id", "ID_INPUTS"]
    for one in result.sets:
        words += [] if one.synthetic else ["--ood", f"{one.name}={one.name.upper()}"]
    return command_text([*words, *result.settings.arguments()])
