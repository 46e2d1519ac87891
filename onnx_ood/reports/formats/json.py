"""Results as JSON."""

from __future__ import annotations

from pydantic import BaseModel


def to_json(result: BaseModel) -> str:
    """Render a result as JSON, following its schema in `docs/schemas/`; NaN never occurs."""
    return result.model_dump_json(indent=2, by_alias=True) + "\n"
