"""What a user can set about a sensitivity audit, with the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from onnx_ood.exceptions import UsageError


@dataclass(frozen=True)
class SensitivitySettings:
    """Settings of the sensitivity audit.

    Attributes:
        of: Selector of the one tensor of which Jacobians are taken; None for the model's answer, as
            `onnx_ood.runtime.JacobianProber` has it.
        directions: Directions along which the Jacobian norm of each input is estimated.
        trajectories: Trajectories of each kind; 0 for none.
        tolerance: Share of the transitions of a trajectory that may be left to find, by the estimate.
        classes: File of the classes by which ellipses are chosen, as `onnx_ood.inputs.read_classes` reads it; None for
            the model's own answers.
        exact: True to find all boundaries of linear regions on straight ways between inputs, and the nearest one of
            each input, in float64; for networks of piecewise-linear units only.
        seed: Seed of all that is drawn.
        preprocessing: How pictures become tensors, in the grammar of `onnx_ood.inputs.parse`; None for the model
            card's, or else a guess.
        site: The tensor by whose values the model is derived, and through which trajectories go: a model input or a
            tensor of floats inside; None for the only input of floats, or else the first floats inside.
        feeds: Values of other model inputs by name, the same for all inputs, in the grammar of
            `onnx_ood.inputs.SharedValue`; what is not here comes with each input, from .npz files.
        provider: `"auto"`, `"cuda"` or `"cpu"`.
        batch_size: Points in one run; None lets memory decide.
    """

    of: str | None = None
    directions: int = 32
    trajectories: int = 4
    tolerance: float = 0.005
    classes: Path | None = None
    exact: bool = False
    seed: int = 0
    preprocessing: str | None = None
    site: str | None = None
    feeds: Mapping[str, str] = field(default_factory=dict)
    provider: str = "auto"
    batch_size: int | None = None

    def __post_init__(self) -> None:
        """Checks what can be checked without a model.

        Raises:
            UsageError: If a value is out of range.
        """
        if self.directions < 2:
            raise UsageError(
                f"directions must be at least 2 to have a standard error, but is {self.directions}"
            )
        if self.trajectories < 0:
            raise UsageError(f"trajectories must be 0 or more, but is {self.trajectories}")
        if not 0 < self.tolerance < 1:
            raise UsageError(f"tolerance must be a share between 0 and 1, but is {self.tolerance}")
        if self.seed < 0:
            raise UsageError(f"seed must be 0 or larger, but is {self.seed}")
