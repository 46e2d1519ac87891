"""From JPEG files to scores, against the model's own pace on tensors that are ready.

    python benchmarks/pipeline.py [--pictures 2000] [--rounds 3] [--provider cpu|cuda] [--json FILE]

Writes JPEGs made from the bundled photos (most 500x375, some larger) and scores them with the bundled
EfficientNet-Lite0: with the default probes and 4 copies, where the model is by far the slower side, and with one probe
and one copy, where there is least to hide behind. `audits.score` does everything a user waits for: it loads the model,
measures noise floor and observer effect, reads, measures, and makes the result. The model alone is `Prober.measure` on
as many tensors in the same batches; a few batches are read before and taken again and again. Reading alone is what the
decoding threads take alone. Runs are interleaved; printed are medians of the ratios within a round,
and the throughput of the pipeline as a share of the model's.

With a few pictures, what `score` does once weighs more than reading does.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import ratios
from PIL import Image

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.score.audit import score
from onnx_ood.audits.score.settings import ScoreSettings
from onnx_ood.graph import select, suggest_probes
from onnx_ood.inputs import Preprocessing, Reader, read_card
from onnx_ood.perturb import draw
from onnx_ood.runtime import Prober, decoding_threads

# Sizes and how many in twenty: what collections for classifiers hold, and some as a camera scales them down.
SIZES = (((500, 375), 16), ((1024, 768), 3), ((1600, 1200), 1))
GRAIN = 5.0
BATCH = 32  # as `score` reads
READY = 8  # batches of ready tensors: more than any cache holds
TARGET = 0.9


@dataclass(frozen=True)
class Case:
    """Settings under which the two are compared."""

    name: str
    probes: tuple[str, ...]
    copies: int


CASES = (Case("default probes, 4 copies", (), 4), Case("1 probe, 1 copy", ("op:Conv[-3]",), 1))


def make_pictures(
    folder: Path, count: int, shares: Sequence[tuple[tuple[int, int], int]] = SIZES
) -> list[Path]:
    """Write JPEGs: the photos enlarged, with grain, so that a file is about as long as a camera's."""
    photos = [Image.open(path).convert("RGB") for path in models.photos()]
    rng = np.random.default_rng(0)
    sizes = [size for size, share in shares for _ in range(share)]
    largest = max(width for width, _ in sizes)
    grain = rng.normal(0, GRAIN, (largest, largest, 1)).astype(np.float32)
    paths = []
    for i in range(count):
        width, height = sizes[i % len(sizes)]
        plain = photos[i % len(photos)].resize((width, height), Image.Resampling.BICUBIC)
        top, left = rng.integers(0, largest - height + 1), rng.integers(0, largest - width + 1)
        values = np.asarray(plain) + grain[top : top + height, left : left + width]
        paths.append(folder / f"{i:05}.jpg")
        Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(paths[-1], quality=90)
    return paths


def reader(model: onnx_ood.Model, paths: list[Path], preprocessing: Preprocessing) -> Reader:
    """Read as `score` does."""
    (fed,) = model.inputs
    return Reader(
        paths,
        preprocessing=preprocessing,
        input_name=fed.name,
        input_shape=fed.shape or (),
        batch=BATCH,
        threads=decoding_threads(),
    )


def model_alone(
    model: onnx_ood.Model, case: Case, provider: str, ready: list[np.ndarray], count: int, gain: np.ndarray
) -> Callable[[], object]:
    """Measures `count` tensors in batches, ready ones in turn."""
    probes = select(model, case.probes) if case.probes else [found.tensor for found in suggest_probes(model)]
    prober = Prober(model, probes, provider=provider)
    settings = ScoreSettings()
    nudges = settings.scale * gain * draw(settings.family, ready[0].shape[1:], case.copies, settings.seed)

    def run() -> None:
        for start, batch in zip(range(0, count, BATCH), itertools.cycle(ready), strict=False):
            prober.measure(batch[: count - start], nudges)

    return run


def pipeline(model: onnx_ood.Model, case: Case, provider: str, paths: list[Path]) -> Callable[[], object]:
    """From paths to a result, in which every picture has to be scored."""
    # Detectors would be a further run of the model that plain inference has no counterpart of.
    settings = ScoreSettings(
        detectors=("deviation",), probes=case.probes, copies=case.copies, provider=provider
    )

    def run() -> None:
        result = score(model.path, [str(path) for path in paths], settings)
        assert len(result.inputs) == len(paths)

    return run


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--provider", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model = onnx_ood.load(models.path("efficientnet_lite0"))
    card = read_card(model.path)
    assert card is not None
    assert card.preprocessing is not None
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = make_pictures(Path(folder), options.pictures)
        size = sum(path.stat().st_size for path in paths) / len(paths)
        print(f"{len(paths)} pictures, {size / 1024:.0f} KiB on average")
        read = reader(model, paths, card.preprocessing)
        ready = [batch.tensors for batch in itertools.islice(read, READY)]
        for case in CASES:
            ways = {
                "the model alone": model_alone(
                    model, case, options.provider, ready, len(paths), card.preprocessing.gain
                ),
                "from files to scores": pipeline(model, case, options.provider, paths),
                "reading alone": lambda: sum(len(batch) for batch in read),
            }
            timings = ratios.compare(ways, options.rounds)
            ratios.show(f"{case.name}, {options.provider}", timings)
            share = 1 / timings["from files to scores"].ratio
            print(f"throughput: {share:.3f} of the model's (wanted where the model is slower: {TARGET})\n")
            results[case.name] = {**timings, "throughput": share}
    ratios.write(options.json, options.provider, pictures=options.pictures, pipeline=results)


if __name__ == "__main__":
    main()
