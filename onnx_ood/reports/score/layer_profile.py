"""Layer profile of a score page: the cosine drop at each layer."""

from __future__ import annotations

from collections.abc import Sequence

from onnx_ood.audits.score.result import InputResult, ProbeResult
from onnx_ood.reports import numbers
from onnx_ood.reports._html.charts import (
    MAX_DISTINCT_POINTS,
    Figure,
    Frame,
    chart,
    layer_marks,
    level_axis,
    number,
    point,
    upright_axis,
)
from onnx_ood.reports._html.markup import Markup, element, shape
from onnx_ood.reports._html.page import folded, table
from onnx_ood.reports._html.scales import Scale, log_scale
from onnx_ood.reports.words import counted

FRAME = Frame()
# Maximum number of names of layers below the chart.
_MAX_NAMES = 16
# A noise floor further than this factor below all drops would compress the chart; it is then stated in words.
_MAX_FLOOR_GAP = 100.0


def profile_scale(probes: Sequence[ProbeResult], inputs: Sequence[InputResult]) -> Scale:
    """Return the scale of drops: those of all inputs, and noise floors close to them."""
    drops = [drop for entry in inputs for drop in entry.drop if drop]
    drops += [bound for probe in probes for bound in (probe.drop_low, probe.drop_high) if bound]
    least = min(drops, default=1.0) / _MAX_FLOOR_GAP
    floors = [probe.noise_floor for probe in probes if probe.noise_floor >= least]
    return log_scale([*drops, *floors], FRAME.bottom, FRAME.top)


def profile_places(count: int) -> list[float]:
    """Return the place of each layer."""
    step = (FRAME.right - FRAME.left) / count
    return [FRAME.left + (p + 0.5) * step for p in range(count)]


def profile_figure(probes: Sequence[ProbeResult], inputs: Sequence[InputResult], scored: int) -> Figure:
    """Make the chart of the layer profile.

    Args:
        probes: The layers, first to last.
        inputs: Listed inputs; page.js draws their lines into copies of this chart.
        scored: Number of inputs behind the medians.
    """
    scale, places = profile_scale(probes, inputs), profile_places(len(probes))
    drawing = chart(
        "profile dense" if len(probes) > MAX_DISTINCT_POINTS else "profile",
        f"Cosine drop at {len(probes)} layers, on a logarithmic scale: median and the range of 90% of the inputs.",
        FRAME,
        upright_axis(scale, FRAME, "cosine drop"),
        level_axis(layer_marks(places, _MAX_NAMES), FRAME, "layer, first to last"),
        _band(probes, places, scale),
        _floors(probes, places, scale),
        _line(places, [probe.drop_median for probe in probes], scale),
        [
            _point(p, probe, x, scale)
            for p, (probe, x) in enumerate(zip(probes, places, strict=True))
            if probe.drop_median
        ],
        # Used by page.js to draw the line of an input.
        data_places=" ".join(map(shape, places)),
        data_low=f"{scale.low!r}",
        data_high=f"{scale.high!r}",
        data_start=shape(scale.start),
        data_stop=shape(scale.stop),
    )
    return Figure(
        "Layer profile",
        [drawing],
        notes=[
            f"Rotation of activations when an input is nudged: median of {counted(scored, 'input')}, and the "
            "band of 5% to 95% of them.",
            _floor_words(probes, scale),
        ],
        kind="wide",
    )


def profile_table(probes: Sequence[ProbeResult]) -> Markup:
    """Make the table of the layer profile."""
    rows = [
        [
            f"[{place}]",
            element("span", probe.name, class_="name"),
            f"{probe.depth}",
            number(probe.drop_median),
            f"{number(probe.drop_low)} to {number(probe.drop_high)}",
            number(probe.distortion_median),
            numbers.percent(probe.flip_rate_median),
            numbers.percent(probe.above_floor),
            number(probe.noise_floor),
        ]
        for place, probe in enumerate(probes, start=1)
    ]
    heads = [
        ("", True),
        ("probe", False),
        ("depth", True),
        ("cosine drop", True),
        ("5% to 95% of inputs", True),
        ("distortion", True),
        ("flips", True),
        ("> noise", True),
        ("noise floor", True),
    ]
    return folded("Layer profile as a table", table("Layer profile (medians over inputs)", heads, rows))


def _band(probes: Sequence[ProbeResult], places: Sequence[float], scale: Scale) -> Markup | None:
    bounds = [
        (x, scale(probe.drop_low), scale(probe.drop_high))
        for probe, x in zip(probes, places, strict=True)
        if probe.drop_low and probe.drop_high
    ]
    if not bounds:
        return None
    corners = [(x, high) for x, _, high in bounds] + [(x, low) for x, low, _ in reversed(bounds)]
    return element("path", class_="band", d="M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in corners) + "Z")


def _line(places: Sequence[float], values: Sequence[float | None], scale: Scale) -> Markup:
    """Draw a line with gaps for missing values."""
    steps, begun = [], False
    for x, value in zip(places, values, strict=True):
        if value:
            steps.append(f"{'L' if begun else 'M'}{x:.1f} {scale(value):.1f}")
        begun = bool(value)
    return element("path", class_="median", d="".join(steps))


def _floors(probes: Sequence[ProbeResult], places: Sequence[float], scale: Scale) -> Markup | None:
    half = (FRAME.right - FRAME.left) / len(probes) / 2
    steps = [
        f"M{x - half:.1f} {scale(probe.noise_floor):.1f}h{2 * half:.1f}"
        for probe, x in zip(probes, places, strict=True)
        if probe.noise_floor >= scale.low
    ]
    return element("path", class_="floor", d="".join(steps)) if steps else None


def _floor_words(probes: Sequence[ProbeResult], scale: Scale) -> str:
    floors = [probe.noise_floor for probe in probes]
    low, high = number(min(floors)), number(max(floors))
    span = low if low == high else f"{low} to {high}"
    if max(floors) < scale.low:
        return f"Noise floor: {span}, far below the chart; drops are above it."
    return f"Dashed: the noise floor, {span}; a drop below it is noise."


def _point(p: int, probe: ProbeResult, x: float, scale: Scale) -> Markup:
    tip = (
        f"[{p + 1}] {probe.name}: median {number(probe.drop_median)}, 5% to 95% {number(probe.drop_low)} to "
        f"{number(probe.drop_high)}, noise floor {number(probe.noise_floor)}"
    )
    return point(tip, element("circle", cx=x, cy=scale(probe.drop_median or scale.low), r=4))
