"""Progress on standard error: a bar on a terminal, otherwise a line at the start of each phase."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from onnx_ood._printable import shown
from onnx_ood._types import Progress
from onnx_ood.reports._terminal.report_layout import duration

from .console import stderr


class _Count(ProgressColumn):
    """Steps done and in all; empty for a phase that is not counted."""

    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{task.completed:,.0f}/{task.total:,.0f}")


class _Time(ProgressColumn):
    """Time left of a counted phase once it is known, and the time since the start of any other."""

    def render(self, task: Task) -> Text:
        left = task.time_remaining if task.total is not None else None
        text = duration(task.elapsed) if left is None else f"{duration(left)} left"
        return Text(text, style="dim")


@contextmanager
def show_progress(*, quiet: bool) -> Iterator[Progress | None]:
    """Show the phases of an audit while the body runs.

    Args:
        quiet: True to show nothing.

    Yields:
        Callback for the audit, or None if nothing is shown.
    """
    console = stderr()
    if quiet:
        yield None
    elif not console.is_terminal or console.is_dumb_terminal:
        yield _Lines()
    else:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), _Count(), _Time())
        with Bar(*columns, console=console, transient=True) as bar:
            yield _Phases(bar)


class _Lines:
    """Writes a line at the start of each phase, without control characters."""

    def __init__(self) -> None:
        self._phase = ""

    def __call__(self, phase: str, _done: int, total: int | None) -> None:
        if phase != self._phase:
            self._phase = phase
            count = "" if total is None else f" ({total:,})"
            sys.stderr.write(f"{shown(phase)}{count}...\n")
            sys.stderr.flush()


class _Phases:
    """Draws the current phase as a bar."""

    def __init__(self, bar: Bar) -> None:
        self._bar, self._phase = bar, ""
        self._task = bar.add_task("reading the model", total=None)

    def __call__(self, phase: str, done: int, total: int | None) -> None:
        if phase != self._phase:
            self._phase = phase
            self._bar.remove_task(self._task)
            self._task = self._bar.add_task(shown(phase), total=total)
        self._bar.update(self._task, completed=done, total=total)
