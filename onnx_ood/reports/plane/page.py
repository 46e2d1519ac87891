"""Page of the plane audit."""

from __future__ import annotations

from onnx_ood.audits.plane.result import PlaneClasses, PlaneResult
from onnx_ood.reports import numbers
from onnx_ood.reports._html.charts import number
from onnx_ood.reports._html.markup import Child, Markup, element, joined
from onnx_ood.reports._html.page import bullets, fact_list, folded, page, table
from onnx_ood.reports._html.provenance import (
    command_block,
    command_text,
    model_facts,
    preprocessing_words,
    versions,
)
from onnx_ood.reports.plane.facts import plane_facts, plane_notes
from onnx_ood.reports.plane.map import class_key, class_name, plane_figures, prediction_text
from onnx_ood.reports.plane.style import POINT_NAMES

# Classes listed without unfolding.
_MAX_LISTED = 10
_LINES = {
    "linear": "Lines are boundaries of linear regions, to within a cell of the grid",
    "pattern": "Lines are boundaries of activation patterns, some of them not linear, to within a cell of the grid",
    "sign": "Lines are sign changes of the pre-activations of a smooth function, in place of boundaries",
}


def plane_page(result: PlaneResult) -> str:
    """Render a plane as one HTML file that loads nothing.

    Args:
        result: Result of the plane audit.
    """
    sections: list[tuple[str, str, Child]] = [
        ("verdict", "Verdict", _verdict(result)),
        ("plane", "Plane", _maps(result)),
        ("classes", "Classes", _classes(result.classes) if result.classes else None),
        ("settings", "Settings and provenance", _settings(result)),
    ]
    return page(_name(result), "plane", sections, result, result.environment.onnx_ood)


def _name(result: PlaneResult) -> str:
    return result.model.path.rpartition("/")[2]


def _verdict(result: PlaneResult) -> Markup:
    return joined(
        element("h1", _name(result), id="verdict-name"),
        element("p", _headline(result), class_="headline"),
        element("p", _conclusion(result), class_="conclusion"),
        bullets(plane_notes(result), "notes"),
        fact_list(plane_facts(result)),
    )


def _headline(result: PlaneResult) -> str:
    layer = result.probe
    if result.classes is None:
        return f"{layer.switching:,} of {layer.looked_at:,} units switch on this plane"
    own = {one.prediction.index for one in result.points if one.prediction}
    share = sum(one.share for one in result.classes.found if one.index not in own)
    if not share:
        return "The whole plane has the predictions of its three inputs"
    return f"{numbers.percent(share)} of this plane has a prediction that none of its three inputs has"


def _conclusion(result: PlaneResult) -> str:
    """State the conclusions that the result supports, and its limits."""
    return (
        "This is one plane of the input space, through three inputs and around them. It shows what the model predicts "
        "there, not whether that is correct: most of its points are mixtures that no application would use as input. "
        f"Other planes may differ. {_LINES[result.probe.exact]}; a unit that switches twice within a cell is missed."
    )


def _maps(result: PlaneResult) -> Markup:
    return joined(element("div", plane_figures(result), class_="grid-2"), _points(result))


def _points(result: PlaneResult) -> Markup:
    heads = [("input", False), ("x", True), ("y", True)]
    heads += [("prediction", False)] if result.classes else []
    heads += [("Jacobian norm", True), ("±", True)] if result.jacobian else []
    rows: list[list[Child]] = []
    for name, one in zip(POINT_NAMES, result.points, strict=True):
        cells: list[Child] = [f"{name}: {one.id}", number(one.x), number(one.y)]
        cells += [prediction_text(one.prediction)] if result.classes else []
        if result.jacobian:
            cells += [
                numbers.number(one.jacobian, 3),
                numbers.relative_error(one.jacobian, one.jacobian_error),
            ]
        rows.append(cells)
    return table("The three inputs", heads, rows)


def _classes(classes: PlaneClasses) -> Markup:
    rows: list[list[Child]] = [
        [joined(class_key(classes, one), f" {class_name(one)}"), numbers.percent(one.share)]
        for one in classes.found
    ]
    heads = [("class", False), ("share", True)]
    further = rows[_MAX_LISTED:]
    return joined(
        table("Classes on the plane, by share of its points", heads, rows[:_MAX_LISTED]),
        folded(f"{len(further):,} more", table("Further classes", heads, further)) if further else None,
    )


def _settings(result: PlaneResult) -> Markup:
    return joined(
        command_block(command(result), named=True),
        fact_list(
            [
                *model_facts(result.model),
                ("preprocessing", result.preprocessing),
                ("seed", f"{result.seed}"),
                (
                    "provider",
                    f"{result.provider}{f' ({result.provider_note})' if result.provider_note else ''}",
                ),
                ("versions", versions(result.environment)),
            ]
        ),
    )


def command(result: PlaneResult) -> str:
    """Command that repeats the measurement."""
    grid, layer, points = result.grid, result.probe, result.points
    resolution = max(grid.columns, grid.rows)
    box = max(
        max(one.x for one in points) - min(one.x for one in points),
        max(one.y for one in points) - min(one.y for one in points),
    )
    # The longer side of the window is that of the inputs' bounding box, plus the extent on both sides.
    extent = max(0.0, (grid.step * (resolution - 1) / box - 1) / 2)
    words = ["onnx-ood", "plane", result.model.path, *(one.id for one in points)]
    words += ["--probe", layer.name, "--units", f"{layer.looked_at}"]
    words += ["--resolution", f"{resolution}", "--extent", f"{extent:.9g}"]
    words += ["--directions", f"{result.jacobian.directions if result.jacobian else 0}"]
    words += ["--seed", f"{result.seed}", *preprocessing_words(result.preprocessing)]
    words += ["--provider", result.provider]
    return command_text(words)
