"""Outputs that all commands share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import run
from onnx_ood.cli.output import attempt, check_outputs, write_json, write_outputs

import onnx_ood
from onnx_ood import models
from onnx_ood.exceptions import OutputError


def fail(*_: object) -> None:
    raise OutputError("the disk is full")


def test_an_output_that_fails_is_named_and_does_not_stop_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    written: list[object] = []
    assert attempt(written.append, 1)
    assert not attempt(fail, 2)
    assert written == [1]
    assert capsys.readouterr().err == "onnx-ood: the disk is full\n"


def test_other_errors_are_bugs() -> None:
    with pytest.raises(ZeroDivisionError):
        attempt(lambda: 1 / 0)


def test_json_goes_to_a_file_or_to_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = onnx_ood.doctor()
    assert write_json(result, None) is False
    assert write_json(result, tmp_path / "r.json") is False
    assert capsys.readouterr().out == ""
    assert write_json(result, Path("-")) is True
    printed = capsys.readouterr().out
    assert json.loads(printed) == json.loads((tmp_path / "r.json").read_text())
    assert json.loads(printed)["schema"].startswith("onnx-ood/doctor/")
    assert not Path("-").exists()


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize("json_file", [None, "r.json", "-"])
@pytest.mark.parametrize("html_file", [None, "r.html"])
def test_standard_output_has_the_report_or_json(
    quiet: bool,
    json_file: str | None,
    html_file: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = {name: None if name is None else tmp_path / name for name in (None, "r.json", "r.html")} | {
        "-": Path("-")
    }
    write_outputs(onnx_ood.doctor(), json=paths[json_file], html=paths[html_file], quiet=quiet)
    printed = capsys.readouterr().out
    assert printed.startswith("{") is (json_file == "-")
    assert bool(printed) is (json_file == "-" or not quiet)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        name for name in (json_file, html_file) if name not in (None, "-")
    )
    if html_file:
        assert (tmp_path / html_file).read_text().lower().startswith("<!doctype html>")


def test_files_that_cannot_be_written_are_found_before_the_work(tmp_path: Path) -> None:
    check_outputs(None, Path("-"), tmp_path / "new.json")
    with pytest.raises(OutputError):
        check_outputs(tmp_path / "new.json", tmp_path / "missing" / "folder" / "r.json")


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("score", "--html"),
        ("score", "--csv"),
        ("score", "--jsonl"),
        ("score", "--parquet"),
        ("bench", "--latex"),
        ("sensitivity", "--picture"),
        ("instrument", "--out"),
        ("check", "--junit"),
        ("show", "--html"),
    ],
)
def test_only_json_is_printed_to_standard_output(command, option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(command, "x", *(["y"] if command in {"score", "sensitivity"} else []), option, "-")
    assert (done.returncode, done.stderr) == (64, f"onnx-ood: {option} writes a file; name one\n")
    assert not list(tmp_path.iterdir())


def test_missing_inputs_are_refused_by_every_command_before_the_model_is_read(tmp_path):
    (tmp_path / "c.toml").write_text(
        '[models.a]\npath = "m.onnx"\ninputs = "gone"\n[[gates]]\nmetric = "size"\nmax = 1\n'
    )
    for words in (
        ["score", "m.onnx", "gone", "--reference", "lost"],
        ["bench", "m.onnx", "--id", "gone", "--ood", "a=lost"],
        ["directions", "m.onnx", "--id", "gone", "--ood", "a=lost"],
        ["sensitivity", "m.onnx", "gone"],
        ["preprocess", "m.onnx", "gone"],
        ["check", "c.toml"],
    ):
        done = run(*words, folder=tmp_path)
        assert done.returncode == 64, words
        assert "no such file or folder; check the path" in done.stderr
        assert done.stderr.count("\n") == 1
        assert ("gone, lost: " in done.stderr) == ("lost" in words[-1])


def test_no_input_at_all_is_one_line():
    done = run("score", "m.onnx", "")
    assert (done.returncode, done.stderr) == (64, "onnx-ood: '': an empty argument names no file\n")
    done = run("score", models.path("fashion_cnn"), "-", "--provider", "cpu", "--quiet")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
