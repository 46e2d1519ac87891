"""Take from a generator in a thread, one item ahead of who uses them."""

import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def one_ahead(make: Callable[[threading.Event], Generator[T]], *, name: str) -> Generator[T]:
    """Hand on what a generator gives, in order, making the next item while the last one is used.

    Args:
        make: Makes the generator, which runs in a thread of its own and is closed when the iteration ends,
            however it ends. Then the event is set: it should give up what it is doing.
        name: What the thread is called.
    """
    stop, end = threading.Event(), object()
    items = make(stop)
    with ThreadPoolExecutor(1, thread_name_prefix=name) as thread:
        try:
            future = thread.submit(next, items, end)
            while (item := future.result()) is not end:
                future = thread.submit(next, items, end)
                yield item  # type: ignore[misc]  # `end` was the other thing that it could be
        finally:
            stop.set()
            thread.shutdown(wait=True)
            items.close()
