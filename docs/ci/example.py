"""Write the files of the checks in docs/ci.md into a folder.

python docs/ci/example.py FOLDER            garments, a released model and a candidate: the worked example
python docs/ci/example.py FOLDER bundled    all bundled models with inputs for each, for bundled.toml
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from PIL import Image

from onnx_ood import models


def write_example(folder: Path) -> None:
    """Write all files named in `onnx-ood.toml`, with the released model as the candidate."""
    folder.mkdir(parents=True, exist_ok=True)
    images, _ = models.fashion_samples()
    garments, known = images[::4], images[2::4]
    for name, pictures in (
        ("in-distribution", garments),
        ("known-good", known),
        ("inverted", 255 - garments),
    ):
        (folder / name).mkdir(exist_ok=True)
        for i, picture in enumerate(pictures):
            Image.fromarray(np.ascontiguousarray(picture)).save(folder / name / f"{i:03}.png")
    shutil.copy(Path(__file__).with_name("onnx-ood.toml"), folder)
    shutil.copy(models.path("fashion_cnn").with_name("fashion_classes.txt"), folder)
    for name in ("released", "candidate"):
        shutil.copy(models.path("fashion_cnn"), folder / f"{name}.onnx")
        shutil.copy(models.path("fashion_cnn").with_suffix(".json"), folder / f"{name}.json")


def write_bundled(folder: Path) -> None:
    """Write all files named in `bundled.toml`."""
    write_example(folder)
    shutil.copy(Path(__file__).with_name("bundled.toml"), folder)
    for name in models.names():
        shutil.copy(models.path(name), folder)
        shutil.copy(models.path(name).with_suffix(".json"), folder)
    for text in models.path("char_transformer").parent.glob("*.txt"):
        shutil.copy(text, folder)
    (folder / "photos").mkdir(exist_ok=True)
    for photo in models.photos():
        shutil.copy(photo, folder / "photos")
    # Cut to the length of the shortest, so that they fit into one array.
    sentences = models.sentences()["in_distribution"]
    length = min(map(len, sentences))
    np.save(folder / "sentences.npy", np.stack([models.encode("\n" + one)[:length] for one in sentences]))


def damage(folder: Path) -> None:
    """Overwrite one layer's weights in the candidate with noise of the same standard deviation."""
    rng = np.random.default_rng(0)
    _change_weights(folder, lambda weights: rng.normal(0, weights.std(), weights.shape), layers=slice(2, 3))


def misread(folder: Path) -> None:
    """Change the preprocessing in the candidate's card: pixels from -1 to 1, instead of 0 to 1."""
    card = json.loads((folder / "candidate.json").read_text())
    card["preprocessing"] |= {"mean": [0.5], "std": [0.5]}
    (folder / "candidate.json").write_text(json.dumps(card))


def quantise(folder: Path) -> None:
    """Round all weights of the candidate to four bits, with one scale per tensor."""

    def rounded(weights: NDArray[np.float32]) -> NDArray[np.float32]:
        step = np.abs(weights).max() / 7
        return np.round(weights / step) * step

    _change_weights(folder, rounded, layers=slice(None))


def _change_weights(folder: Path, change: Callable[[NDArray[Any]], NDArray[Any]], *, layers: slice) -> None:
    path = folder / "candidate.onnx"
    model = onnx.load(path)
    weights = [tensor for tensor in model.graph.initializer if len(tensor.dims) > 1]
    for tensor in weights[layers]:
        values = change(numpy_helper.to_array(tensor)).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save(model, path)


if __name__ == "__main__":
    if len(sys.argv) not in {2, 3} or sys.argv[2:] not in ([], ["bundled"]):
        sys.exit("usage: python docs/ci/example.py FOLDER [bundled]")
    (write_bundled if sys.argv[2:] else write_example)(Path(sys.argv[1]))
