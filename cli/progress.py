"""The progress bar: on standard error, and only where someone watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from .console import stderr


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f} inputs/s", style="dim")


@contextmanager
def progress_bar(label: str, *, quiet: bool) -> Iterator[Callable[[int, int | None], None] | None]:
    """Shows progress with rate and time left while the body runs.

    Args:
        label: What is being done.
        quiet: True to show nothing.

    Yields:
        A function that takes the number done and the number in all, or None where nothing is shown.
    """
    console = stderr()
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
