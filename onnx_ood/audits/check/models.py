"""What a check is told of a model: its file, its inputs, and how to measure it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from onnx_ood.audits._common.toml_models import NonEmptyStr, NonEmptyStrs, TomlModel
from onnx_ood.audits.bench.settings import BenchSettings
from onnx_ood.audits.score.settings import DEVIATION, ScoreSettings
from onnx_ood.audits.sensitivity.settings import SensitivitySettings

_SCORE, _BENCH = ScoreSettings(), BenchSettings()


class CheckedModel(TomlModel):
    """One model. Paths are relative to the file that says this."""

    path: NonEmptyStr = Field(description="An ONNX file.")
    inputs: NonEmptyStrs = Field(
        default=[], description="Inputs that the model is made for: files, folders, globs."
    )
    reference: NonEmptyStrs = Field(default=[], description="Known-good inputs, none of them in `inputs`.")
    ood: dict[str, NonEmptyStrs] = Field(
        default={}, description="Out-of-distribution sets by name, for auroc."
    )
    synthetic_ood: bool = Field(
        default=_BENCH.synthetic_ood,
        description="Make sets of noise and of altered pictures, too, for auroc.",
    )
    limit: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Inputs of a set at most, for auroc: a random sample of its files."
    )
    detector: str = Field(default="auto", description="The detector by which inputs are flagged.")
    fpr: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=_SCORE.fpr, description="False-positive rate of flags."
    )
    baseline_model: NonEmptyStr | None = Field(
        default=None, description="The ONNX file that it is to agree with, for agreement."
    )
    baseline_preprocess: str | None = Field(
        default=None, description="How pictures become tensors for that one. Default: its card's, or a guess."
    )
    preprocess: str | None = Field(
        default=None, description="How pictures become tensors. Default: the model card's, or a guess."
    )
    site: str | None = Field(default=None, description="The tensor to nudge: a model input, or one inside.")
    feeds: dict[str, str] = Field(
        default={},
        description="Values of other model inputs: zeros, ones, a number or a .npy file.",
    )
    noise: Literal["gaussian", "uniform"] = "gaussian"
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        default=_SCORE.scale, description="Standard deviation of nudges."
    )
    copies: Annotated[int, Field(ge=1)] = Field(default=4, description="Nudged copies of each input.")
    directions: Annotated[int, Field(ge=2)] = Field(
        default=32, description="Directions along which Jacobian norms are estimated."
    )
    trajectories: Annotated[int, Field(ge=1)] = Field(
        default=10, description="Trajectories of each kind, for transition-density."
    )
    seed: Annotated[int, Field(ge=0)] = _SCORE.seed
    provider: Literal["auto", "cuda", "cpu"] = "auto"
    batch_size: Annotated[int, Field(ge=1)] | None = None
    tf32: bool = Field(default=False, description="Let CUDA round products to TF32.")

    @property
    def settings(self) -> dict[str, Any]:
        """All that numbers depend on, by key: neither the model's own path, nor what changes speed alone."""
        config: dict[str, Any] = self.model_dump(by_alias=True, exclude={"path", "batch_size"})
        return dict(sorted(config.items()))

    def below(self, folder: Path) -> CheckedModel:
        """The same with paths as they are from where the program runs.

        Args:
            folder: What paths are relative to now.
        """

        def here(name: str) -> str:
            return str(folder / name)

        return self.model_copy(
            update={
                "path": here(self.path),
                "inputs": [here(one) for one in self.inputs],
                "reference": [here(one) for one in self.reference],
                "ood": {name: [here(one) for one in some] for name, some in self.ood.items()},
                "baseline_model": self.baseline_model and here(self.baseline_model),
                "feeds": {
                    name: here(value) if value.endswith(".npy") else value
                    for name, value in self.feeds.items()
                },
            }
        )

    def score_settings(self, probes: tuple[str, ...], cache: Path | None, *, flags: bool) -> ScoreSettings:
        """Settings of the score audit.

        Args:
            probes: Names of the tensors to watch; empty for those that are suggested.
            cache: Folder in which measurements are kept, or None.
            flags: Whether inputs are to be judged by references.
        """
        return ScoreSettings(
            detectors=(self.detector if flags else DEVIATION,),
            bundled_reference=False,
            fpr=self.fpr,
            cache=cache,
            probes=probes,
            noise=self.noise,
            scale=self.scale,
            copies=self.copies,
            seed=self.seed,
            preprocess=self.preprocess,
            site=self.site,
            feeds=self.feeds,
            provider=self.provider,
            batch_size=self.batch_size,
            tf32=self.tf32,
        )

    @property
    def baseline_model_settings(self) -> ScoreSettings:
        """Settings of the run that gives the answers of the model to agree with: the least that answers take."""
        return ScoreSettings(
            detectors=(DEVIATION,),
            probes=("outputs",),
            copies=1,
            seed=self.seed,
            preprocess=self.baseline_preprocess,
            site=self.site,
            feeds=self.feeds,
            provider=self.provider,
            batch_size=self.batch_size,
            tf32=self.tf32,
        )

    def bench_settings(self, detectors: tuple[str, ...], cache: Path | None) -> BenchSettings:
        """Settings of the bench audit.

        Args:
            detectors: Those to measure.
            cache: Folder in which measurements are kept, or None.
        """
        return BenchSettings(
            detectors=detectors,
            synthetic_ood=self.synthetic_ood,
            bundled_reference=False,
            fpr=self.fpr,
            limit=self.limit,
            seed=self.seed,
            preprocess=self.preprocess,
            provider=self.provider,
            batch_size=self.batch_size,
            cache=cache,
        )

    def sensitivity_settings(self, *, trajectories: bool) -> SensitivitySettings:
        """Settings of the sensitivity audit.

        Args:
            trajectories: Whether transitions are wanted, too.
        """
        return SensitivitySettings(
            directions=self.directions,
            trajectories=self.trajectories if trajectories else 0,
            seed=self.seed,
            preprocess=self.preprocess,
            site=self.site,
            feeds=self.feeds,
            provider=self.provider,
            batch_size=self.batch_size,
        )
