"""Return of freed memory to the system."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress


def trim_heap() -> None:
    """Return freed memory to the system.

    Loading a model frees several times the size of its weights, trial runs as much as all probes. Only the GNU C
    library keeps freed memory, and only there is a function to release it.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
