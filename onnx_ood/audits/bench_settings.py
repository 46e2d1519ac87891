"""What a user can set about a benchmark of detectors, with the defaults."""

from __future__ import annotations

from dataclasses import dataclass

from onnx_ood.exceptions import UsageError


@dataclass(frozen=True)
class BenchSettings:
    """Settings of the bench audit.

    Attributes:
        detectors: Names of detectors; empty for all that apply to the model.
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
    """

    detectors: tuple[str, ...] = ()
    controls: bool = True
    generic: bool = True
    rate: float = 0.05
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
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"limit must be at least 1, but is {self.limit}")
        if not 0 < self.rate < 1:
            raise UsageError(f"rate must be above 0 and below 1, but is {self.rate}")
        if self.seed < 0:
            raise UsageError(f"seed must be 0 or larger, but is {self.seed}")
