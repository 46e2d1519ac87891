"""Directions results in words, shared by terminal and page."""

from __future__ import annotations

from onnx_ood.audits.directions.result import DirectionsResult
from onnx_ood.reports.words import SPACES
from onnx_ood.results.base import Failure


def directions_facts(result: DirectionsResult) -> list[tuple[str, str]]:
    """Return settings and circumstances of the run by name; empty texts are left out of reports."""
    scales = ", ".join(f"{scale:g}" for scale in result.scales)
    swept = (
        f"{len(result.layers)} layers; std {scales} {SPACES[result.space]}; "
        f"{', '.join(result.noises)}; {', '.join(map(str, result.copies))} copies: "
        f"{result.sets[0].counts.settings:,} settings per set"
    )
    return [
        ("model", result.model.path),
        ("preprocessing", result.preprocessing or ""),
        ("provider", result.provider),
        ("in-distribution", f"{result.id} inputs, {len(failures(result))} failed"),
        ("sets", ", ".join(f"{one.name} ({one.inputs})" for one in result.sets)),
        ("site", result.site),
        ("swept", swept),
    ]


def failures(result: DirectionsResult) -> list[Failure]:
    """Return the inputs of all sets that could not be measured."""
    return [*result.failed, *(failure for one in result.sets for failure in one.failed)]
