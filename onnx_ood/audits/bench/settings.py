"""What a user can set about a benchmark of detectors, with the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onnx_ood.exceptions import UsageError
from onnx_ood.perturb import OVERLAYS, STANDARD

CORRUPTIONS = (*STANDARD, *OVERLAYS)
"""Kinds that a benchmark asks about: those of ImageNet-C, and what people do to pictures."""
ALL = "all"


@dataclass(frozen=True)
class BenchSettings:
    """Settings of the bench audit.

    Attributes:
        detectors: Names of detectors; empty for all that apply to the model.
        corruptions: Kinds of corruptions of which to measure severity curves, `("all",)` for all; empty for none.
        controls: True to add sets that are made: noise, and the ordinary pictures altered.
        generic: True to let bundled photos stand for references where none are given and the model takes colour
            pictures.
        rate: False-positive rate at which inputs are flagged as unlike the references.
        limit: Inputs of a set that are measured at most, a random sample of its files; None for all.
        seed: Seed of samples, alterations, nudges and resamples.
        preprocessing: How pictures become tensors, in the grammar of `onnx_ood.inputs.parse`; None for the model
            card's, or else a guess.
        provider: `"auto"`, `"cuda"` or `"cpu"`.
        batch_size: Inputs in one run; None lets memory decide.
        scores: True to have the scores of all inputs in the result, of which pictures are made.
        cache: Folder in which what was measured is kept and looked up, made if need be; None for nothing.
    """

    detectors: tuple[str, ...] = ()
    corruptions: tuple[str, ...] = ()
    controls: bool = True
    generic: bool = True
    rate: float = 0.05
    limit: int | None = None
    seed: int = 0
    preprocessing: str | None = None
    provider: str = "auto"
    batch_size: int | None = None
    scores: bool = False
    cache: Path | None = None

    def __post_init__(self) -> None:
        """Checks what can be checked without a model.

        Raises:
            UsageError: If a value is out of range.
        """
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"limit must be at least 1, but is {self.limit}")
        if not 0 < self.rate < 1:
            raise UsageError(f"rate must be above 0 and below 1, but is {self.rate}")
        for kind in self.corruptions:
            if kind not in CORRUPTIONS and self.corruptions != (ALL,):
                raise UsageError(
                    f"no corruption is called {kind!r}: say {ALL}, or some of {', '.join(CORRUPTIONS)}"
                )
        if len(set(self.corruptions)) < len(self.corruptions):
            raise UsageError(f"a corruption is named twice: {', '.join(self.corruptions)}")
        if self.seed < 0:
            raise UsageError(f"seed must be 0 or larger, but is {self.seed}")

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the corruptions that are asked for."""
        return CORRUPTIONS if self.corruptions == (ALL,) else self.corruptions
