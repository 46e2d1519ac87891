"""Models and features that tests of detectors share."""

from __future__ import annotations

import numpy as np

from onnx_ood.detectors import Features, LinearHead, ModelInfo, activity_profile, channel_peaks, find_detector
from onnx_ood.runtime import ChannelStatistics

CLASSES, FEATURES = 7, 40
PROBES = ("first", "second", "deep/third@2")
PROBE_INFO = ModelInfo(None, None, False, (), PROBES)
NOTHING = ModelInfo(None, None, False, (), ())
REFERENCE_FEATURES = 30


def statistics(maps: np.ndarray) -> ChannelStatistics:
    """Channel statistics of maps [N, channels, positions]."""
    return ChannelStatistics(maps.mean(2), maps.var(2), maps.max(2), (maps > 0).mean(2))


def classifier(seed: int, *, rectified: bool = True) -> tuple[ModelInfo, Features]:
    """A linear head on pooled maps, and the features of nine inputs."""
    rng = np.random.default_rng(seed)
    weight, bias = rng.normal(size=(CLASSES, FEATURES)), rng.normal(size=CLASSES)
    maps = rng.normal(0.3, 1, (9, FEATURES, 12))
    maps = np.maximum(maps, 0) if rectified else maps
    features = maps.mean(axis=2)
    removed = []
    for one in maps:
        u, s, v = np.linalg.svd(one, full_matrices=False)
        removed.append((one - s[0] * np.outer(u[:, 0], v[0])).mean(axis=1))
    info = ModelInfo(False, LinearHead(weight, bias, rectified), True, (), ())
    return info, Features(
        logits=features @ weight.T + bias,
        features=features,
        without_rank_1=np.stack(removed),
        pooled=statistics(maps),
    )


def probe_features(count: int = 12) -> Features:
    """What nudges do at three probes."""
    rng = np.random.default_rng(0)
    shape = (count, len(PROBES))
    return Features(
        drops=10 ** rng.uniform(-6, -1, shape),
        flips=rng.uniform(0, 0.2, shape),
        distortions=10 ** rng.uniform(-1, 1, shape),
        smooth_drops=10 ** rng.uniform(-6, -1, shape),
        transitions=rng.uniform(0, 2, shape),
        jacobian=10 ** rng.uniform(-8, 1, count),
    )


def reference_info() -> ModelInfo:
    """A linear head on features of either sign, and two layers."""
    rng = np.random.default_rng(99)
    head = LinearHead(rng.normal(size=(5, REFERENCE_FEATURES)), rng.normal(size=5), rectified=False)
    return ModelInfo(False, head, True, (), ("a", "b"))


def reference_layers(rng: np.random.Generator, count: int, far: float = 0) -> tuple[ChannelStatistics, ...]:
    """Two layers of in-distribution inputs; of far ones they are larger and sparser."""
    layers = []
    for channels in (4, 7):
        # Not all channels by the same factor: that would leave their direction as it is.
        larger = far * (1 + np.arange(channels)[:, np.newaxis] % 2)
        size = np.exp(rng.normal(larger, 0.2, (count, channels, 1)))
        layers.append(statistics(np.maximum(size * rng.normal(0.5 - far / 4, 1, (count, channels, 16)), 0)))
    return tuple(layers)


def reference_features(seed: int, count: int, *, far: float = 0) -> Features:
    """In-distribution inputs; far ones are larger, sparser, and outside the subspace of features."""
    rng = np.random.default_rng(seed)
    layers = reference_layers(rng, count, far)
    fixed = np.random.default_rng(7)
    centre, basis, shift = (
        fixed.normal(size=REFERENCE_FEATURES),
        fixed.normal(size=(4, REFERENCE_FEATURES)),
        fixed.normal(size=REFERENCE_FEATURES),
    )
    noise = rng.normal(0, 0.3, (count, 4)), rng.normal(0, 0.1, (count, REFERENCE_FEATURES))
    features = centre + noise[0] @ basis + noise[1] + far * shift
    head = reference_info().head
    return Features(
        logits=features @ head.weight.T + head.bias,
        features=features,
        activity=activity_profile(layers),
        peaks=tuple(map(channel_peaks, layers)),
        drops=np.exp(rng.normal(-5 + far, 0.5, (count, 3))),
        flips=rng.uniform(0, 0.1, (count, 3)) * (1 + far),
    )


def score(name: str, info: ModelInfo, features: Features, reference: Features | None = None) -> np.ndarray:
    """Scores of a detector that applies to the model."""
    detector = find_detector(name)
    assert detector.name == name
    assert detector.why_not(info) is None
    assert detector.uses_reference == (reference is not None)
    return detector.fit(info, reference)(features)
