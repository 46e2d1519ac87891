"""What a user can set about a direction audit, with the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from onnx_ood.exceptions import UsageError

COPIES = (1, 2, 4, 8)
"""Numbers of copies that are compared; fewer copies are the first of more."""


@dataclass(frozen=True)
class DirectionsSettings:
    """Settings of the direction audit.

    Attributes:
        probes: Selectors; empty for the suggested probes.
        scales: Standard deviations of the nudges: in pixels from 0 to 1 where pictures are normalised, else as the
            model takes them.
        controls: True to add sets that are made: noise, and the ordinary pictures altered.
        limit: Inputs of a set that are measured at most, a random sample of its files; None for all.
        seed: Seed of samples, alterations and nudges.
        preprocessing: How pictures become tensors, in the grammar of `onnx_ood.inputs.parse`; None for the model
            card's, or else a guess.
        provider: `"auto"`, `"cuda"` or `"cpu"`.
        batch_size: Inputs in one run; None lets memory decide.
    """

    probes: tuple[str, ...] = ()
    scales: tuple[float, ...] = (0.005, 0.02, 0.08)
    controls: bool = True
    limit: int | None = None
    seed: int = 0
    preprocessing: str | None = None
    provider: str = "auto"
    batch_size: int | None = None

    def __post_init__(self) -> None:
        """Checks what can be checked without a model.

        Raises:
            UsageError: If a value is out of range.
        """
        if not self.scales:
            raise UsageError("there is no scale to nudge by: give one at least")
        for scale in self.scales:
            if not (isfinite(scale) and scale > 0):
                raise UsageError(f"scale must be a number above 0, but is {scale}")
        if len(set(self.scales)) < len(self.scales):
            raise UsageError("a scale is given twice: name each once")
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"limit must be at least 1, but is {self.limit}")
        if self.seed < 0:
            raise UsageError(f"seed must be 0 or larger, but is {self.seed}")
