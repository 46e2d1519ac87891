"""Plane results in words, shared by terminal and page."""

from __future__ import annotations

from onnx_ood.audits.plane.result import PlaneResult
from onnx_ood.reports import numbers


def plane_facts(result: PlaneResult) -> list[tuple[str, str]]:
    """Return settings and circumstances of the run by name; empty texts are left out of reports."""
    grid, layer, jacobian = result.grid, result.probe, result.jacobian
    sample = "" if layer.looked_at == layer.units else f", a sample of the layer's {layer.units:,}"
    return [
        ("model", result.model.path),
        ("preprocessing", result.preprocessing or ""),
        ("provider", result.provider),
        (
            "window",
            f"{_length(grid.columns, grid.step)} by {_length(grid.rows, grid.step)} in input space",
        ),
        ("grid", f"{grid.columns} by {grid.rows} points, {numbers.number(grid.step)} apart"),
        ("layer", f"{layer.name} ({layer.op})"),
        ("units that switch", f"{layer.switching:,} of {layer.looked_at:,}{sample}"),
        (
            "Jacobian norm",
            ""
            if jacobian is None
            else f"of {jacobian.probe}, {jacobian.directions} directions, {jacobian.grid.columns} by "
            f"{jacobian.grid.rows} points; standard error {numbers.percent(jacobian.error)}",
        ),
    ]


def plane_notes(result: PlaneResult) -> list[str]:
    """Return all notes on the result."""
    jacobian = result.jacobian
    return [*result.notes, *([jacobian.note] if jacobian and jacobian.note else [])]


def _length(points: int, step: float) -> str:
    return numbers.number((points - 1) * step, 3)
