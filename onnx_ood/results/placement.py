"""Where the nodes of a measured model ran, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_NAMED = 3


def placement_text(placement: Mapping[str, int]) -> str:
    """Says how many nodes ran on which execution provider."""
    return ", ".join(f"{count} node{'s' * (count > 1)} on {name}" for name, count in placement.items())


def fallback_report(names: Sequence[str]) -> str:
    """Says that nodes which measuring added ran on the CPU although the model ran elsewhere.

    Args:
        names: Names of the nodes, at least one.
    """
    shown = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    return (
        f"{len(names)} added node{'s' * (len(names) > 1)} ran on the CPU instead of the GPU ({shown}): the numbers "
        "hold, but this is a bug of onnx_ood. Please report it with the model's operators and what onnx-ood doctor "
        "prints."
    )
