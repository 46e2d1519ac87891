"""Facts of a directions audit in words: the same on a terminal and on a page."""

from __future__ import annotations

from onnx_ood.audits.directions.result import DirectionsResult
from onnx_ood.results.base import Failure


def directions_facts(result: DirectionsResult) -> list[tuple[str, str]]:
    """What was run on what, by name; a text is empty where there is nothing to say."""
    scales = ", ".join(f"{scale:g}" for scale in result.scales)
    swept = (
        f"{len(result.layers)} layers; std {scales} in {result.space} space; "
        f"{', '.join(result.noises)}; {', '.join(map(str, result.copies))} copies: "
        f"{result.sets[0].counts.settings:,} settings a set"
    )
    return [
        ("model", result.model.path),
        ("preprocessing", result.preprocessing or ""),
        ("runs on", result.provider),
        ("ordinary", f"{result.id} inputs, {len(failures(result))} failed"),
        ("sets", ", ".join(f"{one.name} ({one.inputs})" for one in result.sets)),
        ("nudged at", result.site),
        ("swept", swept),
    ]


def failures(result: DirectionsResult) -> list[Failure]:
    """Inputs that weren't measured, of all sets."""
    return [*result.failed, *(failure for one in result.sets for failure in one.failed)]
