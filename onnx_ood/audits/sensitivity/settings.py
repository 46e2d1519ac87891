"""Settings of the sensitivity audit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from onnx_ood._limits import MAX_DIRECTIONS, MAX_TRAJECTORIES
from onnx_ood.audits._common import settings as common
from onnx_ood.audits._common.settings import Option, Settings


class SensitivitySettings(Settings):
    """Settings of the sensitivity audit.

    Attributes:
        probe: Selector of the tensor whose Jacobian norm is measured; None for the model's answer, as
            `onnx_ood.runtime.JacobianProber` defines it.
        directions: Directions along which the Jacobian norm of each input is estimated.
        trajectories: Trajectories of each type; 0 for none.
        tolerance: Fraction of a trajectory's transitions that may be left to find, by the estimate.
        classes: Classes by which ellipses are chosen, a file or folder that `onnx_ood.inputs.read_classes` reads; None
            for the model's own predictions.
        exact_regions: True to find all boundaries of linear regions on segments between inputs, and the nearest one of
            each input, in float64; for piecewise-linear networks only.
        limit: Maximum number of inputs to measure, a random sample, rows of files included; None for all.
        seed: Seed of all random draws.
        preprocess: How pictures become tensors, in the grammar of `onnx_ood.inputs.parse`; None for the model card's,
            or else a guess.
        batch_axis: Batch axis of the model input that takes the inputs, counted from 0; `"none"` if it has none; None
            to find it by its name or by trial runs.
        answer: Output of the model that is its answer: class scores or labels; None to find it.
        labels: File with class names by index; None for those of the card or the model.
        site: Tensor to differentiate by and to vary: a model input or an inner tensor of floats; None for the only
            input of floats, or else the first inner tensor of floats.
        feeds: Values of the model's other inputs by name, the same for all inputs, in the grammar of
            `onnx_ood.inputs.SharedValue`. Inputs without a value take theirs from .npz files.
        provider: Execution provider.
        batch_size: Points in one run; None for what memory allows.
    """

    probe: Annotated[
        str | None,
        Field(description="Tensor whose Jacobian norm is measured: a name, or op:Gemm[-1]."),
        Option("Measurement", "SELECTOR", "the softmax of the model's output"),
    ] = None
    directions: Annotated[
        int,
        Field(ge=2, le=MAX_DIRECTIONS, description="Directions along which each Jacobian norm is estimated."),
        Option("Measurement"),
    ] = 32
    trajectories: Annotated[
        int,
        Field(ge=0, le=MAX_TRAJECTORIES, description="Trajectories of each type; 0 for none."),
        Option("Measurement"),
    ] = 4
    tolerance: Annotated[
        float,
        Field(gt=0, lt=1, description="Fraction of a trajectory's transitions that may be left to find."),
        Option("Measurement"),
    ] = 0.005
    classes: Annotated[
        Path | None,
        Field(
            description="Classes that choose the ellipses: a CSV file with the columns input,class, or a folder "
            "with a folder per class."
        ),
        Option("Input", "FILE", "the model's predictions"),
    ] = None
    exact_regions: Annotated[
        bool,
        Field(
            description="Also find all boundaries of linear regions between inputs, in float64: piecewise-linear "
            "networks only."
        ),
        Option("Measurement"),
    ] = False
    limit: common.Limit = None
    seed: common.Seed = 0
    preprocess: common.Preprocess = None
    batch_axis: common.BatchAxis = None
    answer: common.Answer = None
    labels: common.Labels = None
    site: common.Site = None
    feeds: common.Feeds = Field(default_factory=dict)
    provider: common.Provider = "auto"
    batch_size: common.BatchSize = None
