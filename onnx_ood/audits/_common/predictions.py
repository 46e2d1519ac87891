"""Predictions of a classifier: the largest of its class scores, or its label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.graph import Answer, Model, find_answer, row_size, why_no_answer
from onnx_ood.results.base import ModelAnswer, Prediction


class Answers(NamedTuple):
    """Answers for N inputs.

    Attributes:
        position: Index of each class, int64 [N]; -1 if unknown.
        value: Class score there, float64 [N]; NaN without scores.
        probability: Its probability, float64 [N]; NaN if scores are missing or not finite.
        classes: Number of classes; 0 without scores.
        labels: Labels that the model itself returns, or None.
    """

    position: NDArray[np.int64]
    value: Float
    probability: Float
    classes: int
    labels: tuple[str, ...] | None = None

    def prediction(self, i: int, labels: Sequence[str] | None) -> Prediction:
        """One input's answer with its name.

        Args:
            i: The input.
            labels: Class names by index; None, or a list of another length, leaves answers without names.
        """
        index = int(self.position[i])
        own = None if self.labels is None else self.labels[i]
        named = labels is not None and len(labels) == self.classes and 0 <= index < self.classes
        return Prediction(
            index=None if index < 0 else index,
            label=own if own is not None or not named or labels is None else labels[index],
            value=_number(self.value[i]),
            probability=_number(self.probability[i]),
            own_label=own is not None,
        )


def read_answers(outputs: Mapping[str, NDArray[np.generic]], answer: Answer | None) -> Answers | None:
    """Read the predictions of a classifier from its outputs.

    Args:
        outputs: The model's own outputs, [N, ...] each.
        answer: The output that is the answer; None for none.

    Returns:
        The predictions; None if the answer is not among the outputs or holds no row per input (`why_unread`).
    """
    if answer is None or why_unread(outputs, answer):
        return None
    scores = None
    if answer.output is not None:
        scores = _read_scores(_score_rows(outputs[answer.output], answer), answer)
    if answer.label is None:
        return None if scores is None else _with_names(scores, answer.classes)
    return _read_labels(outputs[answer.label].reshape(-1).tolist(), outputs, answer, scores)


def why_unread(outputs: Mapping[str, NDArray[np.generic]], answer: Answer | None) -> str:
    """Return why outputs hold no predictions, or an empty text.

    Args:
        outputs: The model's own outputs, [N, ...] each.
        answer: The output that is the answer; None for none.
    """
    if answer is None:
        return ""
    if answer.output is None and answer.label is None:
        return "the model returns its largest class scores in descending order, not one for each class"
    for name in (answer.output, answer.label):
        if name is None:
            continue
        values = outputs.get(name)
        if values is None:
            return f"output {name!r} cannot be split by input"
        size = None if values.dtype == object and _is_ragged(values) else row_size(values.shape[1:])
        wanted = name == answer.label
        if (
            size is None
            or (size == 1) != wanted
            or (not wanted and answer.step is None and not np.issubdtype(values.dtype, np.floating))
        ):
            shape = (
                "several sizes" if _is_ragged(values) else f"shape {list(values.shape[1:])} of {values.dtype}"
            )
            return f"output {name!r} has {shape} for each input, not {'a label' if wanted else 'a row of class scores'}"
    return ""


def describe_answer(model: Model, name: str | None, problem: str = "") -> ModelAnswer:
    """Describe the answer of a model for results.

    Args:
        model: The model.
        name: Output that the user named, or None.
        problem: Why the outputs hold no predictions, or empty.
    """
    answer = find_answer(model, name)
    reason = problem or ("" if answer is not None else why_no_answer(model) or "")
    used = () if answer is None or problem else (answer.output, answer.label)
    return ModelAnswer(
        outputs=tuple(one for one in used if one is not None),
        kind=answer.kind if answer is not None else "unknown",
        reason=reason,
    )


def _score_rows(values: NDArray[np.generic], answer: Answer) -> Float:
    """Class scores, float64 [N, C], dequantized if they are integers."""
    rows: Float = values.reshape(len(values), -1).astype(np.float64)
    if answer.step is None:
        return rows
    scale, zero_point = answer.step
    return (rows - zero_point) * scale


def _read_scores(rows: Float, answer: Answer) -> Answers:
    position: NDArray[np.int64] = rows.argmax(axis=1)
    value = np.take_along_axis(rows, position[:, np.newaxis], axis=1)[:, 0]
    probability = _probability(rows, value, answer)
    probability[np.isnan(rows).any(axis=1) | np.isposinf(rows).any(axis=1) | ~np.isfinite(value)] = np.nan
    return Answers(position, value, probability, rows.shape[1])


def _with_names(scores: Answers, names: Sequence[str | int]) -> Answers:
    """Name predictions as the model does, as with the keys of its maps (ZipMap)."""
    if len(names) != scores.classes or not _are_names(names):
        return scores
    return scores._replace(labels=tuple(str(names[at]) for at in scores.position.tolist()))


def _are_names(classes: Sequence[str | int]) -> bool:
    """Return whether labels are names: numbers that count the classes from 0 are indices."""
    return any(str(index) != str(name) for index, name in enumerate(classes))


def _probability(rows: Float, value: Float, answer: Answer) -> Float:
    """Probability at one class score of each row."""
    if answer.kind in {"distribution", "independent"}:
        return value.copy()
    with np.errstate(invalid="ignore", over="ignore"):
        if answer.kind == "log_probabilities":
            found: Float = np.exp(value)
            return found
        softmax: Float = np.exp(value) if len(rows) == 0 else 1 / _powers(rows, value)
        if answer.kind == "logits":
            return softmax
        # An output that is a distribution has its softmax inside.
        distribution = (rows.min(axis=1) >= 0) & (np.abs(rows.sum(axis=1) - 1) < 1e-3)
    return np.where(distribution, value, softmax)


def _powers(rows: Float, value: Float) -> Float:
    total: Float = np.exp(rows - value[:, np.newaxis]).sum(axis=1)
    return total


def _read_labels(
    labels: Sequence[object],
    outputs: Mapping[str, NDArray[np.generic]],
    answer: Answer,
    scores: Answers | None,
) -> Answers:
    """Read labels, with the class scores of each if the model returns scores."""
    known = {str(name): index for index, name in enumerate(answer.classes)}
    strings = any(isinstance(one, str | bytes) for one in labels)
    texts = tuple(one.decode(errors="replace") if isinstance(one, bytes) else str(one) for one in labels)
    if known:
        found = [known.get(one, -1) for one in texts]
    elif strings:
        found = [-1] * len(texts) if scores is None else scores.position.tolist()
    else:
        found = [int(one) for one in texts]
    position = np.array(found, np.int64)
    value, probability = np.full(len(texts), np.nan), np.full(len(texts), np.nan)
    if scores is not None and answer.output is not None:
        rows = _score_rows(outputs[answer.output], answer)
        within = (position >= 0) & (position < scores.classes)
        value[within] = rows[within, position[within]]
        probability[within] = _probability(rows[within], value[within], answer)
        probability[~np.isfinite(scores.value)] = np.nan
    named = strings or _are_names(answer.classes)
    return Answers(position, value, probability, scores.classes if scores else 0, texts if named else None)


def _is_ragged(values: NDArray[np.generic]) -> bool:
    return values.dtype == object and any(isinstance(one, np.ndarray) for one in values.reshape(-1)[:1])


def _number(value: float | np.float64) -> float | None:
    return float(value) if np.isfinite(value) else None
