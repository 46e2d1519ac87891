"""Paths as services that show reports know them: relative to the root of the repository."""

from __future__ import annotations

import os
from pathlib import Path

_ROOTS = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")


def repository_path(file: str) -> str:
    """Return the path of a file relative to its repository, with forward slashes.

    The root is the checkout of GitHub Actions or GitLab CI, or else the nearest folder with a `.git`.

    Args:
        file: A path, relative to the working folder or absolute.

    Returns:
        The path; as it was given if no root is found.
    """
    path = Path(file).resolve()
    named = [Path(root).resolve() for name in _ROOTS if (root := os.environ.get(name))]
    nearest = [folder for folder in path.parents if (folder / ".git").exists()]
    for folder in (*named, *nearest[:1]):
        if path.is_relative_to(folder):
            return path.relative_to(folder).as_posix()
    return Path(file).as_posix()
