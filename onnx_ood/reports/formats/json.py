"""Results as JSON."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from onnx_ood.reports.escaping import escaped


def to_json(result: BaseModel) -> str:
    """Render a result as JSON, following its schema in `docs/schemas/`; NaN never occurs.

    Args:
        result: Result of an audit. Bytes of file names that are not UTF-8 are escaped.
    """
    try:
        text = result.model_dump_json(indent=2, by_alias=True)
    except PydanticSerializationError:
        text = escaped(result).model_dump_json(indent=2, by_alias=True)
    return text + "\n"
