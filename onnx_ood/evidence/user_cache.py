"""The cache that is used by default: one folder per user, bounded in size."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
from pydantic import Field

from onnx_ood.evidence.store import SUFFIX
from onnx_ood.exceptions import OutputError
from onnx_ood.inputs import shown
from onnx_ood.results.base import Part

VARIABLE = "ONNX_OOD_CACHE"
"""Environment variable with another folder of the cache."""

MAX_BYTES = 2**30
"""Bytes that the cache keeps; the files read longest ago are removed first."""


class CacheInfo(Part):
    """State of the user's cache."""

    folder: str = Field(description="Folder, which may not exist yet.")
    files: int = Field(description="Stored batches of inputs.")
    size: int = Field(description="Bytes of all files.")
    limit: int = Field(default=MAX_BYTES, description="Bytes that are kept.")
    variable: str = Field(default=VARIABLE, description="Environment variable that names another folder.")


def cache_folder() -> Path:
    """Return the folder of the user's cache: `$ONNX_OOD_CACHE`, or else the platform's folder for caches."""
    given = os.environ.get(VARIABLE)
    return Path(given) if given else platformdirs.user_cache_path("onnx_ood") / "features"


def cache_info() -> CacheInfo:
    """Describe the user's cache of measured features.

    Returns:
        Its folder, number of files and size.

    >>> cache_info().size >= 0
    True
    """
    sizes = [size for _, size, _ in _files(cache_folder())]
    return CacheInfo(folder=shown(cache_folder()), files=len(sizes), size=sum(sizes))


def clear_cache() -> int:
    """Remove all files of the user's cache.

    Returns:
        Bytes that were freed.

    Raises:
        OutputError: If a file cannot be removed.
    """
    freed = 0
    for path, size, _ in _files(cache_folder()):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be removed: {error.strerror}") from None
        freed += size
    return freed


def trim_cache(folder: Path, limit: int = MAX_BYTES) -> None:
    """Remove the files read longest ago until the rest fits a limit; files that cannot be removed stay.

    Args:
        folder: Folder of a cache.
        limit: Bytes to keep.
    """
    files = sorted(_files(folder), key=lambda one: one[2], reverse=True)
    kept = 0
    for path, size, _ in files:
        kept += size
        if kept > limit:
            try:
                path.unlink(missing_ok=True)
            except OSError:
                continue


def _files(folder: Path) -> list[tuple[Path, int, float]]:
    """List stored files with size and time of the last use; other files in the folder are none."""
    found = []
    for path in folder.glob(f"*/*{SUFFIX}"):
        try:
            state = path.stat()
        except OSError:
            continue  # Removed by another run.
        found.append((path, state.st_size, state.st_mtime))
    return found
