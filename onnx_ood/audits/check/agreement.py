"""Whether two models give the same answers."""

from __future__ import annotations

from onnx_ood.audits.score.result import ScoreResult
from onnx_ood.exceptions import NotEvaluatedError


def compare_answers(one: ScoreResult, other: ScoreResult) -> tuple[int, int]:
    """Counts inputs to which two models give the same class.

    An input that only one of them could answer counts as answered differently; one that neither could doesn't count.

    Args:
        one: Scores of the inputs by one model, all of them listed.
        other: Those of the same inputs by the other.

    Returns:
        How many they answer alike, and how many were compared.

    Raises:
        NotEvaluatedError: If one gives no classes, or there is nothing to compare.
    """
    answers = []
    for result in (one, other):
        found = {entry.id: entry.prediction for entry in result.inputs}
        if any(prediction is None for prediction in found.values()):
            raise NotEvaluatedError(f"{result.model.path}: its first output is no vector of class scores")
        answers.append({name: prediction.index for name, prediction in found.items() if prediction})
    first, second = answers
    compared = first.keys() | second.keys()
    if not compared:
        raise NotEvaluatedError("neither model could answer any input")
    same = sum(name in first and name in second and first[name] == second[name] for name in compared)
    return same, len(compared)
