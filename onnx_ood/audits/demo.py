"""The demo: bundled photos and their altered versions, scored by the bundled ImageNet classifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnx_ood import metrics
from onnx_ood.audits.demo_result import AlterationResult, Area, DemoResult
from onnx_ood.detectors import published_score, relative_score
from onnx_ood.graph import load, suggest_probes
from onnx_ood.inputs import Preprocessing, read_card, read_image
from onnx_ood.measurement import Prober
from onnx_ood.models import path as model_path
from onnx_ood.models import photos as photo_paths
from onnx_ood.nudges import ALTERATIONS, draw

_MODEL = "efficientnet_lite0"
_SCALE = 0.02
_COPIES = 2
_SEED = 0

Float = NDArray[np.float64]


@dataclass(frozen=True)
class _Measured:
    """What was measured of one version of all photos."""

    drops: Float  # Mean over copies, [N, P].
    errors: Float  # Standard error over copies, [N, P].
    logits: Float  # [N, classes]

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
        For each alteration what the published reading, the two-sided one and the model's own confidence tell.

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
    total = len(photos) * (1 + len(ALTERATIONS))
    done = 0

    def measure(versions: list[NDArray[np.float32]]) -> _Measured:
        nonlocal done
        tensors = np.stack([preprocessing.normalise(version) for version in versions])
        measured = prober.measure(tensors, nudges)
        done += len(versions)
        if progress:
            progress(done, total)
        drops = measured.cosine_drop()
        return _Measured(
            drops=drops.mean(axis=1),
            errors=drops.std(axis=1, ddof=1) / np.sqrt(_COPIES),
            logits=measured.outputs[model.outputs[0]].astype(np.float64),
        )

    if progress:
        progress(0, total)
    original = measure(pixels)
    floor = prober.noise_floor(np.stack([preprocessing.normalise(image) for image in pixels[:8]]))
    alterations = []
    for kind in ALTERATIONS:
        altered = measure([_altered(image, kind, i, preprocessing) for i, image in enumerate(pixels)])
        alterations.append(_compare(kind, original, altered, floor))
    return DemoResult(
        model=model.path.name,
        photos=len(photos),
        probes=prober.probes,
        copies=_COPIES,
        scale=_SCALE,
        provider=prober.provider,
        provider_note=prober.provider_note,
        placement=prober.placement,
        fallen_back=prober.fallen_back,
        answers={
            path.name: labels[answer] for path, answer in zip(photos, original.answers.tolist(), strict=True)
        },
        alterations=tuple(alterations),
    )


def _pixels(path: Path, preprocessing: Preprocessing) -> NDArray[np.float32]:
    return preprocessing.pixels(read_image(path, preprocessing.channels))


def _altered(
    pixels: NDArray[np.float32], kind: str, index: int, preprocessing: Preprocessing
) -> NDArray[np.float32]:
    """One photo altered, by draws of its own, in the layout that it came in."""
    generator = np.random.default_rng([_SEED, index])
    channels_first = preprocessing.layout == "NCHW"
    image = np.moveaxis(pixels, 0, -1) if channels_first else pixels
    changed = ALTERATIONS[kind](image, generator)
    return np.ascontiguousarray(np.moveaxis(changed, -1, 0) if channels_first else changed, dtype=np.float32)


def _compare(kind: str, original: _Measured, altered: _Measured, floor: Float) -> AlterationResult:
    ratio = altered.drops / original.drops
    return AlterationResult(
        kind=kind,
        drop_ratio=float(np.median(ratio)),
        turned_less=int(np.sum(np.median(ratio, axis=1) < 1)),
        published=_area(published_score(original.drops, floor), published_score(altered.drops, floor)),
        two_sided=_area(_distances(original, original, floor), _distances(altered, original, floor)),
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
        compared = relative_score(measured.drops[i : i + 1], measured.errors[i : i + 1], floor, others)
        scores[i] = np.nan if compared is None else compared.score[0]
    return scores


def _area(ordinary: Float, strange: Float) -> Area:
    found = metrics.auroc(ordinary, strange)
    return Area(value=found.value, low=found.low, high=found.high)
