"""Commands in README and docs: they parse, and their options, scripts and files exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
from onnx_ood.cli.main import COMMANDS, app
from typer.main import get_command

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / name
    for name in ("README.md", "CONTRIBUTING.md", "models/README.md", "benchmarks/README.md")
    if (ROOT / name).exists()
] + sorted((ROOT / "docs").glob("*.md"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"^ {4}(onnx-ood .*)$", re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
GROUP = get_command(app)


def _lines(text: str):
    """Command lines of fenced and indented blocks, without prompts, continuations joined."""
    blocks = [block for kind, block in FENCE.findall(text) if kind == "console"] + [
        "\n".join(INDENTED.findall(FENCE.sub("", text)))
    ]
    for block in blocks:
        for line in block.replace("\\\n", " ").splitlines():
            yield line.strip().removeprefix("$ ")


def _inline(text: str):
    """Code spans of the prose."""
    return INLINE.findall(FENCE.sub("", text))


def _cases():
    for page in PAGES:
        for line in _lines(page.read_text()):
            if line.startswith("onnx-ood "):
                yield pytest.param(line, id=f"{page.relative_to(ROOT)}: {line}")


def _command(name: str):
    return GROUP.get_command(GROUP.make_context("onnx-ood", [], resilient_parsing=True), name)


def _options(name: str) -> set[str]:
    return {flag for one in _command(name).params for flag in (*one.opts, *one.secondary_opts)} | {"--help"}


ALL_OPTIONS = {flag for one in GROUP.params for flag in one.opts}.union(*map(_options, COMMANDS))


@pytest.mark.parametrize("line", list(_cases()))
def test_command_lines_parse(line):
    """Options exist, values have the types and ranges of their options, and no argument is missing."""
    words = shlex.split(line, comments=True)[1:]
    while words and words[0].startswith("-"):
        assert words.pop(0) in {flag for one in GROUP.params for flag in one.opts}
    name, *arguments = words
    assert name in COMMANDS
    _command(name).make_context(name, arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_and_scripts_in_prose_exist(page):
    text = page.read_text()
    spans = [*_inline(text), *_lines(text)]
    scripts = {
        name: (ROOT / name).read_text()
        for span in spans
        for name in re.findall(r"python ((?:\w+/)+\w+\.py)", span)
    }
    known = ALL_OPTIONS | {
        flag for source in scripts.values() for flag in re.findall(r'"(--[a-z0-9-]+)"', source)
    }
    for span in spans:
        if found := re.match(r"onnx-ood ([a-z]+)\b", span):
            assert found[1] in COMMANDS, span
            options = _options(found[1])
        elif span.startswith("uvx "):
            continue  # Its options are its own.
        elif span.startswith("--") or re.match(r"python \S+\.py", span) or re.match(r"[a-z]+ --", span):
            options = known
        else:
            continue
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", span):
            assert flag in options, span


def test_a_wrong_option_is_found():
    with pytest.raises(typer.TyperException, match="--rate"):
        _command("score").make_context("score", ["model.onnx", "photos", "--rate", "0.1"])
