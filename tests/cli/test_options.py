"""Options of commands from settings classes, parsed by typer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from onnx_ood.cli.options import takes_options
from pydantic import Field
from typer.testing import CliRunner

from onnx_ood.audits._common import settings as common

Invoke = Callable[..., Any]


class Made(common.Settings):
    """One field of each kind."""

    detectors: common.Detectors = ("msp", "energy")
    scales: Annotated[tuple[float | str, ...], common.Option("Nudge", "NUMBERS", commas=True)] = (0.5,)
    probes: common.Probes = ()
    feeds: common.Feeds = Field(default_factory=dict)
    copies: common.Copies = None
    seed: common.Seed = 3
    scale: common.Scale = 0.25
    level: Annotated[
        int, Field(ge=2, le=5, description="How much."), common.Option("Run", "N", "as needed")
    ] = 2
    exact: Annotated[bool, Field(description="Count all."), common.Option("Run")] = False
    photos: Annotated[bool, Field(description="Use photos."), common.Option("Run")] = True
    hidden: int = 7


@pytest.fixture
def invoke() -> Invoke:
    """Runs a command with all options and gives its settings, or the error."""
    found: list[Made] = []
    app = typer.Typer(add_completion=False)

    @app.command()
    @takes_options(Made)
    def command(model: Path, top: int = 1, *, settings: Made) -> None:
        """Do nothing."""
        found.append(settings)

    def call(*words: str) -> Any:
        found.clear()
        result = CliRunner().invoke(app, ["m.onnx", *words])
        return found[0] if found else result.output

    return call


def test_only_what_was_typed_is_set(invoke: Invoke) -> None:
    """A file's settings stay unless the command line overrides them, even by the value that is the default."""
    assert invoke().model_fields_set == set()
    assert invoke("--seed", "3").model_fields_set == {"seed"}
    assert invoke("--exact", "--top", "2").model_fields_set == {"exact"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], Made()),
        (["--detectors", "knn, energy"], Made(detectors=("knn", "energy"))),
        (["--scales", "0.1,2"], Made(scales=(0.1, 2.0))),
        (["--probe", "a", "--probe", "b"], Made(probes=("a", "b"))),
        (["--feed", "x=1", "--feed", "y=zeros"], Made(feeds={"x": "1", "y": "zeros"})),
        (
            ["--copies", "6", "--seed", "0", "--scale", "0.0123456789"],
            Made(copies=6, seed=0, scale=0.0123456789),
        ),
        (["--exact", "--no-photos"], Made(exact=True, photos=False)),
        (["--level", "5"], Made(level=5)),
    ],
)
def test_words_become_settings_and_back(invoke: Invoke, words: list[str], expected: Made) -> None:
    found = invoke(*words)
    assert found == expected
    assert invoke(*found.arguments()) == expected
    assert invoke(*words).hidden == 7


@pytest.mark.parametrize(
    "words",
    [
        ["--level", "1"],
        ["--level", "6"],
        ["--copies", "-1"],
        ["--hidden", "1"],
        ["--seed", "-1"],
        ["--no-exact"],
    ],
)
def test_values_out_of_bounds_and_unknown_options_are_refused(invoke: Invoke, words: list[str]) -> None:
    assert "Error" in invoke(*words)


def test_text_in_place_of_a_number_is_left_to_the_settings(invoke: Invoke) -> None:
    assert invoke("--scales", "0.1,high").scales == (0.1, "high")


def test_the_help_has_descriptions_defaults_and_groups(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    lines = invoke("--help").splitlines()

    def line(option: str) -> str:
        return next(one for one in lines if f"{option} " in one)

    assert "[default: 3]" in line("--seed")
    assert "Default: 0; 4 if another option on nudges is given" in line("--copies")
    assert "[default" not in line("--copies")
    assert "[default" not in line("--exact")
    assert "Default: as needed." in line("--level")
    assert "[default" not in line("--level")
    assert "--no-photos" in line("--photos")
    assert "NAME=VALUE" in line("--feed")
    for panel in ("Nudge", "Run", "Detector", "Input"):
        assert any(one.startswith(f"╭─ {panel} ") for one in lines)
