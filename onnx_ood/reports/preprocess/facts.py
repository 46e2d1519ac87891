"""Preprocess results in words, shared by terminal and page."""

from __future__ import annotations

from onnx_ood.audits.preprocess.result import Question, TriedPreprocessing

TITLES = {
    "values": "Range, mean, deviation and order of channels",
    "resize": "Resizing, with the values of the first",
}
"""Titles of the questions."""


UNDETERMINED = "Undetermined; try these candidates and compare the results"
"""Headline above the candidates if none is determined."""

LEGEND = (
    "best first; * within noise of the first; behind: gap to the first, with 99% of resamples",
    "score = keeps - norms; keeps: information in nats that predictions keep under mild augmentations; norms: log "
    "distance of channels from the running statistics of BatchNormalization nodes",
    "not in the score: sure, mean probability of the predicted class; agree, share of augmentations with the same "
    "prediction; answers, effective number of predicted classes",
)
"""Explanation of the numbers."""


def verdict_words(question: Question) -> tuple[str, str]:
    """Return the answer to a question, or "undetermined", and a remark."""
    first = question.candidates[0]
    if question.verdict == "determined":
        return first.name, f" ({first.spec})"
    return "undetermined", f": {question.reason}"


def behind(tried: TriedPreprocessing, question: Question) -> tuple[str, str]:
    """Format the gap of a candidate to the first, and its interval."""
    if tried is question.candidates[0]:
        return "-", ""
    found = tried.gap
    return f"{found.value:.2f}", f"{found.low:.2f} to {found.high:.2f}"
