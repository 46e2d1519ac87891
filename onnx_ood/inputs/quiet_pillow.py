"""Keep Pillow's warnings about strangers' files off the user's terminal, safely across threads."""

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

# The regex comment makes the filter ours: removing it can't remove an equal one that the user has set.
_MODULES = r"PIL\.(?#onnx_ood)"
_FILTER = ("ignore", None, Warning, re.compile(_MODULES), 0)

_lock = threading.Lock()
_users = 0


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Ignore warnings issued by Pillow's modules while at least one thread is inside.

    Pillow warns (broken EXIF, odd TIFF tags, large pictures) through the process-wide `warnings` module.
    `warnings.catch_warnings` does not help: it swaps the whole filter list and restores it on exit, so
    two threads that leave in another order than they came restore the wrong one for good. Here one
    narrow filter is put in when the first thread enters and taken out when the last one leaves; nobody
    else's filters are touched, and warnings of other modules show as before.
    """
    global _users  # noqa: PLW0603 - a count shared by all threads, under the lock
    with _lock:
        if _users == 0:
            warnings.filterwarnings("ignore", module=_MODULES)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            filters = cast(list[Any], warnings.filters)
            # Absent when somebody's `catch_warnings` ended meanwhile and took it along.
            if _users == 0 and _FILTER in filters:
                filters.remove(_FILTER)
