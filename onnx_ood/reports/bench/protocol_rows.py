"""Rows of the results of a protocol, own and published, shared by terminal, page and tables."""

from __future__ import annotations

from typing import NamedTuple

from onnx_ood.audits.bench.result import BenchInterval, BenchProtocol, ProtocolDetector, ProtocolMetrics

_SOURCES = {"given": "references", "bundled": "bundled photos", "none": "no references"}


class ProtocolRow(NamedTuple):
    """One detector; numbers in percent, or empty.

    Attributes:
        name: Name, with the source of its references if it learned from any.
        near: Near mean AUROC with its interval.
        far: Far mean AUROC with its interval.
        near_fpr: Near mean FPR@95.
        far_fpr: Far mean FPR@95.
        published_near: Published near mean AUROC.
        published_far: Published far mean AUROC.
    """

    name: str
    near: str
    far: str
    near_fpr: str
    far_fpr: str
    published_near: str
    published_far: str


def protocol_rows(protocol: BenchProtocol) -> list[ProtocolRow]:
    """Make the rows of all detectors, the best first.

    Args:
        protocol: Results of a protocol.
    """
    published = {one.detector: one for one in protocol.published}
    several = [one.name for one in protocol.detectors]
    rows = []
    for one in protocol.detectors:
        known = published.get(one.name)
        rows.append(
            ProtocolRow(
                detector_name(one, repeated=several.count(one.name) > 1),
                _area(one.near),
                _area(one.far),
                _fpr(one.near),
                _fpr(one.far),
                _spread(known.near, known.near_sd) if known else "",
                _spread(known.far, known.far_sd) if known else "",
            )
        )
    return rows


def detector_name(one: ProtocolDetector, *, repeated: bool) -> str:
    """Name a detector with the source of its references.

    Args:
        one: The detector.
        repeated: True if the protocol has it with several sources.
    """
    return f"{one.name} ({_SOURCES[one.reference]})" if repeated or one.reference != "none" else one.name


def percent_interval(found: BenchInterval) -> str:
    """Format a share and its interval in percent.

    >>> percent_interval(BenchInterval(value=0.9064, low=0.9, high=0.911))
    '90.64 (90.0-91.1)'
    """
    return f"{100 * found.value:.2f} ({100 * found.low:.1f}-{100 * found.high:.1f})"


def _area(metrics: ProtocolMetrics | None) -> str:
    return percent_interval(metrics.auroc) if metrics else ""


def _fpr(metrics: ProtocolMetrics | None) -> str:
    return f"{100 * metrics.fpr95.value:.2f}" if metrics else ""


def _spread(value: float, deviation: float | None) -> str:
    return f"{value:.2f}" if deviation is None else f"{value:.2f} ±{deviation:.2f}"
