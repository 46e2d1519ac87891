"""Memory that was freed goes back to the system, where the C library would keep it."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress


def trim_heap() -> None:
    """Gives freed memory back to the system.

    Loading a model leaves several times what its weights take, trial runs as much as all probes. Only the GNU C library
    keeps that for itself, and only there is a function against it.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
