"""Stored results as plain data."""

from __future__ import annotations

import json
from pathlib import Path


def read_json(folder: Path, name: str) -> dict:
    """Reads a stored result."""
    return json.loads((folder / f"{name}.json").read_text())


def estimates(folder: Path, name: str, path: Path) -> dict[str, dict]:
    """Estimates of one model by the names that differences have."""
    (model,) = [
        one for one in read_json(folder, f"sens-{name}")["models"] if one["model"]["path"] == path.as_posix()
    ]
    types = {
        f"transitions, {one['type'].replace('_', ' ')}": one["density"] for one in model["trajectory_types"]
    }
    return {"Jacobian norm": model["jacobian"]["norm"], **types}
