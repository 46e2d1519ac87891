"""Charts of the sensitivity audit: Jacobian norms, and transitions along trajectories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onnx_ood._types import Float
from onnx_ood.audits.sensitivity.result import ModelSensitivity, TrajectoryType
from onnx_ood.reports._html.bands import FRAME, Band, band_chart, band_places
from onnx_ood.reports._html.charts import (
    Figure,
    Frame,
    Key,
    chart,
    level_axis,
    line_key,
    number,
    point,
    polyline,
    scale_ticks,
    square_key,
)
from onnx_ood.reports._html.histogram import histogram_figure
from onnx_ood.reports._html.markup import Child, Markup, element, joined
from onnx_ood.reports._html.rows import row_frame, row_name
from onnx_ood.reports._html.scales import Scale, log_scale
from onnx_ood.reports.sensitivity.facts import TYPE_NAMES
from onnx_ood.reports.words import counted

# Inputs on an ellipse, at θ = π/3, π and 5π/3, as fractions of the whole.
_ON_ELLIPSE = (1 / 6, 1 / 2, 5 / 6)
_ENDS = ((0.0, "0"), (0.5, "½"), (1.0, "1"))
_ROW = 46
# Norms that differ by a larger ratio are drawn on a logarithmic scale.
_LOG_RATIO = 10


def model_name(model: ModelSensitivity) -> str:
    """File name of a model."""
    return model.model.path.rpartition("/")[2]


def model_norms(model: ModelSensitivity) -> Float:
    """Known Jacobian norms of a model's inputs."""
    return np.array([one.jacobian for one in model.inputs if one.jacobian is not None], np.float64)


def norms_figure(models: Sequence[ModelSensitivity]) -> Figure | None:
    """Draw all norms of each model in one row, with quartiles and mean; None without norms.

    Args:
        models: The models, from top to bottom.
    """
    norms = [(model_name(model), model_norms(model)) for model in models]
    norms = [(name, values) for name, values in norms if len(values)]
    if not norms:
        return None
    frame = row_frame([name for name, _ in norms], _ROW)
    low, high = min(values.min() for _, values in norms), max(values.max() for _, values in norms)
    if log := bool(0 < low < high / _LOG_RATIO):
        across = log_scale([float(low), float(high)], frame.left, frame.right)
    else:
        # A little room around equal norms, and for dots at the ends.
        room = 0.03 * (high - low) or abs(high) / 2 or 0.5
        across = Scale(max(0.0, float(low - room)), float(high + room), frame.left, frame.right)
    derived = " and ".join(dict.fromkeys(one.jacobian.probe for one in models))
    drawing = chart(
        "norms",
        f"Jacobian norms of the inputs of {counted(len(norms), 'model')}, with quartiles and mean.",
        frame,
        level_axis(
            scale_ticks(across), frame, f"Jacobian norm of {derived}{' (logarithmic)' if log else ''}"
        ),
        [
            _strip(name, values, frame, across, frame.top + (place + 0.5) * _ROW + 3)
            for place, (name, values) in enumerate(norms)
        ],
    )
    dot = Key(element("path", class_="dots", d="M6 6h0"), "input")
    mean = Key(element("path", class_="mean-mark", d=_diamond(6, 6)), "mean")
    median = Key(element("path", class_="median-mark", d="M6 0V12"), "median")
    keys = [dot, square_key("middle half", class_="middle-half"), median, mean]
    return Figure("Jacobian norms of all inputs", [drawing], keys)


def histogram(model: ModelSensitivity) -> Figure | None:
    """Draw the histogram of a model's norms; None for fewer than two."""
    norms = model_norms(model).tolist()
    if len(norms) < 2:
        return None
    return histogram_figure("Jacobian norm", norms, [False] * len(norms), "", higher="less stable")


def trajectory_figures(model: ModelSensitivity) -> list[Figure]:
    """Draw transitions along the trajectories of each type."""
    return [_trajectories(model, kind.type) for kind in model.trajectory_types]


def _strip(name: str, values: Float, frame: Frame, across: Scale, y: float) -> list[Markup]:
    lower, median, upper = (float(one) for one in np.quantile(values, [0.25, 0.5, 0.75]))
    mean = float(values.mean())
    # On three levels in turn, so that dots of similar norms overlap less.
    levels = np.argsort(np.argsort(values)) % 3 - 1
    dots = dict.fromkeys(
        f"M{across(value):.1f} {y + 9 * level:.1f}h0"
        for value, level in zip(values.tolist(), levels.tolist(), strict=True)
    )
    left, right, middle = across(lower), across(upper), across(median)
    return [
        row_name(name, frame, y),
        element("path", class_="dots", d="".join(dots)),
        point(
            f"{name}: median {number(median)}, middle half {number(lower)} to {number(upper)}",
            element("rect", class_="middle-half", x=left, y=y - 16, width=right - left, height=32),
            element("path", class_="median-mark", d=f"M{middle:.1f} {y - 16:.1f}V{y + 16:.1f}"),
        ),
        point(
            f"{name}: mean {number(mean)} of {counted(len(values), 'input')}",
            element("path", class_="mean-mark", d=_diamond(across(mean), y)),
        ),
    ]


def _trajectories(model: ModelSensitivity, kind: TrajectoryType) -> Figure:
    """Density of transitions along the trajectories of one type: each, the mean and the range."""
    chosen = [one for one in model.trajectories if one.type == kind]
    profiles = [one.profile for one in chosen]
    parts = list(zip(*profiles, strict=True))
    highest = max(max(one.profile) for one in model.trajectories) or 1.0
    bands = [
        Band(
            min(part),
            mean := sum(part) / len(part),
            max(part),
            f"Part {p + 1} of {len(parts)}: {number(mean)} transitions per unit of length, "
            f"from {number(min(part))} to {number(max(part))}",
        )
        for p, part in enumerate(parts)
    ]
    up = Scale(0.0, highest * 1.04, FRAME.bottom, FRAME.top)
    along = Scale(0.0, 1.0, FRAME.left, FRAME.right)
    places = band_places(len(parts))
    singles: list[Child] = [
        element(
            "path",
            class_="single",
            d=polyline([(x, up(value)) for x, value in zip(places, profile, strict=True)]),
        )
        for profile in profiles
    ]
    on_ellipse = len(chosen[0].inputs) == len(_ON_ELLIPSE)
    drawing = band_chart(
        "curve",
        f"Transitions per unit of length along {len(profiles)} trajectories: {TYPE_NAMES[kind]}.",
        bands,
        up,
        upright="transitions per length",
        ticks=[(along(at), name) for at, name in _ENDS],
        level="fraction of the trajectory",
        guide=joined(_crossings(along) if on_ellipse else None, singles),
    )
    keys = [line_key("mean", "median"), line_key("one trajectory", "single")]
    keys += [square_key("range", class_="band")]
    if on_ellipse:
        keys.append(Key(element("path", class_="input-mark", d=_triangle(6, 11)), "an input"))
    return Figure(
        f"{TYPE_NAMES[kind].capitalize()}",
        [drawing],
        keys,
        ["Transitions per unit of length. All charts of a model have one scale."],
    )


def _crossings(along: Scale) -> list[Markup]:
    """Mark the points where an ellipse passes through its inputs."""
    places = [along(at) for at in _ON_ELLIPSE]
    return [
        element("path", class_="crossing", d="".join(f"M{x:.1f} {FRAME.top}V{FRAME.bottom}" for x in places)),
        element("path", class_="input-mark", d="".join(_triangle(x, FRAME.bottom) for x in places)),
    ]


def _triangle(x: float, y: float) -> str:
    return f"M{x - 4:.1f} {y:.1f}h8l-4 -7z"


def _diamond(x: float, y: float) -> str:
    return f"M{x:.1f} {y - 6:.1f}l5 6l-5 6l-5 -6z"
