"""What a user can set about a score, with the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from onnx_ood.exceptions import UsageError
from onnx_ood.perturb import FAMILIES

RECIPES = ("lesswrong",)
SPACES = ("auto", "pixel", "tensor")
RELATIVE = "strangeness"
"""In place of a detector: inputs are compared with each other by their cosine drops."""


@dataclass(frozen=True)
class ScoreSettings:
    """Settings of the score audit.

    Attributes:
        detectors: Names of detectors, the first of which ranks inputs; `("strangeness",)` to compare them with each
            other by their cosine drops instead; empty for `auto` where it applies, else that comparison.
        generic: True to let bundled photos stand for references where none are given and the model takes colour
            pictures.
        rate: False-positive rate at which inputs are flagged as unlike references that are given.
        cache: A folder in which what is measured of references is kept from run to run; None for none.
        probes: Selectors; empty for the suggested probes (or the recipe's).
        family: Noise family, `"gaussian"` or `"uniform"`.
        space: `"pixel"` (before normalisation), `"tensor"` (as the model takes it), or `"auto"`: pixel wherever
            the normalisation is known.
        scale: Standard deviation of the noise in that space; pixels go from 0 to 1.
        copies: Nudged copies of each input; None for 4, or the recipe's.
        adaptive: True to give an input no more copies once they would hardly change its rank; `copies` is the most.
        seed: Seed of the noise.
        recipe: `"lesswrong"` for the published recipe in place of family, space and scale, or None.
        preprocessing: How pictures become tensors, in the grammar of `onnx_ood.inputs.parse`; None for the model
            card's, or else a guess.
        site: The tensor to nudge, a graph input or one inside; None for the only input of floats, or else the first
            tensor of floats inside.
        feeds: Values of the model's other inputs by name, each the same for all inputs: `"zeros"`, `"ones"`, a number
            or the path of an .npy file, as text. What is not here comes with each input, from .npz files.
        provider: `"auto"`, `"cuda"` or `"cpu"`.
        batch_size: Inputs in one run; None lets memory decide.
        exact: True to run without fusions, so that watching can't change a bit of the model's outputs.
        advise: True to say which of the probes to watch; it takes at least two copies.
        tf32: True to let CUDA round products to TF32: faster, and small nudges drown in it.
    """

    detectors: tuple[str, ...] = ()
    generic: bool = True
    rate: float = 0.05
    cache: Path | None = None
    probes: tuple[str, ...] = ()
    family: str = "gaussian"
    space: str = "auto"
    scale: float = 0.02
    copies: int | None = None
    adaptive: bool = False
    seed: int = 0
    recipe: str | None = None
    preprocessing: str | None = None
    site: str | None = None
    feeds: Mapping[str, str] = field(default_factory=dict)
    provider: str = "auto"
    batch_size: int | None = None
    exact: bool = False
    advise: bool = False
    tf32: bool = False

    def __post_init__(self) -> None:
        """Checks what can be checked without a model.

        Raises:
            UsageError: If a value is out of range.
        """
        if RELATIVE in self.detectors and len(self.detectors) > 1:
            raise UsageError(f"{RELATIVE} is part of every result: name it alone, to rank by it")
        if not 0 < self.rate < 1:
            raise UsageError(f"rate must be above 0 and below 1, but is {self.rate}")
        if self.family not in FAMILIES:
            raise UsageError(f"noise family {self.family!r} is unknown: choose one of {', '.join(FAMILIES)}")
        if self.space not in SPACES:
            raise UsageError(f"space {self.space!r} is unknown: choose one of {', '.join(SPACES)}")
        if self.recipe is not None and self.recipe not in RECIPES:
            raise UsageError(f"recipe {self.recipe!r} is unknown: choose one of {', '.join(RECIPES)}")
        if not 0 < self.scale < float("inf"):
            raise UsageError(f"scale must be a number above 0, but is {self.scale}")
        if self.copies is not None and self.copies < 1:
            raise UsageError(f"copies must be at least 1, but is {self.copies}")
        if self.seed < 0:
            raise UsageError(f"seed must be 0 or larger, but is {self.seed}")
        if self.tf32 and self.provider == "cpu":
            raise UsageError("TF32 is a way in which CUDA rounds, and the provider is cpu: leave out --tf32")
        if self.site is not None and self.site in self.feeds:
            raise UsageError(f"{self.site!r} is nudged, so the files feed it: leave out its --feed")


@dataclass(frozen=True)
class Streaming:
    """That a run writes what comes of each input to a file as it goes, and keeps no more than that.

    Attributes:
        path: The file, JSON Lines.
        resume: True to go on with a run that was interrupted, if the file exists; it must not exist otherwise.
        most_listed: Inputs, and failed inputs, that the result lists at most; the file has all.
    """

    path: Path
    resume: bool = False
    most_listed: int = 1000
