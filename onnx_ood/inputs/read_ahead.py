"""Run a generator in a thread, one item ahead of its consumer."""

import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")


def one_ahead(make: Callable[[threading.Event], Generator[T]], *, name: str) -> Generator[T]:
    """Iterate over a generator, making the next item while the last one is used.

    Args:
        make: Makes the generator. It runs in a thread of its own with the caller's context variables, and is closed
            when the iteration ends, however it ends. The event is set then: the generator should stop at once.
        name: Name of the thread.
    """
    stop, end = threading.Event(), object()
    items = make(stop)
    context = copy_context()  # messages made in the thread name settings as the caller's do

    def take() -> Any:
        return next(items, end)

    with ThreadPoolExecutor(1, thread_name_prefix=name) as thread:
        try:
            future = thread.submit(context.run, take)
            while (item := future.result()) is not end:
                future = thread.submit(context.run, take)
                yield item
        finally:
            stop.set()
            thread.shutdown(wait=True)
            items.close()
