"""Provenance of a result: command, model and versions."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from onnx_ood.reports._html.markup import Child, Markup, element, joined
from onnx_ood.results.base import Environment
from onnx_ood.results.provenance import ModelFacts

# Characters in a line of a command.
_LINE = 80
# Suffix of preprocessing that the user stated.
_STATED = re.compile(r"\(stated: (.*)\)$")


def command_text(words: Sequence[str]) -> str:
    """Format a command for a shell, broken into short lines.

    Args:
        words: Words of the command, options with their values last.
    """
    first = next((i for i, word in enumerate(words) if word.startswith("--")), len(words))
    lines = [shlex.join(words[:first])]
    for option in _options(words[first:]):
        if len(lines) > 1 and len(lines[-1]) + len(option) < _LINE:
            lines[-1] += f" {option}"
        else:
            lines.append(option)
    return " \\\n  ".join(lines)


def preprocessing_words(preprocessing: str | None) -> list[str]:
    """Option of a run whose preprocessing was stated; otherwise nothing.

    Args:
        preprocessing: Description in the result.
    """
    stated = _STATED.search(preprocessing or "")
    return ["--preprocess", stated[1]] if stated else []


def command_block(command: str, *, named: bool = False) -> Markup:
    """Block with a command.

    Args:
        command: The command.
        named: True if it names all files.
    """
    known = "" if named else "; replace the words in capitals by your files"
    return joined(
        element("p", f"The run, as a command{known}:"),
        element("pre", element("code", command), tabindex=0, role="group", aria_label="Command"),
    )


def model_facts(model: ModelFacts) -> list[tuple[str, Child]]:
    """Facts that identify a model."""
    opsets = ", ".join(f"{name or 'ai.onnx'} {version}" for name, version in model.opsets.items())
    return [
        ("model", model.path),
        ("SHA-256", element("span", model.sha256, class_="name")),
        ("operators", f"{opsets}; made by {model.producer or 'an unnamed producer'}"),
    ]


def versions(environment: Environment) -> str:
    """Versions of the environment."""
    numbers = environment.model_dump()
    platform = numbers.pop("platform")
    return ", ".join(f"{name} {version}" for name, version in numbers.items()) + f"; {platform}"


def _options(words: Sequence[str]) -> list[str]:
    """Options with their values."""
    options: list[str] = []
    for word in words:
        if word.startswith("--"):
            options.append(word)
        else:
            options[-1] += f" {shlex.quote(word)}"
    return options
