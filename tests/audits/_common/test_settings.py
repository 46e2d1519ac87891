"""Settings: checked values, commands that repeat them, and functions that take them."""

from __future__ import annotations

import inspect
import shlex
from pathlib import Path

import pytest

import onnx_ood
from onnx_ood.audits._common.settings import check_site, takes_settings
from onnx_ood.exceptions import UsageError


def test_a_wrong_setting_is_named_with_its_value() -> None:
    with pytest.raises(UsageError, match="unknown setting 'copeis'; did you mean 'copies'"):
        onnx_ood.ScoreSettings(copeis=1)
    with pytest.raises(UsageError, match=r"copies: .*expected 0 or more, found -1"):
        onnx_ood.ScoreSettings(copies=-1)


def test_a_command_states_what_is_no_default() -> None:
    settings = onnx_ood.BenchSettings(
        detectors=("class_cosine",), feeds={"k": "a b"}, bundled_reference=False, fpr=0.1, seed=3, cache="c"
    )
    words = shlex.split(settings.command("bench", "m.onnx"))
    assert words[:3] == ["onnx-ood", "bench", "m.onnx"]
    assert {"--no-bundled-reference", "class-cosine", "k=a b", "0.1", "3"} <= set(words)
    assert onnx_ood.BenchSettings().arguments() == []
    assert settings.stored.cache is True
    assert settings.stored.replaced(cache=settings.cache) == settings


def test_replaced_values_are_validated() -> None:
    settings = onnx_ood.ScoreSettings(copies=2)
    assert settings.replaced(seed=5) == onnx_ood.ScoreSettings(copies=2, seed=5)
    with pytest.raises(UsageError, match="seed"):
        settings.replaced(seed=-1)


def test_a_site_takes_the_inputs_and_no_feed() -> None:
    check_site(None, {"x": "1"})
    check_site("x", {"y": "1"})
    with pytest.raises(ValueError, match="'x' is nudged"):
        check_site("x", {"x": "1"})


@takes_settings(onnx_ood.PreprocessSettings)
def audit(model: str, settings: onnx_ood.PreprocessSettings | None = None) -> tuple[str, object]:
    return model, settings


def test_fields_are_arguments_that_override_the_settings() -> None:
    settings = onnx_ood.PreprocessSettings(seed=4)
    assert audit("m", settings) == ("m", settings)
    assert audit("m", seed=2) == ("m", onnx_ood.PreprocessSettings(seed=2))
    assert audit("m", settings, limit=9) == ("m", settings.replaced(limit=9))
    with pytest.raises(UsageError, match="audit: unknown argument 'sed'; did you mean 'seed'"):
        audit("m", sed=2)
    with pytest.raises(UsageError, match="settings: expected PreprocessSettings or None, found int"):
        audit("m", 3)
    with pytest.raises(TypeError, match=r"audit\(\) missing a required argument: 'model'"):
        audit(seed=2)


def test_signatures_have_plain_types_and_name_the_class_of_the_settings() -> None:
    parameters = inspect.signature(onnx_ood.fit).parameters
    assert parameters["detectors"].annotation == parameters["probes"].annotation == str | list[str]
    assert parameters["batch_size"].annotation == int | None
    assert inspect.signature(onnx_ood.directions).parameters["scales"].annotation == tuple[float, ...]
    for function in (onnx_ood.fit, onnx_ood.bench, onnx_ood.directions, onnx_ood.plane):
        assert "FieldInfo" not in str(inspect.signature(function))
    assert "fields of `onnx_ood.ScoreSettings`" in (inspect.getdoc(onnx_ood.fit) or "")


@pytest.mark.parametrize("value", ["none", "auto", "./off", Path("None"), "false"])
def test_a_word_is_no_folder_of_the_cache(
    value: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in (onnx_ood.ScoreSettings, onnx_ood.BenchSettings):
        with pytest.raises(
            onnx_ood.UsageError,
            match=r"a folder would get this name; cache=False turns the cache off, or .*, found '\S+'$",
        ):
            kind(cache=value)
    assert [onnx_ood.ScoreSettings(cache=one).cache for one in (True, False, None)] == [True, False, False]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["cache", "labels"])
def test_an_empty_path_is_refused(name: str) -> None:
    """It would be the working folder."""
    with pytest.raises(onnx_ood.UsageError, match=f"{name}: an empty path"):
        onnx_ood.ScoreSettings(**{name: ""})
