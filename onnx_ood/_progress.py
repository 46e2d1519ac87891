"""Progress of audits: named phases, each with its steps."""

from __future__ import annotations

from onnx_ood._types import Progress

# Sums of fractions may be this far below a whole number.
_ROUNDING = 1e-6


class Phase:
    """Part of an audit, such as the measurement of references; reports to a callback from its start.

    >>> phase = Phase(print, "references", 2)
    references 0 2
    >>> phase.advance()
    references 1 2
    """

    def __init__(self, progress: Progress | None, name: str, total: int | None = None) -> None:
        """Start the phase.

        Args:
            progress: Callback; None to report nothing.
            name: Name of the phase, for the user.
            total: Number of steps; None for a phase that is not counted.
        """
        self._progress, self._name, self._total = progress, name, total
        self._done = 0.0
        self._report()

    def advance(self, count: float = 1) -> None:
        """Report further steps; fractions count when they make a whole step."""
        self.reach(self._done + count)

    def reach(self, done: float) -> None:
        """Report the number of steps done; more than all count as all."""
        self._done = done if self._total is None else min(done, self._total)
        self._report()

    def _report(self) -> None:
        if self._progress is not None:
            self._progress(self._name, int(self._done + _ROUNDING), self._total)


def prefixed(progress: Progress | None, prefix: str) -> Progress | None:
    """Return a callback that puts a prefix before names of phases.

    Args:
        progress: The callback; None stays None.
        prefix: The prefix, such as the name of a model of several.
    """
    if progress is None:
        return None
    return lambda name, done, total: progress(f"{prefix}{name}", done, total)
