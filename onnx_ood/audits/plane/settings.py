"""What a user can set about the plane audit, with the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from onnx_ood.exceptions import UsageError

# Finer grids take minutes to draw, and no screen shows them.
_FINEST = 2000


@dataclass(frozen=True)
class PlaneSettings:
    """Settings of the plane audit.

    Attributes:
        layer: Selector of the activation function, or its pre-activation, whose boundaries are looked for; None for
            the last one that is piecewise linear.
        units: Units of the layer whose boundaries are looked for; of more than these a random sample.
        resolution: Points along the longer side of the window; the Jacobian norm has a quarter of them.
        extent: How far the window goes beyond the box around the three inputs, to every side, as a share of the box's
            longer side.
        directions: Directions along which Jacobian norms are estimated; 0 for no norms.
        seed: Seed of all that is drawn.
        preprocessing: How pictures become tensors, in the grammar of `onnx_ood.inputs.parse`; None for the model
            card's, or else a guess.
        provider: `"auto"`, `"cuda"` or `"cpu"`.
    """

    layer: str | None = None
    units: int = 256
    resolution: int = 160
    extent: float = 0.5
    directions: int = 16
    seed: int = 0
    preprocessing: str | None = None
    provider: str = "auto"

    def __post_init__(self) -> None:
        """Checks what can be checked without a model.

        Raises:
            UsageError: If a value is out of range.
        """
        if self.units < 1:
            raise UsageError(f"units must be at least 1, but is {self.units}")
        if not 8 <= self.resolution <= _FINEST:
            raise UsageError(f"resolution must be from 8 to {_FINEST}, but is {self.resolution}")
        if not 0 <= self.extent < inf:
            raise UsageError(f"extent must be 0 or more, but is {self.extent:g}")
        if self.directions < 0 or self.directions == 1:
            raise UsageError(
                "directions must be 0 for no Jacobian norms, or at least 2 to have a standard error, but is "
                f"{self.directions}"
            )
        if self.seed < 0:
            raise UsageError(f"seed must be 0 or larger, but is {self.seed}")
