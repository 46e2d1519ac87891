"""Savings of reduced JPEG decoding, and its effect on drops.

    python benchmarks/draft.py [--json FILE]

The bundled photos, enlarged and with grain, through the bundled EfficientNet-Lite0 with its default probes and 4
copies: decoded whole, and to the smallest size that is still 4, 2 and 1 times what they are resized to (`--preprocess
draft` means 2). Printed are the processor time of decoding and resizing a picture, and how far each picture's mean
drops and predictions are from those of the whole picture; for comparison, the standard error of drops over copies.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pipeline
import ratios
from rich.console import Console
from rich.table import Table

import onnx_ood
from onnx_ood import models
from onnx_ood.graph import suggest_probes
from onnx_ood.inputs import Preprocessing, read_card, read_image
from onnx_ood.perturb import draw
from onnx_ood.runtime import Prober

SIZES = ((1600, 1200), (3000, 2250))
TIMES = (None, 4, 2, 1)
COPIES, SCALE = 4, 0.02


def read(
    paths: list[Path], preprocessing: Preprocessing, least: int | None
) -> tuple[np.ndarray, float, tuple[int, int]]:
    """Tensors, the median time of a picture in milliseconds, and the size that the first was decoded to."""
    tensors, seconds = [], []
    for path in paths:
        start = time.thread_time()
        image = read_image(path, preprocessing.channels, min_side=least)
        pixels = preprocessing.pixels(image)
        seconds.append(time.thread_time() - start)
        tensors.append(preprocessing.normalise(pixels))
    return (
        np.stack(tensors),
        1e3 * float(np.median(seconds)),
        read_image(paths[0], "RGB", min_side=least).size,
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model = onnx_ood.load(models.path("efficientnet_lite0"))
    card = read_card(model.path)
    assert card is not None
    assert card.preprocessing is not None
    assert card.preprocessing.resize_to is not None
    prober = Prober(model, [found.tensor for found in suggest_probes(model)], provider="cpu")
    shape = card.preprocessing.shape
    nudges = SCALE * card.preprocessing.gain * draw("gaussian", shape, COPIES, 0)
    table = Table(title="JPEGs in draft")
    for name in ("size", "decoded to", "ms", "median change of a drop", "largest", "predictions changed"):
        table.add_column(name, justify="right")
    rows = []
    for size in SIZES:
        whole: tuple[np.ndarray, np.ndarray] | None = None
        with tempfile.TemporaryDirectory() as folder:
            paths = pipeline.make_pictures(Path(folder), len(list(models.photos())), [(size, 1)])
            for times in TIMES:
                least = None if times is None else times * card.preprocessing.resize_to
                tensors, spent, decoded = read(paths, card.preprocessing, least)
                measured = prober.measure(tensors, nudges)
                each = measured.cosine_drop()
                drops = each.mean(axis=1)
                answers = next(iter(measured.outputs.values())).reshape(len(paths), -1).argmax(axis=1)
                if whole is None:
                    whole = drops, answers
                    error = float(np.median(each.std(axis=1, ddof=1) / drops)) / COPIES**0.5
                change = np.abs(drops / whole[0] - 1)
                row = {
                    "size": f"{size[0]}x{size[1]}",
                    "decoded to": f"{decoded[0]}x{decoded[1]}",
                    "ms": round(spent, 1),
                    "median change": float(np.median(change)),
                    "largest change": float(change.max()),
                    "predictions changed": int((answers != whole[1]).sum()),
                    "standard error": error,
                }
                rows.append(row)
                shown = (row["size"], row["decoded to"], row["ms"])
                table.add_row(
                    *map(str, shown),
                    f"{row['median change']:.1%}",
                    f"{row['largest change']:.1%}",
                    f"{row['predictions changed']} of {len(paths)}",
                )
    Console().print(table)
    print(f"standard error of a drop over {COPIES} copies: {error:.1%} in the median")
    ratios.write(options.json, "cpu", draft=rows)


if __name__ == "__main__":
    main()
