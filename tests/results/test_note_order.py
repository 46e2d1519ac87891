"""Order of notes: each kind is made by the code that notes it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from onnx_ood.detectors import find_detector
from onnx_ood.evidence.fit import FittedDetectors
from onnx_ood.evidence.preprocessing_choice import preprocessing_notes
from onnx_ood.evidence.references import overlap_notes
from onnx_ood.inputs import Chosen, parse
from onnx_ood.inputs.value_range import ValueRange
from onnx_ood.reports.words import failure_text
from onnx_ood.results.base import Failure
from onnx_ood.results.note_order import MIXED_BATCH, RUN_REFERENCE, by_consequence, consequence


def _notes() -> list[str]:
    """Notes in the order of their consequences."""
    unit = parse("unit", (1, 3, 8, 8))
    card: Any = SimpleNamespace(sha256="0" * 64, path=Path("model.json"))
    checksum, guess = preprocessing_notes(
        Chosen(unit, "guessed"), card, cast("Any", SimpleNamespace(sha256="1" * 64))
    )
    values = ValueRange(unit)
    values.add(np.full((1, 3, 8, 8), 255, np.float32))
    (wrong,) = values.notes
    shared, copies = overlap_notes(["a.png"], ["b.png"])
    info: Any = SimpleNamespace(probabilities=None, no_scores="no class scores", layers=("relu",))
    (lacking,) = FittedDetectors((find_detector("auto"),), (), info, cast("Any", None), {}).notes
    failed = failure_text([Failure(id="x.png", reason="an empty file, skipped")], 1, "scored")
    return [
        "Not evaluated: nothing.",
        f"{RUN_REFERENCE}: the most typical 10 of 20 inputs serve as references.",
        guess,
        wrong,
        f"{MIXED_BATCH}; inputs were run one at a time.",
        shared,
        copies,
        lacking,
        failed,
        "Another note.",
        checksum,
        "1 probe skipped; --verbose lists them",
    ]


def test_notes_are_sorted_by_their_consequences() -> None:
    notes = _notes()
    assert [consequence(note) for note in notes] == [0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 9]
    shuffled = [notes[place] for place in (10, 11, 9, 8, 7, 5, 6, 4, 3, 2, 1, 0)]
    assert by_consequence(shuffled) == notes
