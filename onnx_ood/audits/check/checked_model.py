"""Table of a model in a file of gates: the model, its inputs and how to measure it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field

from onnx_ood._ids import snake_id
from onnx_ood._limits import MAX_COPIES, MAX_DIRECTIONS, MAX_TRAJECTORIES
from onnx_ood.audits._common import settings as common
from onnx_ood.audits._common.settings import Names, Settings
from onnx_ood.audits._common.toml_models import NonEmptyStr, TomlModel
from onnx_ood.audits.bench.settings import BenchSettings
from onnx_ood.audits.score.settings import DEVIATION, ScoreSettings
from onnx_ood.audits.sensitivity.settings import SensitivitySettings

_S = TypeVar("_S", bound=Settings)


class CheckedModel(TomlModel):
    """One model. Paths are relative to the file."""

    path: NonEmptyStr = Field(description="ONNX file.")
    inputs: Names = Field(default=(), description="In-distribution inputs: files, folders or globs.")
    reference: Names = Field(
        default=(), description="Known-good inputs to learn from, none of them in `inputs`."
    )
    ood: dict[NonEmptyStr, Names] = Field(
        default={}, description="Out-of-distribution sets by name, for auroc."
    )
    synthetic_ood: common.SyntheticOod = True
    limit: common.Limit = None
    detector: Annotated[str, AfterValidator(snake_id)] = Field(
        default="auto", description="Detector that flags inputs."
    )
    fpr: common.Fpr = 0.05
    fdr: common.Fdr = None
    baseline_model: NonEmptyStr | None = Field(
        default=None, description="ONNX file to compare predictions with, for agreement."
    )
    baseline_preprocess: str | None = Field(
        default=None,
        description="Preprocessing of pictures for the baseline model. Default: its card's, or a guess.",
    )
    baseline_answer: NonEmptyStr | None = Field(
        default=None,
        description="Output that is the baseline model's answer. Default: the one with class scores.",
    )
    preprocess: common.Preprocess = None
    batch_axis: common.BatchAxis = None
    answer: common.Answer = None
    site: common.Site = None
    feeds: common.Feeds = Field(default_factory=dict)
    noise: common.Noise = "gaussian"
    scale: common.Scale = 0.02
    copies: Annotated[int, Field(ge=1, le=MAX_COPIES)] = Field(
        default=4, description="Nudged copies of each input."
    )
    directions: Annotated[int, Field(ge=2, le=MAX_DIRECTIONS)] = Field(
        default=32, description="Directions along which Jacobian norms are estimated."
    )
    trajectories: Annotated[int, Field(ge=1, le=MAX_TRAJECTORIES)] = Field(
        default=10, description="Trajectories of each type, for transition-density."
    )
    seed: common.Seed = 0
    provider: common.Provider = "auto"
    batch_size: common.BatchSize = None
    tf32: common.Tf32 = False

    @property
    def settings(self) -> dict[str, Any]:
        """Everything numbers depend on, by key: neither the model's own path nor what only changes speed."""
        config = self.model_dump(mode="json", exclude={"path", "batch_size"})
        return dict(sorted(config.items()))

    def relative_to(self, folder: Path) -> CheckedModel:
        """Return a copy with paths resolved against a folder.

        Args:
            folder: The folder of the file.
        """

        def resolved(names: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(str(folder / name) for name in names)

        return self.model_copy(
            update={
                "path": str(folder / self.path),
                "inputs": resolved(self.inputs),
                "reference": resolved(self.reference),
                "ood": {name: resolved(paths) for name, paths in self.ood.items()},
                "baseline_model": self.baseline_model and str(folder / self.baseline_model),
                "feeds": {
                    name: str(folder / value) if value.endswith(".npy") else value
                    for name, value in self.feeds.items()
                },
            }
        )

    def score_settings(self, probes: tuple[str, ...], cache: Path | bool, *, flags: bool) -> ScoreSettings:
        """Make the settings of the score audit.

        Args:
            probes: Names of the tensors to watch; empty for the suggested ones.
            cache: Folder that keeps measured features between runs, or False.
            flags: True to flag inputs by the references.
        """
        detectors = (self.detector if flags else DEVIATION,)
        return self._settings(
            ScoreSettings, detectors=detectors, bundled_reference=False, cache=cache, probes=probes
        )

    @property
    def baseline_model_settings(self) -> ScoreSettings:
        """Settings of the score audit of the baseline model: as little as predictions need."""
        return self._settings(
            ScoreSettings,
            detectors=(DEVIATION,),
            probes=("outputs",),
            copies=1,
            preprocess=self.baseline_preprocess,
            answer=self.baseline_answer,
        )

    def bench_settings(self, detectors: tuple[str, ...], cache: Path | bool) -> BenchSettings:
        """Make the settings of the bench audit.

        Args:
            detectors: Names of the detectors.
            cache: Folder that keeps measured features between runs, or False.
        """
        return self._settings(BenchSettings, detectors=detectors, bundled_reference=False, cache=cache)

    def sensitivity_settings(self, *, trajectories: bool) -> SensitivitySettings:
        """Make the settings of the sensitivity audit.

        Args:
            trajectories: True to follow trajectories, too.
        """
        return self._settings(SensitivitySettings, trajectories=self.trajectories if trajectories else 0)

    def _settings(self, kind: type[_S], **values: Any) -> _S:
        """Make an audit's settings from the keys it shares with this table and other values."""
        shared = [name for name in kind.model_fields if name in type(self).model_fields]
        return kind(**{name: getattr(self, name) for name in shared} | values)
