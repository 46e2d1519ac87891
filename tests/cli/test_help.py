"""Help texts: complete, in groups, within the width of a terminal."""

from __future__ import annotations

import re

import pytest
import typer
from command import run
from onnx_ood.cli.help import GROUPS
from onnx_ood.cli.main import COMMANDS, app


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("name", COMMANDS)
def test_no_line_is_too_long_and_no_word_is_cut(
    name: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = run(name, "--help").stdout
    options = shown.split("\nExamples:\n")[0]
    assert max(map(len, options.splitlines())) <= width
    # A word with a hyphen may be broken behind it.
    joined = re.sub(r"\s+", "", options)
    group = typer.main.get_command(app)
    context = typer.Context(group)
    for one in group.get_command(context, name).params:
        assert re.sub(r"\s+", "", one.help or "") in joined
        for flag in (*one.opts, *one.secondary_opts):
            assert flag in joined or one.param_type_name == "argument"


@pytest.mark.parametrize("name", COMMANDS)
def test_groups_come_in_one_order(name: str) -> None:
    headings = re.findall(r"^(\w+):$", run(name, "--help").stdout, re.MULTILINE)
    order = ["Arguments", *GROUPS, "Options", "Examples"]
    assert headings == sorted(headings, key=order.index)
    assert len(set(headings)) == len(headings)


def test_the_list_of_commands_has_their_whole_summaries() -> None:
    shown = run("--help").stdout
    assert "..." not in shown.split("Options:")[0].replace("[ARGS]...", "")
    assert shown.index("Commands:") < shown.index("Options:")


def test_choices_defaults_and_bounds_are_shown() -> None:
    shown = " ".join(run("score", "-h").stdout.split())
    assert "--provider <auto|cuda|cpu> Execution provider. [default: auto]" in shown
    assert "--seed N Seed of all random draws. [default: 0; x>=0]" in shown
    assert "MODEL ONNX file." in shown
