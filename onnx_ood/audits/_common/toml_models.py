"""Base of the TOML files that users write."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

NonEmptyStr = Annotated[str, Field(min_length=1)]
"""Non-empty string: an empty path would mean the folder itself."""


class TomlModel(BaseModel):
    """Table of a TOML file: kebab-case keys, strict types, no unknown keys."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=lambda name: name.replace("_", "-"),
    )
