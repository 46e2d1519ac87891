"""Page of the sensitivity audit."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Sequence

from onnx_ood.audits.sensitivity.input_classes import ANSWERS
from onnx_ood.audits.sensitivity.result import (
    MeanEstimate,
    ModelSensitivity,
    SensitivityInput,
    SensitivityResult,
)
from onnx_ood.reports import numbers
from onnx_ood.reports._html.charts import number
from onnx_ood.reports._html.markup import Child, Markup, element, joined
from onnx_ood.reports._html.page import bullets, fact_list, failure_list, folded, page, table
from onnx_ood.reports._html.provenance import (
    command_block,
    command_text,
    model_facts,
    preprocessing_words,
    versions,
)
from onnx_ood.reports.sensitivity.charts import histogram, model_name, norms_figure, trajectory_figures
from onnx_ood.reports.sensitivity.facts import TYPE_NAMES
from onnx_ood.reports.words import feeds
from onnx_ood.results.base import FROM_FILES

# Inputs listed from either end, by norm.
_MAX_LISTED = 10


def sensitivity_page(result: SensitivityResult) -> str:
    """Render a sensitivity result as one HTML file that loads nothing.

    Args:
        result: Result of the sensitivity audit.
    """
    sections: list[tuple[str, str, Child]] = [("verdict", "Verdict", _verdict(result))]
    for place, model in enumerate(result.models, start=1):
        name = model_name(model) if len(result.models) > 1 else "Measured"
        sections.append((f"model-{place}", name, _model(model)))
    sections.append(("settings", "Settings and provenance", _settings(result)))
    title = ", ".join(map(model_name, result.models))
    return page(title, "sensitivity", sections, result, result.environment.onnx_ood)


def _verdict(result: SensitivityResult) -> Markup:
    several = len(result.models) > 1
    return joined(
        element("h1", ", ".join(map(model_name, result.models)), id="verdict-name"),
        element("p", _headline(result), class_="headline"),
        element("p", _conclusion(result), class_="conclusion"),
        bullets(result.notes, "notes"),
        _ranking(result.models) if several else None,
        element("div", norms_figure(result.models), class_="one"),
    )


def _headline(result: SensitivityResult) -> str:
    if result.status == "not_evaluated":
        return "Not evaluated"
    first = result.models[0]
    if len(result.models) > 1:
        return f"{model_name(first)} has the smallest mean Jacobian norm"
    return f"Mean Jacobian norm {_estimate(first.jacobian.norm)}"


def _conclusion(result: SensitivityResult) -> str:
    """State the conclusions that the result supports, and its limits."""
    if result.status == "not_evaluated":
        return "Fewer than half of the inputs of a model could be measured: nothing may be concluded."
    words = (
        "The norm measures how much the output changes with the input, at these inputs; a small norm means a stable "
        "model, not a correct one."
    )
    first, *others = [one.jacobian.norm for one in result.models]
    names = [model_name(one) for one in result.models[1:]]
    near = [name for name, one in zip(names, others, strict=True) if _overlap(first, one)]
    if near:
        words += f" The interval of the first overlaps that of {', '.join(near)}: these inputs do not separate them."
    if others:
        words += " Models are compared fairly only where they take the same inputs in the same units."
    return words


def _ranking(models: Sequence[ModelSensitivity]) -> Markup:
    heads = [
        ("model", False),
        ("inputs", True),
        ("Jacobian norm", True),
        ("rank", True),
        ("density", True),
        ("rank", True),
    ]
    rows: list[list[Child]] = [
        [
            one.model.path,
            f"{len(one.inputs):,}",
            _estimate(one.jacobian.norm),
            f"{one.jacobian_rank}",
            numbers.number(one.density, 3),
            "-" if one.density_rank is None else f"{one.density_rank}",
        ]
        for one in models
    ]
    return table("Models, the most stable first", heads, rows)


def _model(model: ModelSensitivity) -> Markup:
    jacobian = model.jacobian
    inside = jacobian.within_region
    failed = len(model.failed)
    return joined(
        fact_list(
            [
                (
                    "Jacobian norm",
                    f"{_estimate(jacobian.norm)} of {jacobian.probe}, {jacobian.directions} directions",
                ),
                ("differences inside one linear region", "" if inside is None else numbers.percent(inside)),
                ("inputs", f"{len(model.inputs):,} measured, {failed:,} failed"),
                ("preprocessing", model.preprocessing),
                ("site", model.site),
                ("other inputs", feeds(model.feeds)),
                ("classes of ellipses", (model.classes or "") if model.trajectory_types else ""),
                ("runs on", model.provider),
            ]
        ),
        failure_list(model.failed) if failed else None,
        element("div", histogram(model), trajectory_figures(model), class_="grid-2"),
        _trajectories(model) if model.trajectory_types else None,
        _layers(model) if model.sites else None,
        _regions(model) if model.regions else None,
        _inputs(model),
        bullets([*(f"not read: {name} {why}" for name, why in model.unread.items()), *model.notes], "notes"),
        element("p", jacobian.note, class_="aside") if jacobian.note else None,
    )


def _trajectories(model: ModelSensitivity) -> Markup:
    kinds: list[list[Child]] = [
        [
            TYPE_NAMES[one.type],
            f"{one.density.count}",
            _estimate(one.density),
            _estimate(one.transitions),
            f"{one.converged}",
        ]
        for one in model.trajectory_types
    ]
    heads = [
        ("trajectory type", False),
        ("trajectories", True),
        ("density", True),
        ("transitions", True),
        ("converged", True),
    ]
    rows: list[list[Child]] = [
        [
            TYPE_NAMES[one.type],
            ", ".join(one.inputs),
            numbers.number(one.transitions / one.length, 3),
            f"{one.transitions:,}" + ("" if one.converged else "+"),
            f"{one.points:,}",
        ]
        for one in model.trajectories
    ]
    every = [
        ("trajectory type", False),
        ("through", False),
        ("density", True),
        ("transitions", True),
        ("points", True),
    ]
    return joined(
        table("Transitions per unit of length, by trajectory type", heads, kinds),
        folded("All trajectories", table("Transitions along each trajectory", every, rows)),
    )


def _layers(model: ModelSensitivity) -> Markup:
    kinds = list(dict.fromkeys(kind for site in model.sites for kind in site.density))
    heads = [
        ("units of", False),
        ("op", False),
        ("pattern", False),
        ("units", True),
        *((kind.replace("_", " "), True) for kind in kinds),
    ]
    rows: list[list[Child]] = [
        [
            element("span", site.name, class_="name"),
            site.op,
            site.exact,
            f"{site.units:,}",
            *(number(site.density[kind] / max(site.units, 1)) for kind in kinds),
        ]
        for site in model.sites
    ]
    return folded("By layer", table("Transitions per unit of length and unit of the layer", heads, rows))


def _regions(model: ModelSensitivity) -> Markup:
    heads = [("from", False), ("to", False), ("length", True), ("boundaries", True), ("regions", True)]
    rows: list[list[Child]] = [
        [*one.inputs, numbers.number(one.length, 3), f"{one.boundaries:,}", f"{one.regions:,}"]
        for one in model.regions
    ]
    return table("Linear regions on line segments between inputs (all boundaries, in float64)", heads, rows)


def _inputs(model: ModelSensitivity) -> Markup:
    known = sorted(
        (one for one in model.inputs if one.jacobian is not None), key=lambda one: -(one.jacobian or 0)
    )
    shown, title = known, "Inputs by norm"
    if len(known) > 2 * _MAX_LISTED:
        shown = [*known[:_MAX_LISTED], *known[-_MAX_LISTED:]]
        title += f": the {_MAX_LISTED} largest and smallest"
    bounded = any(one.nearest_boundary is not None for one in shown)
    heads = [("input", False), ("norm", True), ("standard error", True)]
    heads += [("nearest boundary", True)] if bounded else []
    heads += [("prediction", False)]
    return table(title, heads, [_row(one, bounded=bounded) for one in shown])


def _row(one: SensitivityInput, *, bounded: bool) -> list[Child]:
    prediction = "" if one.prediction is None else one.prediction.label or f"#{one.prediction.index}"
    cells: list[Child] = [
        one.id,
        numbers.number(one.jacobian, 3),
        numbers.relative_error(one.jacobian, one.jacobian_error),
    ]
    return [*cells, *([number(one.nearest_boundary)] if bounded else []), prediction]


def _settings(result: SensitivityResult) -> Markup:
    models = [fact_list(model_facts(one.model)) for one in result.models]
    return joined(
        command_block(command(result)),
        models,
        fact_list(
            [
                ("directions", f"{result.directions}"),
                ("tolerance", f"{result.tolerance:g}"),
                ("seed", f"{result.seed}"),
                ("versions", versions(result.environment)),
            ]
        ),
    )


def _unquoted(name: str) -> str:
    try:
        return str(literal_eval(name))
    except (ValueError, SyntaxError):  # an edited result
        return name


def command(result: SensitivityResult) -> str:
    """Command that repeats the measurement; the inputs have to be filled in."""
    first = result.models[0]
    # A name chosen automatically may differ between models; a name given by the user is the same in all.
    of = {one.jacobian.probe for one in result.models}
    sites = {one.site for one in result.models}
    counted = max((kind.density.count for kind in first.trajectory_types), default=0)
    words = ["onnx-ood", "sensitivity", *(one.model.path for one in result.models), "INPUTS..."]
    if len(of) == 1 and not first.jacobian.probe.startswith("softmax of "):
        words += ["--probe", _unquoted(first.jacobian.probe)]
    words += ["--directions", f"{result.directions}", "--trajectories", f"{counted}"]
    words += ["--tolerance", f"{result.tolerance:g}"]
    words += ["--classes", first.classes] if first.classes not in {None, ANSWERS} else []
    words += ["--exact-regions"] if first.regions else []
    words += [] if result.limit is None else ["--limit", f"{result.limit}"]
    words += ["--seed", f"{result.seed}", *preprocessing_words(first.preprocessing)]
    words += ["--site", first.site] if len(sites) == 1 else []
    for name, value in first.feeds.items():
        words += ["--feed", f"{name}={value}"] if value != FROM_FILES else []
    words += ["--provider", first.provider]
    return command_text(words)


def _overlap(one: MeanEstimate, other: MeanEstimate) -> bool:
    return one.high is None or other.low is None or one.high >= other.low


def _estimate(estimate: MeanEstimate) -> str:
    """Mean and half the width of its interval."""
    if estimate.mean is None:
        return "-"
    text = numbers.number(estimate.mean, 3)
    return text if estimate.high is None else f"{text} ± {number(estimate.high - estimate.mean)}"
