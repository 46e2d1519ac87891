"""Settings of the directions audit."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from onnx_ood.audits._common import settings as common
from onnx_ood.audits._common.settings import Option, Settings, check_site

COPIES = (1, 2, 4, 8)
"""Numbers of copies to compare; the first k copies of an input are its k copies."""

PositiveScale = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _as_scales(value: object) -> object:
    """Take a number as a list of one, and a list as a tuple."""
    if isinstance(value, int | float):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


class DirectionsSettings(Settings):
    """Settings of the directions audit.

    Attributes:
        probes: Selectors of the tensors to watch; empty for the suggested ones.
        scales: Standard deviations of the nudges: in pixels from 0 to 1 if pictures are normalised, else in the units
            of the model's input.
        synthetic_ood: True to add synthetic out-of-distribution sets: noise, and altered in-distribution pictures.
        limit: Most inputs to take of a set, a random sample, rows of files included; None for all.
        seed: Seed of samples, alterations and nudges.
        preprocess: How pictures become tensors, in the grammar of `onnx_ood.inputs.parse`; None for the model card's,
            or else a guess.
        batch_axis: Batch axis of the model input that takes the inputs, counted from 0; `"none"` if it has none; None
            to find it by its name or by trial runs.
        site: Tensor to nudge; None for the only input of floats, or else the first inner tensor of floats.
        feeds: Values of the model's other inputs by name, the same for all inputs.
        provider: Execution provider.
        batch_size: Inputs in one run; None for what memory allows.
    """

    probes: common.Probes = ()
    scales: Annotated[
        tuple[PositiveScale, ...],
        BeforeValidator(_as_scales),
        Field(min_length=1, description="Standard deviations of the nudges, comma-separated."),
        Option("Nudge", "NUMBERS", "0.005,0.02,0.08", commas=True),
    ] = (0.005, 0.02, 0.08)
    synthetic_ood: common.SyntheticOod = True
    limit: common.Limit = None
    seed: common.Seed = 0
    preprocess: common.Preprocess = None
    batch_axis: common.BatchAxis = None
    site: common.Site = None
    feeds: common.Feeds = Field(default_factory=dict)
    provider: common.Provider = "auto"
    batch_size: common.BatchSize = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_site(self.site, self.feeds)
        if len(set(self.scales)) < len(self.scales):
            raise ValueError("scales: one is given twice; name each once")
        return self
