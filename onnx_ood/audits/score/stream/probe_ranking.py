"""Advice on the probes to watch, from in-distribution and unlabelled inputs alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onnx_ood._types import Float
from onnx_ood.audits.score.result import ProbeAdvice
from onnx_ood.audits.score.stream.records import CalibratedProbe
from onnx_ood.metrics.probe_choice import choose, correlations, reliability

# Probes with a larger fraction of inputs under the noise floor, or saturated, are left out.
_MAX_LOST = 0.5
# Drop of activations that are almost orthogonal.
_SATURATED = 0.9
# Below it, copies of one input differ more than inputs do.
_MIN_RELIABILITY = 0.5
# Smallest gain of a further probe; a perfectly reliable one may have a correlation of at most 0.8.
_MIN_GAIN = 0.2


def advise(drops: Float, errors: Float, probes: Sequence[CalibratedProbe]) -> tuple[ProbeAdvice, ...]:
    """Recommend probes, with reasons for leaving out the others.

    Args:
        drops: Cosine drops of N inputs at P probes, means over copies, [N, P].
        errors: Their standard errors over copies, [N, P].
        probes: The P probes.

    Returns:
        The recommended probes, best first, then the others in execution order.
    """
    floor = np.array([probe.noise_floor for probe in probes])
    raised = np.maximum(drops, floor)
    logs = np.log10(raised)
    # The standard error of a logarithm is the relative standard error of its argument.
    reliable = reliability(logs, errors / raised / np.log(10))
    under, saturated = (drops <= floor).mean(axis=0), (drops >= _SATURATED).mean(axis=0)
    spread = logs.std(axis=0, ddof=1)
    unfit = [
        _why_unfit(probe.active, float(under[p]), float(saturated[p]), float(reliable[p]))
        for p, probe in enumerate(probes)
    ]
    alike = correlations(logs)
    chosen = choose(np.where([reason is None for reason in unfit], reliable, 0.0), alike, _MIN_GAIN)
    advised = [one.at for one in chosen]

    def advice(p: int, like: int | None, reason: str) -> ProbeAdvice:
        return ProbeAdvice(
            name=probes[p].name,
            advised=p in advised,
            active=probes[p].active,
            under_floor=float(under[p]),
            saturated=float(saturated[p]),
            spread=float(spread[p]),
            reliability=float(reliable[p]),
            most_similar=None if like is None else probes[like].name,
            correlation=None if like is None else float(alike[p, like]),
            reason=reason,
        )

    found = [advice(p, like, "most reliable" if like is None else "adds most") for p, like in chosen]
    for p, why in enumerate(unfit):
        if why is not None:
            found.append(advice(p, None, why))
        elif p not in advised:
            like = advised[int(alike[p, advised].argmax())]
            found.append(advice(p, like, "adds little"))
    return tuple(found)


def _why_unfit(active: float, under: float, saturated: float, reliable: float) -> str | None:
    """Return the reason to leave out a probe, regardless of the others, or None."""
    if active == 0 and under == 1:
        return "dead: no unit is above 0"
    if under > _MAX_LOST:
        return f"under the noise floor for {under:.0%} of inputs"
    if saturated > _MAX_LOST:
        return f"saturated: the nudge turns it by over 84 degrees for {saturated:.0%} of inputs"
    if reliable < _MIN_RELIABILITY:
        return "inputs differ there hardly more than copies of one input do"
    return None
