"""Notes of results: kinds with consequences, and their order in reports."""

from __future__ import annotations

import re
from collections.abc import Iterable

NOT_EVALUATED = "Not evaluated"
"""Beginning of notes on numbers that say nothing."""
GUESS = "The preprocessing is a guess"
"""Beginning of the note on a guessed preprocessing."""
WITHOUT_TERMS = "is used without its"
"""Part of notes on terms that a detector lacks on a model."""
RUN_REFERENCE = "Inputs are compared with the run itself"
"""Beginning of the note on inputs that serve as references."""
MIXED_BATCH = "Predictions may depend on the other inputs of a batch"
"""Beginning of the note on outputs that mix the inputs of a batch."""
OTHER_CHECKSUM = "has another checksum than the model"
"""Part of the note on a card that may describe another file."""

# Results hold notes as texts; these are found in them, the gravest first.
_GRAVEST = tuple(
    map(
        re.compile,
        (
            f"^{NOT_EVALUATED}",
            f"^{RUN_REFERENCE}",
            f"^{GUESS}",
            "all numbers are wrong",
            f"^{MIXED_BATCH}",
            "p-values of .* are invalid",
            WITHOUT_TERMS,
            # They concern some inputs only, which reports count and gates can bound.
            "could not be (measured|scored)",
        ),
    )
)
_LEAST = re.compile(f"{OTHER_CHECKSUM}|skipped")


def consequence(note: str) -> int:
    """Return the place of a kind of notes, 0 for the gravest: a key to sort by.

    >>> consequence("The preprocessing is a guess; ...") < consequence("Another note.")
    True
    """
    for place, pattern in enumerate(_GRAVEST):
        if pattern.search(note):
            return place
    return len(_GRAVEST) + bool(_LEAST.search(note))


def by_consequence(notes: Iterable[str]) -> list[str]:
    """Sort notes by their consequences; those of one kind keep their order.

    Args:
        notes: Notes of a result.
    """
    return sorted(notes, key=consequence)
