"""Answers of a preprocessing search."""

from __future__ import annotations

from onnx_ood.audits.preprocess.result import PreprocessResult, Question, RunnerUpGap, TriedPreprocessing


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
