"""Terminal report of the sensitivity audit."""

from __future__ import annotations

import re

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.sensitivity.result import MeanEstimate, ModelSensitivity, SensitivityResult
from onnx_ood.reports import numbers, words
from onnx_ood.reports._terminal.marks import Marks
from onnx_ood.reports._terminal.report_layout import Answer, closing, duration, print_report
from onnx_ood.reports._terminal.report_tables import bullets, facts, fitted, table, titled
from onnx_ood.reports.report_options import DEFAULTS, ReportOptions
from onnx_ood.reports.sensitivity.facts import TYPE_NAMES
from onnx_ood.reports.words import feeds

_SHORT = {
    "translations": "shifts",
    "same_class": "1 class",
    "different_classes": "3 classes",
    "random": "random",
}
# Inputs at either end, and trajectories of each type, in a default report.
_TOP, _TOP_VERBOSE = 3, 5
# Name of an input in a file of several.
_ROW = re.compile(r"(?P<file>.+)\[(?P<number>\d+)\]")
# Widths of columns that are not fitted to the terminal: inputs on a trajectory, a density, and its bar.
_WAY, _NUMBER, _BAR = 34, 8, 8


def print_sensitivity(console: Console, result: SensitivityResult, options: ReportOptions = DEFAULTS) -> None:
    """Print how stable models are.

    Args:
        console: Console to print to; its width and encoding are respected.
        result: The result.
        options: What to show.
    """
    view = Marks(console)
    several = len(result.models) > 1
    moved = any(model.trajectory_types for model in result.models)
    top = options.top or (_TOP_VERBOSE if options.verbose else _TOP)
    parts: list[RenderableType | None] = [_ranking(console, result, view)] if several else []
    for model in result.models:
        found = _model(
            console, model, view, top, verbose=options.verbose, inputs=options.verbose or not several
        )
        if several and any(found):
            parts.append(Text(words.file_name(model.model.path), style="bold reverse"))
        parts += found
    models = [words.file_name(one.model.path) for one in result.models]
    print_report(
        console,
        Answer(
            _headline(result, view),
            warnings=[warning for model in result.models for warning in _warnings(model, several=several)]
            + list(result.notes),
            verbose=options.verbose,
        ),
        *parts,
        foot=closing(
            console,
            _explained(result, view, rows=options.verbose or not several),
            [
                words.counted(len(models), "model") if several else models[0],
                words.counted(len(result.models[0].inputs), "input"),
                result.models[0].provider,
                duration(options.seconds),
            ],
            more="" if options.verbose else "layers, trajectories and settings" if moved else "settings",
        ),
    )


def _headline(result: SensitivityResult, view: Marks) -> str:
    first, *others = result.models
    norm = f"Jacobian norm {_estimate(first.jacobian.norm, view)}"
    density = (
        "" if first.density is None else f"{numbers.number(first.density, 3)} transitions per unit of length"
    )
    if not others:
        return ", ".join(filter(None, [norm, density]))
    name = words.file_name(first.model.path)
    best = next((one for one in result.models if one.density_rank == 1), first)
    if best is first:
        return f"{name} is the most stable of {len(result.models)} models: {', '.join(filter(None, [norm, density]))}"
    return f"{name} has the smallest {norm}; {words.file_name(best.model.path)} the fewest transitions"


def _explained(result: SensitivityResult, view: Marks, *, rows: bool) -> str:
    """Explain the numbers after each plus-minus sign; `rows` is True if inputs are listed."""
    means = [one for model in result.models for one in (model.jacobian.norm, *_densities(model))]
    texts = [
        "95% interval of a mean" if any(one.high is not None for one in means) else "",
        "standard error of an input's norm" if rows and any(map(_inexact, result.models)) else "",
    ]
    explained = ", ".join(filter(None, texts))
    return f"{view.plus_minus} {explained}" if explained else ""


def _densities(model: ModelSensitivity) -> list[MeanEstimate]:
    return [one.density for one in model.trajectory_types]


def _inexact(model: ModelSensitivity) -> bool:
    """Return True if norms of inputs have errors; with all directions they are exact."""
    errors = (numbers.relative_error(one.jacobian, one.jacobian_error) for one in model.inputs)
    return any(error not in {"", "0.0%"} for error in errors)


def _warnings(model: ModelSensitivity, *, several: bool) -> list[str]:
    unread = model.unread
    warnings = [
        words.failure_text(model.failed),
        *model.notes,
        model.jacobian.note,
        f"units of {words.counted(len(unread), 'layer')} not read; --verbose says why" if unread else "",
    ]
    name = f"{words.file_name(model.model.path)}: " if several else ""
    return [f"{name}{warning}" for warning in warnings if warning]


def _ranking(console: Console, result: SensitivityResult, view: Marks) -> Table:
    def build(level: int, names: int) -> Table:
        grid = table()
        grid.add_column("model", no_wrap=True)
        if level == 0:
            grid.add_column("inputs", justify="right", no_wrap=True)
        for name in ("Jacobian norm", "rank", "density", "rank"):
            grid.add_column(name, justify="right", no_wrap=True)
        for model in result.models:
            cells = [
                words.shorten(model.model.path, names),
                *([str(len(model.inputs))] if level == 0 else []),
                _estimate(model.jacobian.norm, view),
                str(model.jacobian_rank),
                numbers.number(model.density, 3),
                "-" if model.density_rank is None else str(model.density_rank),
            ]
            grid.add_row(*map(Text, cells))
        return grid

    longest = max(len(model.model.path) for model in result.models)
    return fitted(console, build, levels=2, longest=longest)


def _model(
    console: Console, model: ModelSensitivity, view: Marks, top: int, *, verbose: bool, inputs: bool
) -> list[RenderableType | None]:
    return [
        _trajectories(console, model, view, top if verbose else 0)
        if model.trajectory_types and (verbose or inputs)
        else None,
        _regions(console, model) if model.regions else None,
        _inputs(console, model, view, top) if inputs else None,
        _layers(console, model, view) if model.sites and verbose else None,
        *(_details(model, view) if verbose else ()),
    ]


def _details(model: ModelSensitivity, view: Marks) -> list[RenderableType | None]:
    """List settings, units that were not read, and failed inputs."""
    jacobian = model.jacobian
    exact = jacobian.within_region
    return [
        facts(
            [
                ("model", model.model.path),
                ("preprocessing", model.preprocessing or ""),
                ("site", model.site),
                ("other inputs", feeds(model.feeds)),
                ("provider", model.provider),
                (
                    "Jacobian norm",
                    f"{_estimate(jacobian.norm, view)}, of {jacobian.probe}, {jacobian.directions} directions",
                ),
                (
                    "exact",
                    ""
                    if exact is None
                    else f"{numbers.percent(exact)} of the differences lie in one linear region",
                ),
                ("ellipses by", (model.classes or "") if model.trajectory_types else ""),
                ("inputs", f"{len(model.inputs)} measured, {len(model.failed)} failed"),
            ]
        ),
        titled("Layers that were not read", bullets(words.by_reason(model.unread.items()))),
        titled(
            "Inputs that could not be measured",
            bullets(words.by_reason((failed.id, failed.reason) for failed in model.failed)),
        ),
    ]


def _trajectories(console: Console, model: ModelSensitivity, view: Marks, top: int) -> Table:
    """Make the table of trajectories by type, with the profiles of the first ones of each type."""
    highest = max((max(way.profile) for way in model.trajectories), default=0) or 1

    def build(level: int, _names: int) -> Table:
        grid = table("Transitions per unit of length", "The profiles share one scale." if top else None)
        grid.add_column("trajectories", no_wrap=True)
        grid.add_column("density", justify="right", no_wrap=True)
        grid.add_column("along the trajectory" if top else "", no_wrap=True)
        if level == 0:
            grid.add_column("transitions", justify="right", no_wrap=True)
            grid.add_column("points", justify="right", no_wrap=True)
        for kind in model.trajectory_types:
            cells = [
                Text(TYPE_NAMES[kind.type], style="bold"),
                Text(_estimate(kind.density, view), style="bold"),
                Text(f"{kind.converged} of {kind.density.count} converged", style="dim"),
            ]
            if level == 0:
                cells.append(Text(f"{round(kind.transitions.mean or 0):,}", style="bold"))
            grid.add_row(*cells)
            ways = [way for way in model.trajectories if way.type == kind.type][:top]
            for number, way in enumerate(ways, start=1):
                cells = [
                    Text(f"  {_through(way.inputs) or number}", style="dim"),
                    Text(numbers.number(way.transitions / way.length, 3)),
                    Text(_sparkline(way.profile, highest, view, level), style="cyan"),
                ]
                if level == 0:
                    more = "" if way.converged else "+"
                    cells += [Text(f"{way.transitions:,}{more}"), Text(f"{way.points:,}")]
                grid.add_row(*cells)
        return grid

    return fitted(console, build, levels=3, longest=0)


def _through(ids: tuple[str, ...]) -> str:
    """Name the inputs that a trajectory goes through: `a.jpg, b.jpg`, `x.npy[1, 2, 3]`."""
    names = [name.rsplit("/", 1)[-1] for name in ids]
    rows = [_ROW.fullmatch(name) for name in names]
    files = {row["file"] for row in rows if row}
    if len(files) == 1 and all(rows):
        numbers = ", ".join(row["number"] for row in rows if row)
        return f"{words.shorten(files.pop(), _WAY - len(numbers) - 2)}[{numbers}]"
    each = _WAY // max(len(names), 1) - 2
    return ", ".join(words.shorten(name, each) for name in names)


def _sparkline(profile: tuple[float, ...], highest: float, view: Marks, level: int) -> str:
    """Draw one mark per part of a trajectory, or per two parts at a high level."""
    steps = len(view.levels) - 1
    values = (
        profile if level < 2 else [sum(pair) / 2 for pair in zip(profile[::2], profile[1::2], strict=True)]
    )
    return "".join(view.levels[round(value / highest * steps)] for value in values)


def _layers(console: Console, model: ModelSensitivity, view: Marks) -> Table:
    kinds = list(dict.fromkeys(kind for site in model.sites for kind in site.density))
    highest = max(density / max(site.units, 1) for site in model.sites for density in site.density.values())
    names = [site.name for site in model.sites]

    def build(level: int, width: int) -> Table:
        notes = [
            ""
            if all(site.exact == "linear" for site in model.sites)
            else "Patterns: linear regions, other pieces, or signs.",
            "The bars share one scale, from 0." if level < 2 else "",
        ]
        grid = table(
            "Transitions per unit of length and unit of the layer", " ".join(filter(None, notes)) or None
        )
        grid.add_column("units of", no_wrap=True)
        grid.add_column("op", no_wrap=True)
        if level == 0:
            grid.add_column("pattern", no_wrap=True)
        grid.add_column("units", justify="right", no_wrap=True)
        for kind in kinds:
            grid.add_column(kind.replace("_", " ") if level < 2 else _SHORT[kind], no_wrap=True)
        for site, name in zip(model.sites, words.shorten_apart(names, width), strict=True):
            cells = [Text(name), Text(site.op)]
            if level == 0:
                cells.append(Text(site.exact))
            cells.append(Text(f"{site.units:,}"))
            for kind in kinds:
                each = site.density[kind] / max(site.units, 1)
                bar = f"{view.share(each, highest, _BAR):<{_BAR}}" if level < 2 else ""
                cells.append(Text.assemble(f"{numbers.number(each):<{_NUMBER if bar else 0}}", (bar, "cyan")))
            grid.add_row(*cells)
        return grid

    return fitted(console, build, levels=3, longest=max(map(len, names)))


def _regions(console: Console, model: ModelSensitivity) -> Table:
    grid = table("Linear regions on segments between inputs (all boundaries, in float64)")
    for name in ("from", "to"):
        grid.add_column(name, no_wrap=True)
    for name in ("length", "boundaries", "regions"):
        grid.add_column(name, justify="right", no_wrap=True)
    width = max(8, (console.width - 40) // 2)
    for way in model.regions:
        ends = [words.shorten(end, width) for end in way.inputs]
        counts = [numbers.number(way.length, 3), f"{way.boundaries:,}", f"{way.regions:,}"]
        grid.add_row(*map(Text, [*ends, *counts]))
    return grid


def _inputs(console: Console, model: ModelSensitivity, view: Marks, top: int) -> Table:
    known = sorted(
        (one for one in model.inputs if one.jacobian is not None), key=lambda one: -(one.jacobian or 0)
    )
    shown = known if len(known) <= 2 * top else [*known[:top], *known[-top:]]

    errors = [numbers.relative_error(one.jacobian, one.jacobian_error) for one in shown]
    inexact = _inexact(model)
    bounded = any(one.nearest_boundary for one in shown)

    def build(_level: int, width: int) -> Table:
        which = "" if len(shown) == len(known) else f", the {top} largest and the {top} smallest"
        grid = table(f"Inputs by Jacobian norm{which}")
        grid.add_column("input", no_wrap=True)
        grid.add_column("norm", justify="right", no_wrap=True)
        if inexact:
            grid.add_column("", no_wrap=True)
        if bounded:
            grid.add_column("nearest boundary", justify="right", no_wrap=True)
        grid.add_column("prediction", no_wrap=True)
        for one, error in zip(shown, errors, strict=True):
            answer = "" if one.prediction is None else one.prediction.label or f"#{one.prediction.index}"
            grid.add_row(
                Text(words.shorten(one.id, width)),
                Text(numbers.number(one.jacobian, 3)),
                *([Text(f"{view.plus_minus} {error}", style="dim")] if inexact else []),
                *(
                    [Text("" if one.nearest_boundary is None else numbers.number(one.nearest_boundary))]
                    if bounded
                    else []
                ),
                Text(answer),
            )
        return grid

    return fitted(console, build, levels=1, longest=max((len(one.id) for one in shown), default=1))


def _estimate(estimate: MeanEstimate | None, view: Marks) -> str:
    """Format a mean and half the width of its interval."""
    if estimate is None or estimate.mean is None:
        return "-"
    text = numbers.number(estimate.mean, 3)
    if estimate.high is None:
        return text
    return f"{text} {view.plus_minus} {numbers.number(estimate.high - estimate.mean)}"
