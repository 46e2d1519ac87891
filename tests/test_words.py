"""Words with a private meaning and unclear phrases stay out of code, docs, help and messages.

See the glossary in docs/architecture.md, and docs/decisions/prose-linter.md.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
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
CONSTANTS = re.compile(r"\b(FEWEST|LEAST|_?SMALLEST|_MOST|_TOGETHER)\b")
# Phrases of prose: docs outside code blocks, docstrings, comments, and strings of several words.
PHRASES = {
    r"\bbeside\b": "next to, in addition to, with",
    r"\btold\b": "determined, stated, given",
    r"\bstands? (above|at|there|behind|right|alone|in (?!for))\b": "is",
    r"\beach of them\b": "each",
    r"\bin the mean\b": "on average",
    r"(?<!there )\b(is|are|be) no (?!longer\b|more\b)": "is not a",
    r"\bas \S+ has it\b": "as in",
    r"\bwhat there is\b": "the noun",
    r"\bwhat\b[^.?!;:|]*\bwhat\b": "nouns",
    r"\bnone of [^.;]*\bnot\b|\bnot\b[^.;,]*\bnothing\b|\bnever\b[^.;,]*\b(none|nothing)\b": "one negation",
}
# A summary names the thing; it does not describe it by a clause.
CLAUSE = re.compile(r"(What|Whether|Which|How|Where|Why|Who|One that)\b")
# Decisions and the changelog quote former words; a script maps former keys to new ones.
ALLOWED = ("docs/decisions", "CHANGELOG.md", "benchmarks/unchanged_numbers.py")
PATTERNS = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/**/*.md",
    "onnx_ood/**/*.py",
    "onnx_ood/**/*.md",
    "cli/*.py",
    "models/**/*.py",
    "models/*.md",
    "benchmarks/**/*.py",
    "docs/*.py",
)
FILES = sorted(
    name
    for pattern in PATTERNS
    for name in (path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern))
    if not name.startswith(ALLOWED)
)


def _matches(patterns, lines):
    return [
        (number, match[0], better)
        for number, line in lines
        for pattern, better in patterns.items()
        for match in re.finditer(pattern, line, re.IGNORECASE)
    ]


def violations(text):
    """Line, match and better words of each word that is not allowed."""
    lines = list(enumerate(text.splitlines(), 1))
    return _matches(WORDS, lines) + [
        (number, match[0], "MIN_ or MAX_ with the noun")
        for number, line in lines
        for match in CONSTANTS.finditer(line)
    ]


def prose_of_markdown(text):
    """Numbered lines outside code blocks."""
    outside = re.sub(
        r"^```.*?^```", lambda block: "\n" * block[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE
    )
    return list(enumerate(outside.splitlines(), 1))


def prose_of_python(text):
    """Numbered lines of comments, docstrings and strings of several words."""
    return [
        (token.start[0] + offset, line)
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
        or (token.type in {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1)} and " " in token.string)
        for offset, line in enumerate(token.string.splitlines())
    ]


def clauses(text):
    """Summaries of docstrings and descriptions of fields that begin with a question word."""
    return [
        (node.lineno, found[0], "a noun phrase or an imperative")
        for node in ast.walk(ast.parse(text))
        for value in (
            [node.value]
            if isinstance(node, ast.Expr)
            else [one.value for one in node.keywords if one.arg in {"description", "help"}]
            if isinstance(node, ast.Call)
            else []
        )
        if isinstance(value, ast.Constant) and isinstance(value.value, str)
        if (found := CLAUSE.match(value.value.strip()))
    ]


@pytest.mark.parametrize("name", FILES)
def test_words_have_their_usual_meaning(name):
    text = (ROOT / name).read_text()
    found = violations(text)
    if name.endswith(".md"):
        found += _matches(PHRASES, prose_of_markdown(text))
    else:
        found += _matches(PHRASES, prose_of_python(text)) + clauses(text)
    assert not found, "\n".join(f"{name}:{line}: {word!r}; write: {better}" for line, word, better in found)


def test_a_private_word_is_found():
    assert violations("the strangest input\nan extraordinary input") == [
        (1, "strangest", "unusual, deviation, out-of-distribution")
    ]


def test_phrases_are_found_in_prose_alone():
    markdown = "It is no picture.\n\n```\nis no prose\n```\nA file beside it."
    assert [line for line, _, _ in _matches(PHRASES, prose_of_markdown(markdown))] == [1, 6]
    python = (
        '"""Told by the runtime."""\ntold = 1  # what is read, and what is not\nx = f"{told} is no number"\n'
    )
    assert {line for line, _, _ in _matches(PHRASES, prose_of_python(python))} == {1, 2, 3}


def test_summaries_that_are_clauses_are_found():
    text = 'def f():\n    """Whether it is."""\nx = Field(description="What is shown.")\ny = Field(description="Name.")'
    assert [(line, word) for line, word, _ in clauses(text)] == [(2, "Whether"), (3, "What")]
