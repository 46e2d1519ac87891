"""Options of terminal reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Options of a terminal report; each report uses those that apply to it.

    Attributes:
        top: Number of entries to list; None for as many as keep the headline on a terminal of 24 lines.
        everything: True to list all entries.
        verbose: True to add settings and details.
        thumbnails: True to draw listed inputs, if they are picture files.
        charts: Files that the result was drawn in.
        seconds: Duration of the run, or None.
    """

    top: int | None = None
    everything: bool = False
    verbose: bool = False
    thumbnails: bool = False
    charts: tuple[Path, ...] = ()
    seconds: float | None = None


DEFAULTS = ReportOptions()
"""Options of a default report."""
