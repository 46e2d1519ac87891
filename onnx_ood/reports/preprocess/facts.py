"""Facts of a preprocessing search in words: the same on a terminal and on a page."""

from __future__ import annotations

from onnx_ood.audits.preprocess.result import Question, TriedPreprocessing

TITLES = {
    "values": "Range, mean, deviation and order of channels",
    "resize": "Resizing, with the values of the first",
}
"""What each question asks."""


LEGEND = (
    "the most typical first; * not separated from it; behind: difference to the best score, and 99% of resamples",
    "score = keeps - norms. keeps: nats that answers keep under slight changes of a photo; norms: log distance of "
    "channels from the running statistics of BatchNormalization nodes",
    "not in the score: sure, mean probability of the answer; agree, share of changed copies with the same answer; "
    "answers, how many different ones there are",
)
"""What the numbers of the evidence are."""


def verdict_words(question: Question) -> tuple[str, str]:
    """What came out of a question: the answer or that there is none, and what else is to be said."""
    first = question.candidates[0]
    if question.verdict == "determined":
        return first.name, f" ({first.spec})"
    names = "; ".join(one.name for one in question.leading)
    come = "come" if len(question.leading) > 1 else "comes"
    return "undetermined", f"; first {come} {names}. {question.reason[0].upper()}{question.reason[1:]}"


def behind(tried: TriedPreprocessing, question: Question) -> tuple[str, str]:
    """By how much a candidate is behind the first, and where resamples lie."""
    if tried is question.candidates[0]:
        return "-", ""
    found = tried.gap
    return f"{found.value:.2f}", f"{found.low:.2f} to {found.high:.2f}"
