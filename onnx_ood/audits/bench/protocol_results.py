"""Results of a recognised protocol: metrics of OpenOOD v1.5 by set, and means over near and far sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from onnx_ood.audits.bench.metrics import SetScores
from onnx_ood.audits.bench.protocol_sets import FoundSet, Group, ProtocolSets
from onnx_ood.audits.bench.published_results import NETS, PUBLISHED, SOURCES
from onnx_ood.audits.bench.result import (
    BenchInterval,
    BenchProtocol,
    ProtocolDetector,
    ProtocolMetrics,
    ProtocolSet,
    PublishedResult,
)
from onnx_ood.detectors import Features
from onnx_ood.evidence.fit import FittedDetectors
from onnx_ood.evidence.sets import MeasuredSets
from onnx_ood.metrics.bootstrap import Resampling
from onnx_ood.metrics.estimates import fraction_interval
from onnx_ood.metrics.openood import OpenOodMetrics

RESAMPLES = 200
"""Resamples: fewer than of other benchmarks, since sets have up to 70,000 pictures and there are four metrics."""


def protocol_results(
    found: ProtocolSets,
    sets: MeasuredSets[Features],
    fitted: Sequence[tuple[FittedDetectors, SetScores]],
    *,
    limit: int | None,
    seed: int,
) -> BenchProtocol:
    """Compute the results of a protocol.

    Args:
        found: The sets of the protocol.
        sets: Measured values of those that were found.
        fitted: Detectors fitted to the references of the run with their scores of the sets, and further ones that
            learned from others.
        limit: Limit of the inputs of each set, for the notes.
        seed: Seed of the resamples.

    Returns:
        Metrics, with the published ones.
    """
    sizes = {name: len(one.ids) for name, one in sets.given.items()}
    resampling = Resampling(len(sets.id.ids), sizes, seed, resamples=RESAMPLES)
    groups: dict[Group, list[str]] = {
        "near": [one.named.name for one in found.near if one.named.name in sizes],
        "far": [one.named.name for one in found.far if one.named.name in sizes],
    }
    detectors = []
    for one, scores in fitted:
        for detector in one.detectors:
            metrics = resampling.openood(*scores[detector.name])
            learns = detector.uses_reference and one.references.features is not None
            detectors.append(
                ProtocolDetector(
                    name=detector.name,
                    reference=one.references.source if learns else "none",
                    sets={name: _intervals(of_set) for name, of_set in metrics.items()},
                    near=_mean(metrics, groups["near"]),
                    far=_mean(metrics, groups["far"]),
                )
            )
    return BenchProtocol(
        name=found.name,
        title=found.protocol.title,
        id=found.id.listed,
        id_found=len(found.id.source.items),
        accuracy=_accuracy(found, sets),
        sets=tuple(_set(group, one) for group, some in _grouped(found) for one in some),
        resamples=RESAMPLES,
        detectors=tuple(sorted(detectors, key=_mean_auroc, reverse=True)),
        published=tuple(PublishedResult(**one._asdict()) for one in PUBLISHED[found.name]),
        published_net=NETS[found.name],
        published_source=SOURCES[found.name],
        notes=tuple(_notes(found, limit)),
    )


def _grouped(found: ProtocolSets) -> tuple[tuple[Group, tuple[FoundSet, ...]], ...]:
    return ("near", found.near), ("far", found.far)


def _set(group: Group, one: FoundSet) -> ProtocolSet:
    return ProtocolSet(
        name=one.named.name,
        title=one.named.title,
        group=group,
        status=one.status,
        found=len(one.source.items),
        listed=one.listed,
    )


def _intervals(metrics: OpenOodMetrics) -> ProtocolMetrics:
    return ProtocolMetrics(**{name: BenchInterval.of(values) for name, values in metrics._asdict().items()})


def _mean(metrics: Mapping[str, OpenOodMetrics], names: Sequence[str]) -> ProtocolMetrics | None:
    """Means over sets, each set with equal weight; None without sets."""
    if not names:
        return None
    return _intervals(OpenOodMetrics(*np.mean([metrics[name] for name in names], axis=0)))


def _mean_auroc(detector: ProtocolDetector) -> float:
    return float(np.mean([one.auroc.value for one in detector.sets.values()]))


def _accuracy(found: ProtocolSets, sets: MeasuredSets[Features]) -> BenchInterval | None:
    logits = sets.id.values.logits
    if logits is None or logits.shape[1] != found.protocol.classes:
        return None
    labels = [found.id.labels.get(name, -1) for name in sets.id.ids]
    if min(labels) < 0:
        return None
    value, low, high = fraction_interval(int((logits.argmax(axis=1) == labels).sum()), len(labels))
    return BenchInterval(value=value, low=low, high=high)


def _notes(found: ProtocolSets, limit: int | None) -> Iterator[str]:
    for group, some in _grouped(found):
        missing = [one for one in some if one.status == "missing"]
        if not missing:
            continue
        there = [one.named.title for one in some if one.status != "missing"]
        text = f"Missing {group} sets: {', '.join(one.named.title for one in missing)}"
        text += f" (looked for {missing[0].places[0]} and the like). "
        yield text + (
            f"The {group} mean is over {len(there)} of {len(some)} sets ({', '.join(there)}): published means, over "
            "all of them, are not comparable with it."
            if there
            else f"There is no {group} mean."
        )
    for one in (found.id, *found.near, *found.far):
        count = len(one.source.items)
        if one.status == "partial":
            yield f"{one.named.title}: {count:,} of the benchmark's {one.listed:,} pictures were found."
        elif one.status == "folder":
            of = f" of {one.listed:,} pictures" if one.listed else ""
            yield f"{one.named.title}: all inputs of a folder or file, not the benchmark's list{of}."
    if limit is not None:
        yield f"At most {limit:,} pictures of each set were taken, at random."
