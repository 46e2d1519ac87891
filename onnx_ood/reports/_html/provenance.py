"""Where numbers come from: the command, the model and the versions that give them again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from onnx_ood.reports._html.markup import Child, Markup, element, joined
from onnx_ood.results.base import Environment
from onnx_ood.results.provenance import ModelFacts

# Signs in a line of a command.
_LINE = 80
# How a result names the source of its preprocessing where it is the user.
_STATED = re.compile(r"\(stated: (.*)\)$")


def command_text(words: Sequence[str]) -> str:
    """A command as a shell takes it, over lines that can be read.

    Args:
        words: Its words: those that name what is done, then options with their values.
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
    """The option that a run was given, where its result says that the preprocessing was stated.

    Args:
        preprocessing: As a result has it.
    """
    stated = _STATED.search(preprocessing or "")
    return ["--preprocess", stated[1]] if stated else []


def command_block(command: str, *, named: bool = False) -> Markup:
    """A command with what is to be known of it.

    Args:
        command: The command.
        named: Whether it names its files.
    """
    known = "" if named else "; words in capitals stand for the files that were named"
    return joined(
        element("p", f"The run, as a command{known}:"),
        element("pre", element("code", command), tabindex=0, role="group", aria_label="Command"),
    )


def model_facts(model: ModelFacts) -> list[tuple[str, Child]]:
    """Which model it was."""
    opsets = ", ".join(f"{name or 'ai.onnx'} {version}" for name, version in model.opsets.items())
    return [
        ("model", model.path),
        ("SHA-256", element("span", model.sha256, class_="name")),
        ("operators", f"{opsets}; made by {model.producer or 'an unnamed producer'}"),
    ]


def versions(environment: Environment) -> str:
    """What the numbers were made with."""
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
