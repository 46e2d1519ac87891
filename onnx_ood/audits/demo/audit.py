"""The demo: bundled photos and their altered versions, scored by the bundled ImageNet classifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnx_ood import metrics
from onnx_ood._types import Float
from onnx_ood.audits.demo.result import AlterationResult, Area, DemoResult
from onnx_ood.detectors import Detector, Features, ModelInfo, deviation_score, find_detector, published_score
from onnx_ood.evidence.collect import Alteration
from onnx_ood.evidence.reader import FeatureReader
from onnx_ood.evidence.references import pseudo_ood_augmentations
from onnx_ood.graph import load, suggest_probes
from onnx_ood.inputs import Preprocessing, read_card, read_image
from onnx_ood.models import path as model_path
from onnx_ood.models import photos as photo_paths
from onnx_ood.perturb import draw, find_corruption, list_corruptions
from onnx_ood.runtime import Prober

_MODEL = "efficientnet_lite0"
_SCALE = 0.02
_COPIES = 2
_SEED = 0


@dataclass(frozen=True)
class _Measured:
    """What was measured of one version of all photos."""

    drops: Float  # Mean over copies, [N, P].
    errors: Float  # Standard error over copies, [N, P].
    logits: Float  # [N, classes]
    evidence: Features  # What `auto` reads.

    @property
    def answers(self) -> NDArray[np.int64]:
        largest: NDArray[np.int64] = self.logits.argmax(axis=1)
        return largest

    @property
    def confidence(self) -> Float:
        shifted = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        top: Float = 1 / shifted.sum(axis=1)
        return top


def demo(provider: str = "auto", progress: Callable[[int, int | None], None] | None = None) -> DemoResult:
    """Scores the bundled photos and their altered versions.

    Args:
        provider: `"auto"`, `"cuda"` or `"cpu"`.
        progress: Called with the number of pictures done and in all.

    Returns:
        For each alteration what the published reading, the two-sided one, `auto` and the model's own confidence tell.

    Raises:
        ProviderError: If the provider can't run here.
    """
    model = load(model_path(_MODEL))
    card = read_card(model.path)
    if card is None or card.preprocessing is None:
        raise AssertionError("the bundled model has lost its card")
    preprocessing, labels = card.preprocessing, card.class_names() or []
    probes = [suggestion.tensor for suggestion in suggest_probes(model)]
    prober = Prober(model, probes, provider=provider)
    photos: list[Path] = photo_paths()
    pixels = [_pixels(path, preprocessing) for path in photos]
    nudges = draw("gaussian", pixels[0].shape, _COPIES, _SEED) * _SCALE * preprocessing.gain
    auto = find_detector("auto")
    reader = FeatureReader(model, auto.needs, preprocessing=preprocessing, provider=provider)
    rehearsed = pseudo_ood_augmentations(preprocessing)
    total = len(photos) * (1 + len(list_corruptions("demo")) + len(rehearsed))
    done = 0

    def step() -> None:
        nonlocal done
        done += len(photos)
        if progress:
            progress(done, total)

    def measure(versions: list[NDArray[np.float32]]) -> _Measured:
        tensors = np.stack([preprocessing.normalise(version) for version in versions])
        measured = prober.measure(tensors, nudges)
        evidence = reader.read(tensors)
        step()
        drops = measured.cosine_drop()
        return _Measured(
            drops=drops.mean(axis=1),
            errors=drops.std(axis=1, ddof=1) / np.sqrt(_COPIES),
            logits=measured.outputs[model.outputs[0]].astype(np.float64),
            evidence=evidence,
        )

    if progress:
        progress(0, total)
    original = measure(pixels)
    floor = prober.noise_floor(np.stack([preprocessing.normalise(image) for image in pixels[:8]]))
    learnt = []
    for alter in rehearsed.values():
        # All together: some ways put two pictures into one.
        versions = _changed(np.stack(pixels), alter, np.random.default_rng(_SEED), preprocessing)
        learnt.append(reader.read(preprocessing.normalise(versions)))
        step()
    judge = _Halves(auto, reader.info, replace(original.evidence, altered=tuple(learnt)))
    alterations = []
    for kind in list_corruptions("demo"):
        change = find_corruption(kind).at("demo")
        altered = measure([_altered(image, change, i, preprocessing) for i, image in enumerate(pixels)])
        alterations.append(_compare(kind, original, altered, floor, judge))
    return DemoResult(
        model=model.path.name,
        photos=len(photos),
        probes=prober.probes,
        copies=_COPIES,
        scale=_SCALE,
        provider=prober.provider,
        provider_note=prober.provider_note,
        placement=prober.placement,
        fallback_nodes=prober.fallback_nodes,
        answers={
            path.name: labels[answer] for path, answer in zip(photos, original.answers.tolist(), strict=True)
        },
        alterations=tuple(alterations),
    )


def _pixels(path: Path, preprocessing: Preprocessing) -> NDArray[np.float32]:
    return preprocessing.pixels(read_image(path, preprocessing.channels))


class _Halves:
    """Scores photos by a detector that learnt from the other half of them, so that none is compared with itself."""

    def __init__(self, detector: Detector, info: ModelInfo, photos: Features) -> None:
        self._half = np.arange(len(photos)) % 2
        self._scorers = [
            detector.fit(info, photos.rows(np.flatnonzero(self._half != half))) for half in (0, 1)
        ]

    def scores(self, evidence: Features) -> Float:
        """Scores of a version of all photos, [N]."""
        scores = np.empty(len(self._half))
        for half, scorer in enumerate(self._scorers):
            rows = np.flatnonzero(self._half == half)
            scores[rows] = scorer(evidence.rows(rows))
        return scores


def _altered(
    pixels: NDArray[np.float32], change: Alteration, index: int, preprocessing: Preprocessing
) -> NDArray[np.float32]:
    """One photo altered, by draws of its own, in the layout that it came in."""
    generator = np.random.default_rng([_SEED, index])
    altered: NDArray[np.float32] = _changed(pixels[np.newaxis], change, generator, preprocessing)[0]
    return altered


def _changed(
    pixels: NDArray[np.float32],
    change: Alteration,
    generator: np.random.Generator,
    preprocessing: Preprocessing,
) -> NDArray[np.float32]:
    """Photos altered, in the layout that they came in."""
    channels_first = preprocessing.layout == "NCHW"
    changed = change(np.moveaxis(pixels, 1, -1) if channels_first else pixels, generator)
    return np.ascontiguousarray(np.moveaxis(changed, -1, 1) if channels_first else changed, dtype=np.float32)


def _compare(
    kind: str, original: _Measured, altered: _Measured, floor: Float, judge: _Halves
) -> AlterationResult:
    ratio = altered.drops / original.drops
    return AlterationResult(
        kind=kind,
        drop_ratio=float(np.median(ratio)),
        rotated_less=int(np.sum(np.median(ratio, axis=1) < 1)),
        published=_area(published_score(original.drops, floor), published_score(altered.drops, floor)),
        two_sided=_area(_distances(original, original, floor), _distances(altered, original, floor)),
        auto=_area(judge.scores(original.evidence), judge.scores(altered.evidence)),
        confidence=_area(-original.confidence, -altered.confidence),
        same_answer=float(np.mean(original.answers == altered.answers)),
    )


def _distances(measured: _Measured, original: _Measured, floor: Float) -> Float:
    """Two-sided distance of each photo's drops from those of the *other* photos.

    An altered photo isn't compared with its own original either, so that both groups are treated alike.
    """
    scores = np.empty(len(measured.drops))
    for i in range(len(scores)):
        others = np.delete(original.drops, i, axis=0)
        compared = deviation_score(measured.drops[i : i + 1], measured.errors[i : i + 1], floor, others)
        scores[i] = np.nan if compared is None else compared.score[0]
    return scores


def _area(ordinary: Float, strange: Float) -> Area:
    found = metrics.auroc(ordinary, strange)
    return Area(value=found.value, low=found.low, high=found.high)
