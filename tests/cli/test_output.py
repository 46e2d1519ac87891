"""Outputs that all commands share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import small_models
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
    check_outputs(json=Path("-"), html=None, csv=tmp_path / "new.csv")
    with pytest.raises(OutputError):
        check_outputs(json=tmp_path / "new.json", html=tmp_path / "missing" / "folder" / "r.html")


@pytest.fixture
def project(tmp_path):
    """A model with external data, a card with class names, inputs of all kinds, and a second name of each."""
    files = [
        "m.onnx",
        "w.bin",
        "m.json",
        "names.txt",
        "in/a.npy",
        "ref/b.npy",
        "feed.npy",
        "bench.toml",
        "c.toml",
    ]
    files += ["b.onnx", "base.json", "r.json", "s.json"]
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    model = small_models.build("g (float[N, 4] x) => (float[N, 4] y) { y = Add (x, w) }")
    weight = model.graph.initializer.add(name="w", data_type=1, dims=[4], data_location=1)
    weight.external_data.add(key="location", value="w.bin")
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "m.json").write_text(
        json.dumps({"preprocessing": {"resize": None, "mode": "L"}, "classes": "names.txt"})
    )
    (tmp_path / "bench.toml").write_text('model = "m.onnx"\nid = ["in"]\nreference = ["ref"]\n')
    (tmp_path / "c.toml").write_text(
        'baseline = "base.json"\n[models.a]\npath = "m.onnx"\ninputs = "in"\nreference = "ref"\n'
        'baseline-model = "b.onnx"\n[[gates]]\nmetric = "size"\nmax = 1\n'
    )
    for number, name in enumerate(files):
        (tmp_path / f"soft{number}").symlink_to(tmp_path / name)
        (tmp_path / f"hard{number}").hardlink_to(tmp_path / name)
    return tmp_path, files


MODEL = ["m.onnx", "w.bin", "m.json", "names.txt"]
COMMANDS = {
    "score": (
        ["m.onnx", "in", "--reference", "ref", "--feed", "y=feed.npy"],
        ["--json", "--html", "--csv", "--jsonl", "--parquet"],
        [*MODEL, "in/a.npy", "ref/b.npy", "feed.npy"],
    ),
    "bench": (
        ["--config", "bench.toml"],
        ["--json", "--html", "--csv", "--markdown", "--latex", "--picture"],
        [*MODEL, "in/a.npy", "ref/b.npy", "bench.toml"],
    ),
    "directions": (
        ["m.onnx", "--id", "in", "--ood", "a=ref"],
        ["--json", "--html", "--picture"],
        [*MODEL, "in/a.npy", "ref/b.npy"],
    ),
    "sensitivity": (["m.onnx", "in"], ["--json", "--html", "--picture"], [*MODEL, "in/a.npy"]),
    "plane": (
        ["m.onnx", "in/a.npy[0]", "in/a.npy[1]", "in/a.npy[2]"],
        ["--json", "--html", "--picture"],
        [*MODEL, "in/a.npy"],
    ),
    "preprocess": (["m.onnx", "in"], ["--json", "--html", "--picture"], [*MODEL, "in/a.npy"]),
    "inspect": (["m.onnx"], ["--json", "--html"], MODEL),
    "instrument": (["m.onnx", "--probe", "y", "--out", "new"], ["--json", "--html"], MODEL),
    "check": (
        ["c.toml"],
        ["--json", "--html", "--junit", "--sarif", "--gitlab", "--markdown"],
        [*MODEL, "in/a.npy", "ref/b.npy", "c.toml", "b.onnx"],
    ),
    "show": (["r.json"], ["--json", "--html", "--picture"], ["r.json"]),
    "diff": (["r.json", "s.json"], ["--json", "--html"], ["r.json", "s.json"]),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_output_overwrites_an_input_under_any_name(command, project):
    folder, files = project
    arguments, options, inputs = COMMANDS[command]
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for number, name in enumerate(inputs):
        place = files.index(name)
        alias = (name, f"soft{place}", f"hard{place}", f"./in/../{name}")[number % 4]
        option = options[number % len(options)]
        done = run(command, *arguments, option, alias, folder=folder)
        assert (done.returncode, done.stdout) == (64, ""), (name, option, done.stderr)
        assert done.stderr.startswith(f"onnx-ood: {option} {Path(alias)}: is ")
        assert done.stderr.count("\n") == 1
    for option in options:
        done = run(command, *arguments, option, inputs[0], folder=folder)
        assert (done.returncode, done.stderr.count("do not overwrite inputs")) == (64, 1)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("command", [*COMMANDS, "doctor", "demo"])
def test_no_output_overwrites_another(command, project):
    folder, _ = project
    arguments, options, _ = COMMANDS.get(command, ([], ["--json", "--html"], []))
    if command == "score":
        options = ["--json", "--html", "--jsonl", "--parquet"]
    for first, second in pairwise([*options, options[0]]):
        done = run(command, *arguments, first, "new.svg", second, "./new.svg", folder=folder)
        assert (done.returncode, done.stdout) == (64, "")
        assert "is already written as --" in done.stderr
    assert not (folder / "new.svg").exists()
    (folder / "old.svg").write_text("old")
    (folder / "link.svg").symlink_to("old.svg")
    done = run(command, *arguments, options[0], "old.svg", options[1], "link.svg", folder=folder)
    assert done.returncode == 64
    assert (folder / "old.svg").read_text() == "old"


def test_standard_streams_that_are_files_are_not_replaced(tmp_path):
    program = [sys.executable, "-m", "onnx_ood", "inspect", models.path("fashion_cnn")]
    with (tmp_path / "r").open("w") as file:
        done = subprocess.run(
            [*program, "--json", "r"], cwd=tmp_path, stdout=file, stderr=-1, text=True, check=False
        )
    assert (done.returncode, done.stderr.count("standard output")) == (64, 1)
    (tmp_path / "list").write_text("x")
    with (tmp_path / "list").open() as file:
        done = subprocess.run(
            [*program, "--json", "list"], cwd=tmp_path, stdin=file, stderr=-1, text=True, check=False
        )
    assert (done.returncode, done.stderr.count("is standard input")) == (64, 1)
    assert (tmp_path / "list").read_text() == "x"


@pytest.mark.skipif(sys.platform != "linux", reason="has these devices")
@pytest.mark.parametrize(
    ("device", "option"),
    [("/dev/full", "--jsonl"), ("/dev/zero", "--json"), ("/dev/full", "--html"), ("/dev/random", "--csv")],
)
def test_devices_are_refused_at_once(device, option, project):
    done = run("score", "m.onnx", "in", option, device, folder=project[0])
    assert (done.returncode, done.stderr.count("\n")) == (64, 1)
    assert "is not a regular file" in done.stderr


def test_a_stream_is_a_regular_file(project):
    for path in ("/dev/null", "pipe"):
        if path == "pipe":
            os.mkfifo(project[0] / path)
        done = run("score", models.path("fashion_cnn"), "in", "--jsonl", path, folder=project[0])
        assert (done.returncode, done.stderr.count("\n")) == (64, 1)
        assert "a stream needs one" in done.stderr


def test_the_null_device_takes_all_outputs_and_stays(tmp_path):
    done = run(
        "inspect",
        models.path("fashion_cnn"),
        "--json",
        os.devnull,
        "--html",
        os.devnull,
        "-q",
        folder=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    done = run("instrument", models.path("fashion_cnn"), "--probe", "outputs", "--out", os.devnull, "-q")
    assert (done.returncode, done.stderr) == (0, "")
    assert not Path(os.devnull).is_file()


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
    assert (done.returncode, done.stderr.count("\n")) == (64, 1)
