"""AUROC of `auto` without references by the number of bundled crops that each alteration is applied to.

    python benchmarks/altered_crops.py DATA [--only NAME]... [--json FILE]

DATA is as for `detectors.py`. Every crop of the bundled photos is measured in all versions once; then `auto` is fitted
with fewer altered crops, 6 assignments of crops to alterations by different seeds. Printed are the mean and the lowest
difference of the mean AUROC over sets from that with all crops.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import ratios
from detectors import FEW, MANY, PREPROCESSING, REFERENCES, SMALL, pictures
from PIL import Image

import onnx_ood
from onnx_ood.detectors import AlteredReferences, Features, ModelInfo, find_detector
from onnx_ood.evidence.bundled_photos import bundled_photos
from onnx_ood.evidence.fit import DetectorPipeline
from onnx_ood.evidence.prepared_model import prepare_model
from onnx_ood.evidence.references import pseudo_ood_augmentations
from onnx_ood.evidence.sets import collect_sets, open_sets
from onnx_ood.metrics import auroc

COUNTS = (48, 24, 16, 12, 8)
ASSIGNMENTS = 6


@dataclass(frozen=True)
class Measured:
    """Features of one model.

    Attributes:
        info: Facts about the model.
        id: In-distribution inputs.
        ood: Out-of-distribution sets.
        crops: Crops of the bundled photos.
        altered: All crops in each altered version.
    """

    info: ModelInfo
    id: Features
    ood: list[Features]
    crops: Features
    altered: list[Features]

    def macro(self, chosen: list[np.ndarray]) -> float:
        """Mean AUROC over sets of `auto` fitted to the crops, with these altered ones."""
        versions = [
            AlteredReferences(one.rows(which), which) for one, which in zip(self.altered, chosen, strict=True)
        ]
        fitted = find_detector("auto").fit(self.info, replace(self.crops, altered=tuple(versions)))
        scores = fitted(self.id)
        return float(np.mean([auroc(scores, fitted(one)).value for one in self.ood]))


def measure(path: Path, sets: dict[str, list[str]]) -> Measured | None:
    """Measure a model; None unless it takes colour pictures."""
    usual, rest = sets["id"], {name: files for name, files in sets.items() if name != "id"}
    with Image.open(usual[0]) as first:
        limit = MANY if max(first.size) <= SMALL else FEW
        if first.mode == "L":
            return None
    order = np.random.default_rng(0).permutation(len(usual))
    sources = open_sets([usual[i] for i in order[: len(usual) - REFERENCES]], rest)
    settings = onnx_ood.BenchSettings(
        preprocess=PREPROCESSING.get(path.parent.name), detectors=("auto",), cache=False
    )
    prepared = prepare_model(path, sources.all, preprocess=settings.preprocess)
    pipeline = DetectorPipeline(prepared, settings.detectors, settings)
    collector = pipeline.collector(limit)
    found = collect_sets(collector, prepared, sources, synthetic=True, progress=lambda _: None)
    crops = bundled_photos(prepared.preprocessing)
    rng = np.random.default_rng(0)
    altered = [
        collector.measure_pictures(alter(crops, rng))
        for alter in pseudo_ood_augmentations(prepared.preprocessing).values()
    ]
    crops_measured = collector.measure_pictures(crops)
    return Measured(pipeline.reader.info, found.id.values, list(found.ood.values()), crops_measured, altered)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", action="append", help="models to measure, by name; default: all")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, dict[str, list[float]]] = {}
    for path in sorted(options.data.glob("*/*.onnx")):
        if options.only and path.stem not in options.only:
            continue
        with pictures(path.parent) as sets:
            measured = measure(path, sets)
        if measured is None:
            continue
        kinds, total = len(measured.altered), len(measured.crops)
        whole = measured.macro([np.arange(total)] * kinds)
        print(f"{path.stem}: all {total} crops: {whole:.4f}")
        rows = results[path.stem] = {str(total): [round(whole, 4)]}
        for count in COUNTS:
            means = []
            for seed in range(ASSIGNMENTS):
                order = np.random.default_rng(seed).permutation(kinds)
                means.append(
                    measured.macro([(np.arange(count) + (place + seed) * count) % total for place in order])
                )
            rows[str(count)] = [round(one, 4) for one in means]
            print(f"  {count:3}: {np.mean(means) - whole:+.4f}, lowest {min(means) - whole:+.4f}", flush=True)
    ratios.write(options.json, "cpu", auroc=results)


if __name__ == "__main__":
    main()
