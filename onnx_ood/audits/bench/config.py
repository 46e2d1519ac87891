"""A benchmark as a TOML file says it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from onnx_ood.audits._common.toml_models import NonEmptyStrs, TomlModel
from onnx_ood.audits.bench.settings import BenchSettings
from onnx_ood.detectors import find_detector
from onnx_ood.exceptions import UsageError
from onnx_ood.inputs.toml_files import read_toml

_DEFAULTS = BenchSettings()


def _detectors(names: list[str]) -> list[str]:
    try:
        for name in names:
            find_detector(name)
    except UsageError as error:
        raise ValueError(str(error)) from None
    return names


def _corruptions(names: list[str]) -> list[str]:
    try:
        BenchSettings(corruptions=tuple(names))
    except UsageError as error:
        raise ValueError(str(error)) from None
    return names


class BenchFile(TomlModel):
    """What `onnx-ood bench --config` reads: keys are called like options. Paths are relative to the file."""

    model: str | None = Field(default=None, description="An ONNX file.")
    id: NonEmptyStrs = Field(
        default=[], description="Inputs that the model is made for: files, folders, globs."
    )
    ood: dict[str, NonEmptyStrs] = Field(default={}, description="Out-of-distribution sets by name.")
    reference: NonEmptyStrs = Field(
        default=[], description="Known-good inputs to learn from, none of them in `id`."
    )
    detectors: Annotated[NonEmptyStrs, AfterValidator(_detectors)] = Field(
        default=[], description="Names of detectors; none for all that apply."
    )
    corruptions: Annotated[NonEmptyStrs, AfterValidator(_corruptions)] = Field(
        default=[], description="Kinds of corruptions of which to measure severity curves, or `all`."
    )
    controls: bool = _DEFAULTS.controls
    generic: bool = _DEFAULTS.generic
    rate: Annotated[float, Field(gt=0, lt=1)] = _DEFAULTS.rate
    limit: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=0)] = _DEFAULTS.seed
    preprocess: str | None = None
    provider: Literal["auto", "cuda", "cpu"] = "auto"
    batch_size: Annotated[int, Field(ge=1)] | None = None
    cache: str | None = Field(default=None, description="Folder in which what is measured is kept.")

    @property
    def settings(self) -> BenchSettings:
        """What to measure and how.

        Raises:
            UsageError: If a value is out of range.
        """
        return BenchSettings(
            detectors=tuple(self.detectors),
            corruptions=tuple(self.corruptions),
            controls=self.controls,
            generic=self.generic,
            rate=self.rate,
            limit=self.limit,
            seed=self.seed,
            preprocessing=self.preprocess,
            provider=self.provider,
            batch_size=self.batch_size,
            cache=None if self.cache is None else Path(self.cache),
        )


def read_bench_file(path: Path) -> BenchFile:
    """Reads a benchmark.

    Args:
        path: A TOML file.

    Returns:
        What it says, with paths as they are from where the program runs.

    Raises:
        UsageError: If it can't be read, or says what it can't; with the line and the key.
    """
    read = read_toml(path, BenchFile)

    def here(name: str) -> str:
        return str(path.parent / name)

    places = {
        "model": read.model and here(read.model),
        "id": [here(one) for one in read.id],
        "ood": {name: [here(one) for one in some] for name, some in read.ood.items()},
        "reference": [here(one) for one in read.reference],
        "cache": read.cache and here(read.cache),
    }
    # What isn't said stays unsaid: the command line's defaults stand for it.
    return read.model_copy(update={name: places[name] for name in read.model_fields_set & set(places)})
