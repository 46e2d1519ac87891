"""Work that is done once for all processes of a test run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

# Longer than any work here takes on a busy machine.
_TIMEOUT = 900.0


def once(tmp_path_factory: pytest.TempPathFactory, name: str, work: Callable[[Path], object]) -> Path:
    """Give a folder that one test process fills and all others read.

    Args:
        tmp_path_factory: The fixture of this name. With `pytest -n`, workers have neighbouring folders.
        name: Name of the folder.
        work: Called in one process, with the folder. If it raises, tests in all processes fail.

    Returns:
        The folder, when `work` has returned.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    done, failed = folder.with_suffix(".done"), folder.with_suffix(".failed")
    try:
        # One process alone creates it.
        folder.mkdir()
    except FileExistsError:
        end = time.monotonic() + _TIMEOUT
        while not done.exists():
            assert not failed.exists(), f"{name} failed in another process"
            assert time.monotonic() < end, f"{name} is not there after {_TIMEOUT:.0f} s"
            time.sleep(0.05)
        return folder
    try:
        work(folder)
    except BaseException:
        failed.touch()
        raise
    done.touch()
    return folder
