"""Answers of a preprocessing search."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import jsonschema
import pytest

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.preprocess.result import PreprocessResult, Question, RunnerUpGap, TriedPreprocessing
from onnx_ood.exceptions import NotEvaluatedError, UsageError
from onnx_ood.inputs import read_card


def tried(name: str, leading: bool) -> TriedPreprocessing:
    gap = RunnerUpGap(value=0, low=0, high=0)
    return TriedPreprocessing(
        name=name, spec=name, description="", information=None, batch_norm=None, score=0, gap=gap,
        leading=leading, confidence=None, agreement=None, answers=None,
    )  # fmt: skip


def question(asks: str, verdict: str, *leading: bool) -> Question:
    candidates = [tried(f"{asks} {i}", one) for i, one in enumerate(leading)]
    return Question(asks=asks, verdict=verdict, reason="", candidates=candidates)


def test_the_last_question_has_the_best_and_all_have_to_be_determined() -> None:
    values = question("values", "determined", True, True, False)
    assert [one.name for one in values.leading] == ["values 0", "values 1"]
    for verdict in ("determined", "undetermined"):
        resize = question("resize", verdict, True, False)
        result = PreprocessResult.model_construct(questions=(values, resize))
        assert result.best.name == "resize 0"
        assert result.determined is (verdict == "determined")


def test_candidates_of_the_first_open_question_are_possible() -> None:
    resize = question("resize", "undetermined", True, True, False)
    for verdict, leading, want in [
        ("determined", (True, False), ["resize 0", "resize 1"]),
        ("undetermined", (True, True, True, True), [f"values {k}" for k in range(4)]),
        # One that leads alone and says too little is not alone the answer.
        ("undetermined", (True, False, False, False), [f"values {k}" for k in range(3)]),
    ]:
        values = question("values", verdict, *leading)
        result = PreprocessResult.model_construct(questions=(values, resize))
        assert [one.name for one in result.possible] == want


def test_a_card_is_what_score_reads(tmp_path: Path) -> None:
    model = Path(shutil.copy(models.path("fashion_cnn"), tmp_path / "m.onnx"))
    images, _ = models.fashion_samples()
    result = onnx_ood.preprocess(model, images[::8])
    path = result.write_card()
    assert path == tmp_path / "m.json"
    card, known = read_card(model), read_card(models.path("fashion_cnn"))
    assert card is not None
    assert known is not None
    assert card.preprocessing == known.preprocessing
    assert card.sha256 == hashlib.sha256(model.read_bytes()).hexdigest()
    schema = json.loads((Path(__file__).parents[3] / "docs" / "schemas" / "card.json").read_text())
    jsonschema.validate(json.loads(path.read_text()), schema)
    jsonschema.validate(json.loads(models.path("fashion_cnn").with_suffix(".json").read_text()), schema)
    with pytest.raises(UsageError, match="exists; a card is read with the model and never overwritten"):
        result.write_card()


def test_no_card_of_an_undetermined_preprocessing(tmp_path: Path) -> None:
    values = question("values", "undetermined", True, False)
    result = PreprocessResult.model_construct(questions=(values,), status="measured")
    with pytest.raises(NotEvaluatedError, match="undetermined"):
        result.write_card(tmp_path / "x.json")
    assert not (tmp_path / "x.json").exists()
