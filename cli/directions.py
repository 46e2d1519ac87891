"""What `onnx-ood bench --directions` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx_ood
from onnx_ood.exceptions import NotEvaluatedError, UsageError
from onnx_ood.reports.printing import print_directions

from .console import stdout
from .output import check_outputs, write_html, write_json
from .progress import progress_bar


def directions(
    model: Path,
    ordinary: Sequence[str],
    strange: Mapping[str, Sequence[str]],
    settings: onnx_ood.DirectionsSettings,
    json: Path | None,
    html: Path | None,
    *,
    quiet: bool,
) -> None:
    """Measure where the published direction of the cosine drop holds and where it flips, on one model."""
    check_outputs(json, html)
    with progress_bar("measuring", quiet=quiet) as progress:
        result = onnx_ood.directions(model, ordinary, strange, settings, progress=progress)
    write_html(result, html)
    printed = write_json(result, json)
    if not quiet and not printed:
        print_directions(stdout(), result, top=5)
    if result.status == "not evaluated":
        raise NotEvaluatedError("there are fewer than 10 ordinary inputs, or fewer of a set")


def read_scales(text: str | None) -> tuple[float, ...]:
    """Scales with commas between; the defaults of None.

    Raises:
        UsageError: If one is no number.
    """
    if text is None:
        return onnx_ood.DirectionsSettings.scales
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(
            f"--scales {text!r} is not numbers with commas between, as in --scales 0.01,0.1"
        ) from None
