"""Settings of the score audit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from onnx_ood._arguments import check_fields
from onnx_ood._dialect import named
from onnx_ood._paths import as_path
from onnx_ood.audits._common import settings as common
from onnx_ood.audits._common.settings import Option, Settings, check_site
from onnx_ood.exceptions import UsageError

DEVIATION = "deviation"
"""In place of a detector: compare inputs with each other by their cosine drops."""

Recipe = Literal["lesswrong"]

# Each of these settings asks for nudged copies. The last two say how the runs of nudged copies round.
_ASK_FOR_NUDGES = (
    "copies", "probes", "noise", "space", "scale", "site", "adaptive", "recipe", "advise", "exact", "tf32"
)  # fmt: skip
# Detectors nudge the site, too.
_NEED_NUDGES = tuple(name for name in _ASK_FOR_NUDGES if name not in {"copies", "site"})


class ScoreSettings(Settings):
    """Settings of the score audit.

    Attributes:
        detectors: Names of detectors; the first one ranks. `"deviation"` alone compares the inputs with each other by
            their cosine drops. Empty for `auto` if it applies, else `"deviation"`.
        bundled_reference: True to use the bundled photos as references when none are given (RGB models only).
        fpr: False-positive rate at which inputs that differ from given references are flagged.
        fdr: False-discovery rate of the flags of the run, by Benjamini-Hochberg, in place of `fpr`; None for `fpr`.
        cache: Folder that keeps measured features between runs; True for that of the user, False for none.
        probes: Selectors of the tensors to watch; empty for suggested ones (or the recipe's).
        noise: Distribution of the noise.
        space: `"pixel"` (before normalisation), `"tensor"` (as the model takes it), or `"auto"`: pixel if the
            normalisation is known.
        scale: Standard deviation of the noise in that space; pixels range from 0 to 1.
        copies: Nudged copies of each input, to measure cosine drops; 0 for none. None for 4 (1 with `recipe`, else 16
            with `adaptive`) if `probes`, `noise`, `space`, `scale`, `site`, `adaptive`, `recipe`, `advise`, `exact` or
            `tf32` is given or no detector ranks the inputs; else 0.
        adaptive: True to stop nudging an input once more copies would hardly change its rank; `copies` is the maximum,
            above 4.
        limit: Maximum number of inputs to score, a random sample; None for all. References are not limited.
        seed: Seed of all random draws.
        recipe: A published recipe in place of noise, space and scale, or None.
        preprocess: How pictures become tensors, in the grammar of `onnx_ood.inputs.parse`; None for the model card's,
            or else a guess.
        batch_axis: Batch axis of the model input that takes the inputs, counted from 0; `"none"` if it has none; None
            to find it by its name or by trial runs.
        answer: Output of the model that is its answer: class scores or labels; None to find it.
        labels: File with class names by index; None for those of the card or the model.
        site: Tensor to nudge; None for the only input of floats, or else the first inner tensor of floats.
        feeds: Values of the model's other inputs by name, the same for all inputs: `"zeros"`, `"ones"`, a number or the
            path of an .npy file, as text. Inputs without a value take theirs from .npz files.
        provider: Execution provider; `"auto"` for CUDA if it can run here, else the CPU.
        batch_size: Inputs in one run; None for what memory allows.
        exact: True to run without fusions, so that watching changes no bit of the model's outputs.
        advise: True to rank the probes by how well they separate the inputs; needs two copies or more.
        tf32: True to allow TF32 on CUDA: faster, but its 10-bit mantissa swamps small nudges.
    """

    detectors: common.Detectors = ()
    bundled_reference: common.BundledReference = True
    fpr: common.Fpr = 0.05
    fdr: common.Fdr = None
    cache: common.Cache = True
    probes: common.Probes = ()
    noise: common.Noise = "gaussian"
    space: common.Space = "auto"
    scale: common.Scale = 0.02
    copies: common.Copies = None
    adaptive: Annotated[
        bool,
        Field(
            description="Stop nudging an input once more copies would hardly change its rank; --copies is the maximum "
            "(default: 16)."
        ),
        Option("Nudge"),
    ] = False
    limit: common.Limit = None
    seed: common.Seed = 0
    recipe: Annotated[
        Recipe | None,
        Field(description="Published recipe in place of noise, space and scale."),
        Option("Nudge"),
    ] = None
    preprocess: common.Preprocess = None
    batch_axis: common.BatchAxis = None
    answer: common.Answer = None
    labels: common.Labels = None
    site: common.Site = None
    feeds: common.Feeds = Field(default_factory=dict)
    provider: common.Provider = "auto"
    batch_size: common.BatchSize = None
    exact: Annotated[
        bool,
        Field(description="Run without fusions: slower, but watching changes no bit of the outputs."),
        Option("Run"),
    ] = False
    advise: Annotated[
        bool, Field(description="Rank the probes by how well they separate the inputs."), Option("Output")
    ] = False
    tf32: common.Tf32 = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if DEVIATION in self.detectors and len(self.detectors) > 1:
            raise ValueError(f"{DEVIATION} is part of every result; name it alone to rank by it")
        if self.fdr is not None and self._changed("fpr"):
            raise ValueError(
                f"{named('fpr', self.fpr)} and {named('fdr', self.fdr)}: a flag keeps one of these rates; leave one out"
            )
        if self.tf32 and self.provider == "cpu":
            raise ValueError(
                f"TF32 exists on CUDA only, and the provider is cpu; leave out {named('tf32', True)}"
            )
        if self.copies == 0:
            for name in _NEED_NUDGES:
                if self._changed(name):
                    raise ValueError(f"{named(name)} needs nudged copies; leave out {named('copies', 0)}")
            if DEVIATION in self.detectors:
                raise ValueError(f"{DEVIATION} compares nudged copies; leave out {named('copies', 0)}")
        check_site(self.site, self.feeds)
        return self

    def nudged(self, *, ranked: bool) -> bool:
        """Return whether inputs are nudged.

        Args:
            ranked: True if a detector ranks the inputs; without one they are compared by their cosine drops.

        Raises:
            UsageError: If nudges are turned off, but needed to compare the inputs.

        >>> ScoreSettings().nudged(ranked=True), ScoreSettings(scale=0.1).nudged(ranked=True)
        (False, True)
        """
        if self.copies == 0:
            if not ranked:
                raise UsageError(
                    f"{named('copies', 0)}: no detector applies, and comparing the inputs with each other needs nudged "
                    f"copies; leave it out, or give {named('reference')}"
                )
            return False
        return not ranked or any(map(self._changed, _ASK_FOR_NUDGES))

    def _changed(self, name: str) -> bool:
        return bool(getattr(self, name) != type(self).model_fields[name].default)


@dataclass(frozen=True)
class Streaming:
    """File that a run writes each input to as it goes, so that memory does not grow with the inputs.

    Attributes:
        path: The file, JSON Lines.
        resume: True to resume an interrupted run if the file exists; otherwise the file must not exist.
        most_listed: Maximum number of inputs, and of failed inputs, in the result; the file has all.

    Raises:
        UsageError: If the path is none, or nothing is to be listed.
    """

    path: Path
    resume: bool = False
    most_listed: int = 1000

    def __post_init__(self) -> None:
        check_fields(self)
        object.__setattr__(self, "path", as_path(self.path, "path"))
        if self.most_listed < 1:
            raise UsageError(f"most_listed is {self.most_listed}; list at least 1 input")
