"""The models that lie in packages, with inputs of the kind that they were made for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

Feeds = dict[str, Any]

# What rapidocr's models take: text on paper, from -1 (black) to 1 (white).
WORDS = ("onnx", "2026")


@dataclass(frozen=True)
class Packaged:
    """A model file of a package.

    Attributes:
        package: What is installed.
        licence: Of the package.
        file: Where the model lies in it.
        feeds: Makes inputs by name.
        site: The input or tensor that is nudged.
        batch: The input that has one row for each input of a batch; the others are passed beside it.
        variant: What tells two ways to run one file apart.
    """

    package: str
    licence: str
    file: str
    feeds: Callable[[], Feeds]
    site: str
    batch: str
    variant: str = ""

    @property
    def name(self) -> str:
        """The file in its package, and the variant."""
        return f"{self.file}, {self.variant}" if self.variant else self.file

    @property
    def path(self) -> Path:
        """The file, found without importing the package. Skips the test if the package is not installed."""
        return package_file(self.package, self.file)

    @property
    def origin(self) -> str:
        """Package and version."""
        return f"{self.package} {metadata.version(self.package)}"


def package_file(package: str, file: str) -> Path:
    """A file of an installed package; skips the test if there is none."""
    try:
        found = metadata.distribution(package)
    except metadata.PackageNotFoundError:
        pytest.skip(
            f"{package} is not installed: `make test-real` installs it where it can be, and runs this test"
        )
    path = Path(str(found.locate_file(file)))
    assert path.is_file(), f"{package} {found.version} has no {file} any more"
    return path


def speech(
    samples: int, *, states: tuple[str, ...] = ("state",), rows: int = 3, rate: int | None = None
) -> Feeds:
    """Something like vowels, and the state in the middle of a recording."""
    rng = np.random.default_rng(0)
    time = np.arange(samples) / (rate or 16000)
    pitch = np.array([110.0, 140.0, 190.0])[:rows, np.newaxis]
    voices = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 9))
    feeds: Feeds = {"input": (0.1 * voices + 0.01 * rng.normal(size=voices.shape)).astype(np.float32)}
    for name in states:
        shape = (2, rows, 128) if name == "state" else (1, 1, 128)
        feeds[name] = (0.1 * rng.normal(size=shape)).astype(np.float32)
    if rate is not None:
        feeds["sr"] = np.array(rate)
    return feeds


def written(height: int, width: int) -> Feeds:
    """Pictures of words."""
    pictures = []
    for word in WORDS:
        page = Image.new("RGB", (width, height), "white")
        ImageDraw.Draw(page).text((4, height // 4), word, fill="black", font_size=height // 2)
        pictures.append((np.asarray(page, dtype=np.float32) / 255 - 0.5) / 0.5)
    return {"x": np.stack(pictures).transpose(0, 3, 1, 2)}


def chords() -> Feeds:
    """Two seconds of two chords at 22.05 kHz with a little noise, as microphones have it."""
    rng = np.random.default_rng(0)
    time = np.arange(43844) / 22050
    tones = [sum(np.sin(2 * np.pi * f * time) for f in chord) for chord in ((220, 277, 330), (440, 523, 659))]
    sound = 0.2 * np.stack(tones) + 0.01 * rng.normal(size=(2, len(time)))
    return {"serving_default_input_2:0": sound[..., np.newaxis].astype(np.float32)}


def contents() -> Feeds:
    """The first and last kilobyte of files as magika reads them: stripped, and 256 where there is no byte."""
    texts = (
        b"import os\nimport sys\n\nif __name__ == '__main__':\n    print(os.getcwd(), sys.argv)",
        b'{\n  "name": "example",\n  "version": "1.0.0",\n  "tags": [1, 2, 3],\n  "deep": {"a": null, "b": true}\n}',
        b"<!DOCTYPE html>\n<html>\n<head><title>Hello</title></head>\n<body><p>Hello</p></body>\n</html>",
    )
    rows = np.full((len(texts), 2048), 256, dtype=np.int32)
    for row, text in zip(rows, texts, strict=True):
        row[: len(text)] = row[-len(text) :] = list(text)
    return {"bytes": rows}


def _silero(file: str, feeds: Callable[[], Feeds], variant: str = "") -> Packaged:
    return Packaged("silero-vad", "MIT", f"silero_vad/data/{file}", feeds, "input", "input", variant)


def _rapidocr(file: str, height: int, width: int) -> Packaged:
    return Packaged(
        "rapidocr-onnxruntime",
        "Apache-2.0",
        f"rapidocr_onnxruntime/models/{file}",
        lambda: written(height, width),
        "x",
        "x",
    )


def all_packaged() -> Iterator[Packaged]:
    """Every model file that is tested."""
    # Which branch of the outermost If is taken hangs on the sampling rate.
    for file in ("silero_vad.onnx", "silero_vad_op18_ifless.onnx"):
        yield _silero(file, lambda: speech(512, rate=16000), "16 kHz")
        yield _silero(file, lambda: speech(256, rate=8000), "8 kHz")
    yield _silero("silero_vad_16k_op15.onnx", lambda: speech(512, rate=16000))
    yield _silero("silero_vad_half.onnx", lambda: speech(512))
    # Takes what other files do inside as well: the last 64 samples of the chunk before.
    yield _silero("silero_vad_openvino_16k.onnx", lambda: speech(576, rows=1))
    yield _silero("silero_vad_16k_sequence.onnx", lambda: speech(576, states=("h", "c")))
    # Takes whole numbers; its first dense layer is what an embedding is elsewhere.
    dense = "jax2tf_get_logits_/pjit_get_logits_/MagikaV2/Dense_0/einsum/Einsum:0"
    yield Packaged("magika", "Apache-2.0", "magika/models/standard_v3_3/model.onnx", contents, dense, "bytes")
    yield _rapidocr("ch_PP-OCRv4_det_infer.onnx", 64, 64)
    yield _rapidocr("ch_PP-OCRv4_rec_infer.onnx", 48, 96)
    yield _rapidocr("ch_ppocr_mobile_v2.0_cls_infer.onnx", 48, 192)
    yield Packaged(
        "basic-pitch",
        "Apache-2.0",
        "basic_pitch/saved_models/icassp_2022/nmp.onnx",
        chords,
        "serving_default_input_2:0",
        "serving_default_input_2:0",
    )
