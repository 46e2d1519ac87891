"""Words with a private meaning stay out of code, docs and messages; see the glossary in docs/architecture.md."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Pattern -> what to write. Matched without regard to case, in prose and identifiers.
WORDS = {
    r"strangeness|strangest|\bstranger?\b": "unusual, deviation, out-of-distribution",
    r"\bordinary\b": "in-distribution, typical",
    r"\bdoubts?\b": "uncertainty",
    r"head_angle": "class_cosine",
    r"rehears": "pseudo_ood",
    r"\bblanks?\b(?! line)": "baseline inputs, content-free",
    r"carriage": "output plan",
    r"by hand": "overlay, manual",
    r"told apart|tells? apart|tell \w+ apart": "separate, distinguish",
    r"gone on with|go on with": "resume, continue",
    r"where there (is|are) none": "without",
    r"from \d+ on\b": "at least N",
    r"(line|row|case) an? (input|gate|detector|model)": "one line per input",
    r"\bat-least\b|\bat-most\b|\bnone-of\b|\bleast-inputs\b": "min, max, forbid, min-inputs",
    r"detective": "preprocessing search",
    r"\bwitness": "candidate",
    r"kept_information": "mutual_information_bound",
    r"\btally\b|\bneighbourhoods?\b(?! of)": "result writer, perturbed batch",
    r"give_back|\bcores\(": "trim_heap, available_threads",
    r"\bpictures of nothing\b": "synthetic pictures",
    r"can'?t be told|told from\b": "cannot be determined, separated from",
}
# Where a word is meant in its common English sense, or is quoted.
CONSTANTS = re.compile(r"\b(FEWEST|LEAST|_?SMALLEST|_MOST|_TOGETHER)\b")
ALLOWED = {
    "docs/decisions",
    "CHANGELOG.md",
}


def _files():
    for pattern in (
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "docs/**/*.md",
        "onnx_ood/**/*.py",
        "onnx_ood/**/*.md",
        "cli/*.py",
    ):
        for path in ROOT.glob(pattern):
            name = path.relative_to(ROOT).as_posix()
            if not any(name.startswith(prefix) for prefix in ALLOWED):
                yield name


PENDING = set((ROOT / "tests" / "words_pending.txt").read_text().split())
"""Files to be rewritten yet. A file that is clean has to leave the list."""


def violations(text):
    """Line, match and better words of each word that is not allowed."""
    return [
        (number, match[0], better)
        for number, line in enumerate(text.splitlines(), 1)
        for pattern, better in WORDS.items()
        for match in re.finditer(pattern, line, re.IGNORECASE)
    ] + [
        (number, match[0], "MIN_ or MAX_ with the noun")
        for number, line in enumerate(text.splitlines(), 1)
        for match in CONSTANTS.finditer(line)
    ]


@pytest.mark.parametrize("name", sorted(_files()))
def test_words_have_their_usual_meaning(name):
    found = violations((ROOT / name).read_text())
    if name in PENDING:
        assert found, f"{name} is clean: remove it from tests/words_pending.txt"
        return
    assert not found, "\n".join(f"{name}:{line}: {word!r}; write: {better}" for line, word, better in found)


def test_a_private_word_is_found():
    assert violations("the strangest input\nan extraordinary input") == [
        (1, "strangest", "unusual, deviation, out-of-distribution")
    ]
