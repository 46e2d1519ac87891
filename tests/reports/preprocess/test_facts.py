"""Answers of a preprocessing search in words."""

from __future__ import annotations

import onnx_ood
from onnx_ood.reports.preprocess.facts import behind, verdict_words


def test_a_determined_question_names_its_answer(result: onnx_ood.PreprocessResult) -> None:
    values, resize = result.questions
    first = values.candidates[0]
    assert verdict_words(values) == (first.name, f" ({first.spec})")
    assert verdict_words(resize) == ("undetermined", f": {resize.reason}")


def test_gaps_have_the_numbers_of_the_result(result: onnx_ood.PreprocessResult) -> None:
    for question in result.questions:
        first, *others = question.candidates
        assert behind(first, question) == ("-", "")
        for one in others:
            value, interval = behind(one, question)
            assert abs(float(value) - one.gap.value) <= 0.00501
            low, high = map(float, interval.split(" to "))
            assert (abs(low - one.gap.low) <= 0.00501, abs(high - one.gap.high) <= 0.00501) == (True, True)
