"""TOML file of a benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from onnx_ood.audits._common.settings import Ids, Names
from onnx_ood.audits.bench.settings import BenchSettings
from onnx_ood.detectors import find_detector
from onnx_ood.exceptions import UsageError
from onnx_ood.inputs.toml_files import read_toml


def _kebab(name: str) -> str:
    return name.replace("_", "-")


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    try:
        for name in names:
            find_detector(name)
    except UsageError as error:
        raise ValueError(str(error)) from None
    return names


class BenchFile(BenchSettings):
    """File of `onnx-ood bench --config`; keys are named after the options, paths are relative to the file."""

    model_config = ConfigDict(alias_generator=_kebab, strict=True)

    model: Annotated[str, Field(min_length=1)] | None = Field(default=None, description="ONNX file.")
    id: Names = Field(default=(), description="In-distribution inputs: files, folders or globs.")
    ood: dict[str, Names] = Field(default={}, description="Out-of-distribution sets by name.")
    reference: Names = Field(default=(), description="Known-good inputs to learn from, none of them in `id`.")
    detectors: Annotated[Ids, AfterValidator(_known)] = Field(
        default=(), description="Names of detectors; none for all that apply."
    )

    def __init__(self, **values: Any) -> None:
        """Validate all values by their keys.

        Raises:
            ValidationError: If one is unknown, of a wrong type or out of range; `read_toml` names its line.
        """
        BaseModel.__init__(self, **values)

    def replaced(self, **values: Any) -> Self:
        """Return a copy with other values, by the names of fields.

        Raises:
            UsageError: If one is of a wrong type or out of range.
        """
        values = {name: getattr(self, name) for name in self.model_fields_set} | values
        try:
            return type(self)(**{_kebab(name): value for name, value in values.items()})
        except ValidationError as error:
            raise UsageError(self._explain(error)) from None

    def settings(self, *, scores: bool) -> BenchSettings:
        """Make the settings of the bench audit.

        Args:
            scores: True to keep the scores of all inputs in the result.
        """
        values = {
            name: getattr(self, name) for name in BenchSettings.model_fields if name in self.model_fields_set
        }
        return BenchSettings(**values | {"scores": scores})


def read_bench_file(path: Path) -> BenchFile:
    """Read a benchmark.

    Args:
        path: A TOML file.

    Returns:
        The benchmark, with paths relative to the working folder.

    Raises:
        UsageError: If it cannot be read or is invalid; with line and key.
    """
    read = read_toml(path, BenchFile)

    def here(name: str) -> str:
        return str(path.parent / name)

    places = {
        "model": read.model and here(read.model),
        "id": tuple(map(here, read.id)),
        "ood": {name: tuple(map(here, some)) for name, some in read.ood.items()},
        "reference": tuple(map(here, read.reference)),
        "cache": path.parent / read.cache if isinstance(read.cache, Path) else read.cache,
    }
    # Fields that the file does not set stay unset, so that the command's defaults apply.
    return read.model_copy(update={name: places[name] for name in read.model_fields_set & set(places)})
