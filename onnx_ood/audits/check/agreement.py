"""Agreement of two models' predicted classes."""

from __future__ import annotations

from onnx_ood.audits.score.result import ScoreResult
from onnx_ood.exceptions import NotEvaluatedError


def compare_answers(one: ScoreResult, other: ScoreResult) -> tuple[int, int]:
    """Count inputs with the same predicted class.

    An input that only one model could answer counts as a disagreement; an input that neither could is not counted.

    Args:
        one: Scores of the inputs by one model, all inputs listed.
        other: Scores of the same inputs by the other model.

    Returns:
        The number of inputs with the same class, and the number of inputs compared.

    Raises:
        NotEvaluatedError: If a model predicts no classes, or there is nothing to compare.
    """
    answers = []
    for result in (one, other):
        predictions = {entry.id: entry.prediction for entry in result.inputs}
        if any(prediction is None for prediction in predictions.values()):
            raise NotEvaluatedError(
                f"{result.model.path}: {result.answer.reason or 'it gives neither class scores nor labels'}"
            )
        answers.append({name: prediction for name, prediction in predictions.items() if prediction})
    first, second = answers
    if {one.index is None for one in [*first.values(), *second.values()]} == {False, True} and not all(
        one.label is not None for one in [*first.values(), *second.values()]
    ):
        raise NotEvaluatedError("one model returns labels and the other class scores without names")
    compared = first.keys() | second.keys()
    if not compared:
        raise NotEvaluatedError("neither model could answer any input")
    same = sum(name in first and name in second and first[name].agrees(second[name]) for name in compared)
    return same, len(compared)
