"""Streamed runs as a shell sees them, killed ones too."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import command
import numpy as np
import pytest
from pyarrow import parquet

from onnx_ood import models

PROGRAM = Path(sys.executable).with_name("onnx-ood")
CNN = str(models.path("fashion_cnn"))


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Six hundred rows, some of them unusable."""
    images, _ = models.fashion_samples()
    values = np.random.default_rng(0).choice(np.asarray(images) / 255, 600).astype(np.float32)
    values = values[:, np.newaxis] * np.linspace(0.5, 1, 600, dtype=np.float32)[:, None, None, None]
    values[[7, 100, 321], 0, 5] = np.nan
    path = tmp_path_factory.mktemp("rows") / "rows.npy"
    np.save(path, values)
    return path


def arguments(rows, *options):
    return [str(word) for word in ("score", CNN, rows, "--provider", "cpu", "--batch-size", "8", *options)]


def run(rows, *options):
    return command.run(*arguments(rows, *options))


def one_line_error(result, code):
    assert (result.returncode, result.stdout) == (code, "")
    (line,) = command.messages(result).splitlines()
    return line


@pytest.mark.parametrize("options", [(), ("--adaptive", "--copies", "10")])
def test_a_killed_run_is_resumed_to_the_same_bytes(rows, tmp_path, options):
    result = run(
        rows, *options, "--quiet", "--jsonl", tmp_path / "whole.jsonl", "--json", tmp_path / "whole.json"
    )
    assert result.returncode == 0, result.stderr
    stream = tmp_path / "s.jsonl"
    process = subprocess.Popen([PROGRAM, *arguments(rows, *options, "--quiet", "--jsonl", stream)])
    while process.poll() is None and not (stream.exists() and stream.stat().st_size > 50_000):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    killed = stream.read_bytes()
    whole = (tmp_path / "whole.jsonl").read_bytes()
    assert 50_000 < len(killed) < len(whole)
    assert whole.startswith(killed)
    # At most the last line is broken.
    assert all(json.loads(line) for line in killed.split(b"\n")[:-1])
    result = run(rows, *options, "--quiet", "--jsonl", stream, "--resume", "--json", tmp_path / "r.json")
    assert (result.returncode, result.stdout) == (0, "")
    assert "3 of 600 inputs failed" in result.stderr
    assert stream.read_bytes() == whole
    assert (tmp_path / "r.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_says_how_to_resume_it(sent, code, rows, tmp_path):
    stream = tmp_path / "s.jsonl"
    words = [PROGRAM, *arguments(rows, "--quiet", "--copies", "200", "--jsonl", stream)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not (stream.exists() and stream.stat().st_size > 20_000):
            time.sleep(0.005)
        process.send_signal(sent)
        _, written = process.communicate(timeout=60)
    # Batches are written whole.
    done = sum(json.loads(line)["record"] in {"scored", "failed"} for line in stream.read_text().splitlines())
    assert 0 < done < 600
    assert process.returncode == code
    assert written == f"onnx-ood: interrupted after {done} inputs; run again with --resume to continue\n"


def test_resume_begins_where_there_is_nothing_yet_and_prints_the_same_report(rows, tmp_path):
    first = run(rows, "--jsonl", tmp_path / "s.jsonl", "--resume")
    again = run(rows, "--jsonl", tmp_path / "s.jsonl", "--resume")
    plain = run(rows)
    assert first.returncode == again.returncode == 0
    assert first.stdout == again.stdout == plain.stdout


def test_adapted_copies_are_told_in_every_form(rows, tmp_path):
    options = ("--adaptive", "--copies", "10", "--probe", "op:Relu")
    result = run(rows, *options, "--parquet", tmp_path / "t.parquet", "--json", tmp_path / "r.json", "-v")
    assert (result.returncode, command.messages(result)) == (0, "")
    data = json.loads((tmp_path / "r.json").read_text())
    copies = {entry["id"]: entry["copies"] for entry in data["inputs"]}
    assert set(copies.values()) == {4, 5, 10}
    assert sum(copies.values()) == data["adaptive"]["copies"] < data["adaptive"]["copies_fixed"] == 5970
    table = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    assert {row["id"]: row["copies"] for row in table if row["failed"] is None} == copies
    report = " ".join(result.stdout.split())
    assert f"copies {data['adaptive']['copies'] / 597:.1f} on average" in report
    assert data["adaptive"]["rule"] in report
    assert "up to 10 copies" in report
    csv = run(rows, *options, "--csv", tmp_path / "t.csv", "--quiet")
    assert csv.returncode == 0
    lines = [line.split(",") for line in (tmp_path / "t.csv").read_text().splitlines()]
    at = lines[0].index("copies")
    assert {line[0]: int(line[at]) for line in lines[1:] if line[at]} == copies


def test_a_table_alone_leaves_nothing_else(rows, tmp_path):
    result = run(
        rows, "--parquet", tmp_path / "t.parquet", "--json", tmp_path / "r.json", "--quiet", "--copies", "2"
    )
    assert (result.returncode, result.stderr.count("\n")) == (0, 1)
    assert {path.name for path in tmp_path.iterdir()} == {"t.parquet", "r.json"}
    table = {row["id"]: row for row in parquet.read_table(tmp_path / "t.parquet").to_pylist()}
    data = json.loads((tmp_path / "r.json").read_text())
    assert len(table) == 600
    assert data["scored"] == len(data["inputs"]) == 597
    assert {entry["id"]: entry["deviation"] for entry in data["inputs"]} == {
        name: row["deviation"] for name, row in table.items() if row["failed"] is None
    }


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--resume"], 64, "--jsonl"),
        (["--jsonl", "S", "--csv", "C"], 64, "--csv"),
        (["--jsonl", "OLD"], 64, "--resume"),
        (["--jsonl", "OLD", "--resume"], 2, "is not a stream of onnx-ood score"),
        (["--jsonl", "/proc/nowhere/s.jsonl"], 2, "cannot be written"),
        (["--parquet", "/proc/nowhere/t.parquet"], 2, "cannot be written"),
    ],
)
def test_mistakes_are_one_line(rows, tmp_path, options, code, words):
    (tmp_path / "OLD").write_text("[1]\n")
    named = [str(tmp_path / word) if word in {"S", "C", "OLD"} else word for word in options]
    assert words in one_line_error(run(rows, *named), code)
    assert {path.name for path in tmp_path.iterdir()} == {"OLD"}


def test_other_settings_are_one_line_and_64(rows, tmp_path):
    assert run(rows, "--jsonl", tmp_path / "s.jsonl", "--quiet").returncode == 0
    line = one_line_error(run(rows, "--jsonl", tmp_path / "s.jsonl", "--resume", "--seed", "3"), 64)
    assert "seed 0, now 3" in line


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no sizes of files")
def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(rows, tmp_path):
    stream = tmp_path / "s.jsonl"
    result = subprocess.run(
        ["bash", "-c", 'ulimit -f 100 && exec "$@"', "bash", PROGRAM, *arguments(rows, "--jsonl", stream)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "s.jsonl: cannot be written: File too large" in one_line_error(result, 2)
    assert 90_000 < stream.stat().st_size <= 102_400
    result = run(rows, "--jsonl", stream, "--resume", "--json", "-")
    assert json.loads(result.stdout)["scored"] == 597
