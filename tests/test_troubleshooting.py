"""Every message in docs/troubleshooting.md is one that the program prints."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from command import run
from onnx.helper import make_model, make_opsetid
from onnx.parser import parse_graph
from PIL import Image

from onnx_ood import models
from onnx_ood.runtime.providers import cuda_problem

PAGE = (Path(__file__).parents[1] / "docs" / "troubleshooting.md").read_text()
MESSAGES = [
    " ".join(text.split()) for text in re.findall(r"^```text\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
]
# Commands that provoke messages, one or more each. Names in the messages are those in the page.
COMMANDS = """
score missing/model.onnx pictures
score pointer/model.onnx pictures
score zip/model.onnx pictures
score outside/model.onnx pictures
score newer/model.onnx two.npy
score model.onnx pictures --probe op:Tanh
score model.onnx photos
score model.onnx documents
score model.onnx wrong.npy
score model.onnx bytes.npy --preprocess unit --detectors energy
score text/model.onnx pictures
score two/model.onnx two.npy
score text/model.onnx lines.txt
score model.onnx broken
score model.onnx pictures
score model.onnx pictures --reference five
score model.onnx five --reference twelve
score model.onnx pictures --reference pictures
score text/model.onnx tokens.npy
score model.onnx pictures --detectors knn
score model.onnx pictures --json model.onnx
score model.onnx pictures --jsonl run.jsonl
check
check typo/onnx-ood.toml
check few.toml
preprocess model.onnx five
show result.json
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("troubles")
    for name in ("pointer", "zip", "outside", "newer", "two", "text", "documents", "broken", "typo"):
        (place / name).mkdir()
    images, _ = models.fashion_samples()
    for name, first, last in (("pictures", 0, 10), ("five", 10, 15), ("twelve", 20, 32)):
        (place / name).mkdir()
        for number in range(first, last):
            Image.fromarray(images[number]).save(place / name / f"{number}.png")
    shutil.copy(models.path("fashion_cnn"), place / "model.onnx")
    shutil.copy(models.path("char_transformer"), place / "text" / "model.onnx")
    (place / "pointer" / "model.onnx").write_text("version https://git-lfs.github.com/spec/v1\nsize 1\n")
    with zipfile.ZipFile(place / "zip" / "model.onnx", "w") as archive:
        archive.writestr("data.pkl", "")
    onnx.save(
        onnx.load(place / "model.onnx"), place / "outside" / "model.onnx",
        save_as_external_data=True, location="weights.data", size_threshold=0,
    )  # fmt: skip
    (place / "outside" / "weights.data").unlink()
    for name, text in (
        ("newer", "g (float[N, 2] x) => (float[N, 2] y) { y = Relu (x) }"),
        ("two", "g (float[N, 2] x, float[N, 2] mask) => (float[N, 2] y) { y = Mul (x, mask) }"),
    ):
        version = 99 if name == "newer" else 8
        model = make_model(parse_graph(text), ir_version=version, opset_imports=[make_opsetid("", 17)])
        (place / name / "model.onnx").write_bytes(model.SerializeToString())
    (place / "documents" / "letter.docx").touch()
    for number in range(10):
        (place / "broken" / f"{number}.png").write_bytes(b"\x89PNG")
    shutil.copy(place / "pictures" / "0.png", place / "broken" / "whole.png")
    np.save(place / "wrong.npy", np.zeros((1, 3, 32, 32), np.float32))
    np.save(place / "bytes.npy", images[:2, None].astype(np.float32))
    np.save(place / "two.npy", np.ones((2, 2), np.float32))
    np.save(place / "tokens.npy", np.arange(80).reshape(8, 10) % 60)
    (place / "lines.txt").write_text("one\n")
    (place / "run.jsonl").write_text("{}\n")
    (place / "result.json").write_text("{}")
    model = '[models.a]\npath = "model.onnx"\n'
    (place / "typo" / "onnx-ood.toml").write_text(f'{model}[[gates]]\nmetric = "size"\nmaximum = 3\n')
    (place / "few.toml").write_text(
        f'{model}inputs = ["five"]\n[[gates]]\nmetric = "failed-inputs"\nmax = 0\n'
    )
    return place


@pytest.fixture(scope="module")
def printed(folder):
    """Everything that the commands print, on one line without the layout of warnings."""
    texts = []
    for line in COMMANDS.split("\n"):
        if line:
            done = run(*line.split(), folder=folder, COLUMNS="200")
            assert "bug in onnx_ood" not in done.stderr, line
            texts.append(done.stdout + done.stderr)
    return " ".join(" ".join(texts).split())


def test_messages_are_printed(printed):
    elsewhere = {"onnx-ood: command not found", "CUDA cannot run here"}
    assert elsewhere < set(MESSAGES)
    assert [one for one in MESSAGES if one not in printed and one not in elsewhere] == []


def test_each_message_is_listed_once():
    assert len(MESSAGES) == len(set(MESSAGES))
    assert len(MESSAGES) >= 25


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_a_shell_without_the_environment_finds_no_program(tmp_path):
    done = subprocess.run(
        ["bash", "-c", "onnx-ood demo"],
        env={"PATH": os.defpath}, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "onnx-ood: command not found" in done.stderr


@pytest.mark.skipif(cuda_problem() is None, reason="a GPU can be used here")
def test_a_gpu_that_is_missing(folder):
    done = run("score", "model.onnx", "pictures", "--provider", "cuda", folder=folder)
    assert "CUDA cannot run here" in done.stderr
