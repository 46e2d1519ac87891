"""Hooks of the documentation site."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_OUTSIDE = re.compile(
    r"\[([^\]]+)\]\(\.\./((?:benchmarks|models|README|CONTRIBUTING|CHANGELOG|cli|onnx_ood)[^)#]*)[^)]*\)"
)


def on_files(files: Files, *, config: Any, **_: Any) -> Files:
    """Add a page for each notebook: its text and code; a test runs the code."""
    for path in sorted(Path(config["docs_dir"]).glob("*.ipynb")):
        files.append(File.generated(config, f"{path.stem}.md", content=_markdown(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace links to files of the repository, which the site does not contain, by their paths."""
    return _OUTSIDE.sub(lambda match: f"{match[1]} (`{match[2]}` in the repository)", markdown)


def _markdown(notebook: Path) -> str:
    parts = []
    for cell in json.loads(notebook.read_text())["cells"]:
        text = "".join(cell["source"])
        parts.append(f"```python\n{text}\n```" if cell["cell_type"] == "code" else text)
    return "\n\n".join(parts) + "\n"
