"""Hooks of the documentation site."""

from __future__ import annotations

import re
from typing import Any

_OUTSIDE = re.compile(
    r"\[([^\]]+)\]\(\.\./((?:benchmarks|models|README|CONTRIBUTING|CHANGELOG|cli|onnx_ood)[^)#]*)[^)]*\)"
)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace links to files of the repository, which the site does not contain, by their paths."""
    return _OUTSIDE.sub(lambda match: f"{match[1]} (`{match[2]}` in the repository)", markdown)
