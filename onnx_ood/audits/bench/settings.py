"""Settings of the bench audit."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from onnx_ood.audits._common import settings as common
from onnx_ood.audits._common.settings import Ids, Option, Settings, check_site
from onnx_ood.perturb import list_corruptions

ALL = "all"
CORRUPTIONS = (*list_corruptions("standard"), *list_corruptions("overlay"))
"""Corruptions with severity curves."""


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in CORRUPTIONS and names != (ALL,):
            raise ValueError(f"unknown corruption {name!r}; choose {ALL}, or from {', '.join(CORRUPTIONS)}")
    if len(set(names)) < len(names):
        raise ValueError(f"a corruption is named twice: {', '.join(names)}")
    return names


class BenchSettings(Settings):
    """Settings of the bench audit.

    Attributes:
        detectors: Names of detectors; empty for all that apply to the model. The first one that can, or `auto` if none
            is named, flags inputs by given references.
        corruptions: Corruptions to measure severity curves of; `("all",)` for all, empty for none.
        protocol: Recognised protocol to run: `"cifar10"` or `"imagenet200"` of OpenOOD v1.5; None for none. Its sets
            come from one folder, laid out as OpenOOD's; it has no synthetic sets.
        synthetic_ood: True to add synthetic out-of-distribution sets: noise, and altered in-distribution pictures.
        bundled_reference: True to use the bundled photos as references when none are given (RGB models only).
        fpr: False-positive rate at which inputs that differ from the references are flagged.
        limit: Most inputs to take of a set, a random sample, rows of files included; None for all.
        seed: Seed of samples, alterations, nudges and resamples.
        answer: Output of the model that is its answer: class scores or labels; None to find it.
        site: Tensor to nudge; None for the only input of floats, or else the first inner tensor of floats.
        feeds: Values of the model's other inputs by name, the same for all inputs.
        preprocess: How pictures become tensors, in the grammar of `onnx_ood.inputs.parse`; None for the model card's,
            or else a guess.
        batch_axis: Batch axis of the model input that takes the inputs, counted from 0; `"none"` if it has none; None
            to find it by its name or by trial runs.
        provider: Execution provider.
        batch_size: Inputs in one run; None for what memory allows.
        scores: True to keep the scores of all inputs in the result; histograms and ROC curves need them.
        cache: Folder that keeps measured features between runs; True for that of the user, False for none.
    """

    detectors: Annotated[
        Ids,
        Field(
            description="Detectors, comma-separated; the first one that can flags inputs by the references."
        ),
        Option("Detector", "NAMES", "all that apply, ordered by AUROC", commas=True),
    ] = ()
    corruptions: Annotated[
        Ids,
        AfterValidator(_known),
        Field(
            description="Corruptions of the in-distribution pictures, comma-separated, or all: measures a severity "
            "curve of each for every detector."
        ),
        Option("Input", "NAMES", "none", commas=True),
    ] = ()
    protocol: Annotated[
        Literal["cifar10", "imagenet200"] | None,
        Field(
            description="Protocol of OpenOOD v1.5: --id names its data folder, laid out as OpenOOD's with the lists of "
            "benchmark_imglist, or with a folder per set. Sets that are not found are named."
        ),
        Option("Input", "NAME", "none"),
    ] = None
    synthetic_ood: common.SyntheticOod = True
    bundled_reference: common.BundledReference = True
    fpr: common.Fpr = 0.05
    limit: common.Limit = None
    seed: common.Seed = 0
    preprocess: common.Preprocess = None
    batch_axis: common.BatchAxis = None
    answer: common.Answer = None
    site: common.Site = None
    feeds: common.Feeds = Field(default_factory=dict)
    provider: common.Provider = "auto"
    batch_size: common.BatchSize = None
    scores: bool = False
    cache: common.Cache = True

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_site(self.site, self.feeds)
        return self

    @property
    def chosen_corruptions(self) -> tuple[str, ...]:
        """Names of the chosen corruptions."""
        return CORRUPTIONS if self.corruptions == (ALL,) else self.corruptions
