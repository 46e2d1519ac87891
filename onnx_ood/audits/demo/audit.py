"""The demo: bundled photos and altered versions of them, scored on the bundled ImageNet classifier."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from onnx_ood import metrics
from onnx_ood._arguments import checked
from onnx_ood._progress import Phase
from onnx_ood._types import Float, Progress
from onnx_ood.audits.demo.result import AlterationResult, Area, DemoResult
from onnx_ood.audits.score.settings import ScoreSettings
from onnx_ood.detectors import (
    AlteredReferences,
    Detector,
    Features,
    ModelInfo,
    deviation_score,
    published_score,
)
from onnx_ood.evidence.collect import Alteration
from onnx_ood.evidence.fit import DetectorPipeline
from onnx_ood.evidence.prepared_model import prepare_model
from onnx_ood.evidence.references import pseudo_ood_augmentations
from onnx_ood.graph import suggest_probes
from onnx_ood.inputs import InputSource, Preprocessing, read_image
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
    """Measured values of one version of all photos."""

    drops: Float  # Mean over copies, [N, P].
    errors: Float  # Standard error over copies, [N, P].
    logits: Float  # [N, classes]
    features: Features  # Those that `auto` reads.

    @property
    def answers(self) -> NDArray[np.int64]:
        largest: NDArray[np.int64] = self.logits.argmax(axis=1)
        return largest

    @property
    def confidence(self) -> Float:
        shifted = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        top: Float = 1 / shifted.sum(axis=1)
        return top


@checked
def demo(provider: Literal["auto", "cuda", "cpu"] = "auto", progress: Progress | None = None) -> DemoResult:
    """Score the bundled photos and altered versions of them.

    Args:
        provider: `"auto"`, `"cuda"` or `"cpu"`.
        progress: Called with the name of a phase, the number of pictures done and in all.

    Returns:
        AUROCs of the published score, the two-sided one, `auto` and the model's confidence for each alteration.

    Raises:
        ProviderError: If the provider cannot run here.
    """
    prepared = prepare_model(model_path(_MODEL), InputSource())
    model, card, preprocessing = prepared.model, prepared.card, prepared.preprocessing
    assert card is not None
    assert preprocessing is not None
    labels = card.class_names() or []
    probes = [suggestion.tensor for suggestion in suggest_probes(model)]
    prober = Prober(model, probes, provider=provider)
    photos: list[Path] = photo_paths()
    pixels = [_pixels(path, preprocessing) for path in photos]
    nudges = draw("gaussian", pixels[0].shape, _COPIES, _SEED) * _SCALE * preprocessing.gain
    pipeline = DetectorPipeline(
        prepared,
        ("auto",),
        ScoreSettings(provider=provider, seed=_SEED),
    )
    reader = pipeline.reader
    augmentations = pseudo_ood_augmentations(preprocessing)
    total = len(photos) * (1 + len(list_corruptions("demo")) + len(augmentations))
    measuring = Phase(progress, "pictures", total)

    def step() -> None:
        measuring.advance(len(photos))

    def measure(versions: list[NDArray[np.float32]]) -> _Measured:
        tensors = np.stack([preprocessing.normalise(version) for version in versions])
        measured = prober.measure(tensors, nudges)
        features = reader.read(tensors)
        step()
        drops = measured.cosine_drop()
        return _Measured(
            drops=drops.mean(axis=1),
            errors=drops.std(axis=1, ddof=1) / np.sqrt(_COPIES),
            logits=measured.outputs[model.outputs[0]].astype(np.float64),
            features=features,
        )

    original = measure(pixels)
    floor = prober.noise_floor(np.stack([preprocessing.normalise(image) for image in pixels[:8]]))
    altered_features = []
    for alter in augmentations.values():
        # All photos at once: some augmentations mix two pictures.
        versions = _changed(np.stack(pixels), alter, np.random.default_rng(_SEED), preprocessing)
        found = reader.read(preprocessing.normalise(versions))
        altered_features.append(AlteredReferences(found, np.arange(len(found))))
        step()
    references = replace(original.features, altered=tuple(altered_features))
    halves = _Halves(pipeline.detectors[0], reader.info, references)
    original_scores = halves.scores(original.features)
    alterations = []
    for kind in list_corruptions("demo"):
        change = find_corruption(kind).at("demo")
        altered = measure([_altered(image, change, i, preprocessing) for i, image in enumerate(pixels)])
        alterations.append(
            _compare(kind, original, altered, floor, original_scores, halves.scores(altered.features))
        )
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
    """Scores photos by a detector fitted to the other half of them, so that no photo is compared with itself."""

    def __init__(self, detector: Detector, info: ModelInfo, photos: Features) -> None:
        self._half = np.arange(len(photos)) % 2
        self._scorers = [
            detector.fit(info, photos.rows(np.flatnonzero(self._half != half))) for half in (0, 1)
        ]

    def scores(self, features: Features) -> Float:
        """Score a version of all photos, float64 [N]."""
        scores = np.empty(len(self._half))
        for half, scorer in enumerate(self._scorers):
            rows = np.flatnonzero(self._half == half)
            scores[rows] = scorer(features.rows(rows))
        return scores


def _altered(
    pixels: NDArray[np.float32], change: Alteration, index: int, preprocessing: Preprocessing
) -> NDArray[np.float32]:
    """Alter one photo, with random draws of its own; the layout stays."""
    generator = np.random.default_rng([_SEED, index])
    altered: NDArray[np.float32] = _changed(pixels[np.newaxis], change, generator, preprocessing)[0]
    return altered


def _changed(
    pixels: NDArray[np.float32],
    change: Alteration,
    generator: np.random.Generator,
    preprocessing: Preprocessing,
) -> NDArray[np.float32]:
    """Alter photos; the layout stays."""
    channels_first = preprocessing.layout == "NCHW"
    changed = change(np.moveaxis(pixels, 1, -1) if channels_first else pixels, generator)
    return np.ascontiguousarray(np.moveaxis(changed, -1, 1) if channels_first else changed, dtype=np.float32)


def _compare(
    kind: str,
    original: _Measured,
    altered: _Measured,
    floor: Float,
    original_auto: Float,
    altered_auto: Float,
) -> AlterationResult:
    ratio = altered.drops / original.drops
    return AlterationResult(
        kind=kind,
        drop_ratio=float(np.median(ratio)),
        rotated_less=int(np.sum(np.median(ratio, axis=1) < 1)),
        published=_area(published_score(original.drops, floor), published_score(altered.drops, floor)),
        two_sided=_area(_distances(original, original, floor), _distances(altered, original, floor)),
        auto=_area(original_auto, altered_auto),
        confidence=_area(-original.confidence, -altered.confidence),
        same_answer=float(np.mean(original.answers == altered.answers)),
    )


def _distances(measured: _Measured, original: _Measured, floor: Float) -> Float:
    """Compute the two-sided distance of each photo's drops from those of the *other* photos, float64 [N].

    An altered photo is not compared with its own original either, so both groups are treated alike.
    """
    scores = np.empty(len(measured.drops))
    for i in range(len(scores)):
        others = np.delete(original.drops, i, axis=0)
        compared = deviation_score(measured.drops[i : i + 1], measured.errors[i : i + 1], floor, others)
        scores[i] = np.nan if compared is None else compared.score[0]
    return scores


def _area(original: Float, altered: Float) -> Area:
    found = metrics.auroc(original, altered)
    return Area(value=found.value, low=found.low, high=found.high)
