"""What files that users write have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


NonEmptyStr = Annotated[str, Field(min_length=1)]
"""One that says something: as a path, an empty one would be the folder itself."""

NonEmptyStrs = Annotated[
    list[NonEmptyStr], BeforeValidator(_listed, json_schema_input_type=NonEmptyStr | list[NonEmptyStr])
]
"""One, or several."""


class TomlModel(BaseModel):
    """A table of such a file: keys have hyphens, and none is unknown."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=lambda name: name.replace("_", "-"),
    )
