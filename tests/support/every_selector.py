"""Every selector of a model, tried: each run ends in a result or in an error of ours."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import onnx_ood
from onnx_ood.exceptions import OnnxOodError
from onnx_ood.graph import load


def selectors(path: Path) -> list[str | None]:
    """Default probes, all, and one selector for each operator at any depth."""
    tensors = load(path).all_tensors
    return [None, "all", *sorted({f"op:{tensor.op}" for tensor in tensors if not tensor.is_input})]


def scored(path: Path, feeds: Mapping[str, Any], folder: Path, *, site: str | None = None) -> dict[str, int]:
    """Score a model with each of its selectors.

    Args:
        path: The model file.
        feeds: Inputs by name, one row per input where they have a batch axis.
        folder: A folder for the inputs.
        site: The tensor to nudge; None for the default.

    Returns:
        Number of runs that gave a result, and that were refused; any other exception is an AssertionError.
    """
    source = folder / "inputs.npz"
    np.savez(source, **feeds)
    outcomes = {"measured": 0, "refused": 0}
    for selector in selectors(path):
        try:
            onnx_ood.score(
                path,
                [source],
                probes=() if selector is None else [selector],
                site=site,
                provider="cpu",
                copies=2,
                cache=False,
                bundled_reference=selector is None,
            )
            outcomes["measured"] += 1
        except OnnxOodError:
            outcomes["refused"] += 1
        except Exception as error:
            raise AssertionError(f"{path.name}, {selector}: {traceback.format_exc()}") from error
    return outcomes
