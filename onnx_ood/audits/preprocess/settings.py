"""What a user can set about the preprocessing detective, with the defaults."""

from __future__ import annotations

from dataclasses import dataclass

from onnx_ood.exceptions import UsageError


@dataclass(frozen=True)
class PreprocessSettings:
    """Settings of the detective.

    Attributes:
        limit: Photos that are looked at, at most: a random sample of the files.
        seed: Seed of the sample, of noise and of resamples.
        provider: `"auto"`, `"cuda"` or `"cpu"`.
        batch_size: Photos in one run; None lets memory decide.
    """

    limit: int = 48
    seed: int = 0
    provider: str = "auto"
    batch_size: int | None = None

    def __post_init__(self) -> None:
        """Checks what can be checked without a model.

        Raises:
            UsageError: If a value is out of range.
        """
        if self.limit < 1:
            raise UsageError(f"limit must be at least 1, but is {self.limit}")
        if self.seed < 0:
            raise UsageError(f"seed must be 0 or larger, but is {self.seed}")
