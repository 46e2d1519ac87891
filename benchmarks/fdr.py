"""False discoveries in folders: the table "Folders" of docs/detectors.md.

    python benchmarks/fdr.py [DATA] [--only NAME]... [--json FILE]

Of each model's in-distribution inputs 400 are drawn as references (of fewer inputs, all but 90), 90 others and 10
out-of-distribution inputs, an equal number of each set, are a folder; 40 draws. Flagged is what the Benjamini-Hochberg
procedure rejects at a false-discovery rate of 0.1 by the p-values of `auto`. The share of in-distribution inputs among
the flagged ones, 0 if none is flagged, has a mean of at most 0.1 · 90 / 100 over independent draws. The same p-values
flag a share of the in-distribution inputs at a false-positive rate of 0.05.

DATA as in benchmarks/detectors.py. Without it, the models are five convolutional networks with random weights, whose
in-distribution inputs are pictures of smooth noise, and the others white noise, stripes and inverted pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import ratios
from detectors import PREPROCESSING, pictures
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from PIL import Image

import onnx_ood
from onnx_ood.detectors import Features, calibrate, discovery_threshold, find_detector, flag
from onnx_ood.evidence.fit import DetectorPipeline
from onnx_ood.evidence.prepared_model import prepare_model
from onnx_ood.inputs import discover

DRAWS, FOLDER, UNUSUAL, REFERENCES = 40, 100, 10, 400
FDR, FPR = 0.1, 0.05
MOST = 600
GENERATED = 5
SIDE = 24


def measured(
    path: Path, preprocess: str | None, sets: Mapping[str, Sequence[str]]
) -> tuple[DetectorPipeline, Features, dict[str, Features]]:
    """Measure the features of all sets, with altered versions of in-distribution inputs."""
    settings = onnx_ood.BenchSettings(cache=False)
    source = discover(sets["id"])
    pipeline = DetectorPipeline(prepare_model(path, source, preprocess=preprocess), ("auto",), settings)
    known = pipeline.measure_references(source, limit=MOST).features
    assert known is not None
    unusual = {
        name: pipeline.collector(MOST).collect(discover(list(files))).values
        for name, files in sets.items()
        if name != "id"
    }
    return pipeline, known, unusual


def draw(
    pipeline: DetectorPipeline, known: Features, unusual: Mapping[str, Features], rng: np.random.Generator
) -> tuple[int, int, float]:
    """Draw references and a folder, and flag its inputs.

    Returns:
        Number of flagged in-distribution and out-of-distribution inputs, and share of in-distribution inputs that are
        flagged at a false-positive rate.
    """
    usual = FOLDER - UNUSUAL
    references = min(REFERENCES, len(known) - usual)
    order = rng.permutation(len(known))[: references + usual]
    info, auto = pipeline.reader.info, find_detector("auto")
    calibrated = calibrate(auto, info, known.rows(order[:references]), seed=0, rate=FDR)
    low = calibrated.p_values(known.rows(order[references:]))
    chosen = np.arange(UNUSUAL) % len(unusual)
    high = np.concatenate(
        [
            calibrated.p_values(one.rows(rng.permutation(len(one))[: np.count_nonzero(chosen == k)]))
            for k, one in enumerate(unusual.values())
        ]
    )
    values, counts = np.unique(np.concatenate([low, high]), return_counts=True)
    threshold = discovery_threshold(dict(zip(values.tolist(), counts.tolist(), strict=True)), FDR)
    by_rate = float(flag(low, FPR, calibrated.references).mean())
    return int((low <= threshold).sum()), int((high <= threshold).sum()), by_rate


@contextmanager
def generated(seed: int) -> Iterator[tuple[Path, dict[str, list[str]]]]:
    """Write a network with random weights and its pictures to a temporary folder."""
    rng = np.random.default_rng(seed)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        path = folder / f"generated_{seed + 1}.onnx"
        onnx.save(_network(rng, depth=2 + seed % 3, channels=8 + 4 * seed), path)
        smooth = _smooth(rng, MOST + 100)
        noise = rng.integers(0, 256, (100, SIDE, SIDE), np.uint8)
        stripes = np.repeat(rng.integers(0, 256, (100, SIDE, 1), np.uint8), SIDE, axis=2)
        sets = {"id": smooth[:MOST], "inverted": 255 - smooth[MOST:], "noise": noise, "stripes": stripes}
        yield path, {name: list(_written(images, folder / name)) for name, images in sets.items()}


def _written(images: NDArray[np.uint8], folder: Path) -> Iterator[str]:
    folder.mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i:05}.png")
        yield str(folder / f"{i:05}.png")


def _smooth(rng: np.random.Generator, count: int) -> NDArray[np.uint8]:
    """Draw pictures of low frequencies, darker at the edges."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.rfftfreq(SIDE), indexing="ij"))
    spectra = np.fft.rfft2(rng.normal(size=(count, SIDE, SIDE))) / (0.05 + frequency) ** 2
    waves = np.fft.irfft2(spectra, s=(SIDE, SIDE))
    waves /= waves.std(axis=(1, 2), keepdims=True)
    window = np.hanning(SIDE + 2)[1:-1]
    images: NDArray[np.uint8] = ((128 + 50 * waves).clip(0, 255) * np.outer(window, window)).astype(np.uint8)
    return images


def _network(rng: np.random.Generator, depth: int, channels: int) -> onnx.ModelProto:
    nodes, weights, before, size = [], [], "pixels", 1
    for layer in range(depth):
        weight = rng.normal(size=(channels, size, 3, 3)) * np.sqrt(2 / (9 * size))
        weights.append(numpy_helper.from_array(weight.astype(np.float32), f"weight_{layer}"))
        nodes += [
            helper.make_node("Conv", [before, f"weight_{layer}"], [f"conv_{layer}"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", [f"conv_{layer}"], [f"relu_{layer}"]),
        ]
        before, size = f"relu_{layer}", channels
    weights.append(numpy_helper.from_array(rng.normal(size=(channels, 10)).astype(np.float32), "weight"))
    nodes += [
        helper.make_node("GlobalAveragePool", [before], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("MatMul", ["features", "weight"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "generated",
        [helper.make_tensor_value_info("pixels", onnx.TensorProto.FLOAT, ["N", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["N", 10])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def cases(data: Path | None) -> Iterator[tuple[Path, str | None, dict[str, list[str]]]]:
    """Yield each model with its preprocessing and its sets."""
    if data is None:
        for seed in range(GENERATED):
            with generated(seed) as (path, made):
                yield path, "unit,L,stretch", made
        return
    for path in sorted(data.glob("*/*.onnx")):
        with pictures(path.parent) as sets:
            yield path, PREPROCESSING.get(path.parent.name), sets


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--only", action="append", help="models to measure, by name; default: all")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = {}
    print(
        "| model | share of false flags, mean ± standard error | flagged of 10 unusual, mean | share flagged at 5%, "
        "mean ± standard error |\n|---|---:|---:|---:|"
    )
    for path, preprocess, sets in cases(options.data):
        if options.only and path.stem not in options.only:
            continue
        pipeline, known, unusual = measured(path, preprocess, sets)
        rng = np.random.default_rng(0)
        false, true, by_rate = map(
            np.array, zip(*(draw(pipeline, known, unusual, rng) for _ in range(DRAWS)), strict=True)
        )
        shares = false / np.maximum(false + true, 1)
        errors = [one.std(ddof=1) / np.sqrt(DRAWS) for one in (shares, by_rate)]
        print(
            f"| {path.stem} | {shares.mean():.3f} ± {errors[0]:.3f} | {true.mean():.1f} | "
            f"{by_rate.mean():.3f} ± {errors[1]:.3f} |",
            flush=True,
        )
        figures[path.stem] = {
            "references": min(REFERENCES, len(known) - FOLDER + UNUSUAL),
            "false": false.tolist(),
            "true": true.tolist(),
            "false_share": round(float(shares.mean()), 4),
            "false_share_error": round(float(errors[0]), 4),
            "share_at_fpr": round(float(by_rate.mean()), 4),
            "share_at_fpr_error": round(float(errors[1]), 4),
        }
    ratios.write(
        options.json, "cpu", folders={"of": FOLDER, "unusual": UNUSUAL, "fdr": FDR, "fpr": FPR, **figures}
    )


if __name__ == "__main__":
    main()
