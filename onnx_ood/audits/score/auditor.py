"""Auditors: detectors fitted to a model and its references once, to score inputs many times."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
from pydantic import BaseModel, ConfigDict
from typing_extensions import override

from onnx_ood._arguments import checked
from onnx_ood._outputs import check_outputs, run_files
from onnx_ood._paths import as_path
from onnx_ood._types import Array, Float, Progress
from onnx_ood._writing import write_bytes
from onnx_ood.audits._common.settings import takes_settings
from onnx_ood.audits.score.audit import ScoreRun
from onnx_ood.audits.score.result import ScoreResult
from onnx_ood.audits.score.scoring import Scorer, fit_scorer, restore_scorer
from onnx_ood.audits.score.settings import ScoreSettings, Streaming
from onnx_ood.audits.score.stream.stream import check_stream, open_stream
from onnx_ood.detectors import Features
from onnx_ood.evidence.packing import pack, unpack
from onnx_ood.evidence.prepared_model import PreparedModel, prepare_model
from onnx_ood.evidence.references import ReferenceSet, ReferenceSource
from onnx_ood.evidence.table_columns import column_notes, table_columns
from onnx_ood.exceptions import InputError, ModelError, UsageError
from onnx_ood.graph import Model
from onnx_ood.inputs import Chosen, InputSource, Preprocessing, open_inputs, open_references
from onnx_ood.inputs.files import read_file
from onnx_ood.results.base import Failure
from onnx_ood.results.provenance import environment, file_hash

FORMAT = "onnx-ood/auditor/3"
"""Format of saved auditors: an .npz archive of arrays, and of JSON under the name `auditor`. It holds no pickle."""
_JSON, _FEATURES = "auditor", "reference"

P = ParamSpec("P")
R = TypeVar("R")


class _Saved(BaseModel):
    """JSON part of a saved auditor."""

    model_config = ConfigDict(extra="forbid")

    format: str
    onnx_ood: str
    onnxruntime: str
    model: str
    sha256: dict[str, str]
    settings: ScoreSettings
    preprocessing: Preprocessing | None
    preprocessing_source: str
    fitted: bool
    notes: tuple[str, ...]
    reference: ReferenceSource
    reference_ids: tuple[str, ...]
    reference_files: tuple[str, ...]
    reference_failed: tuple[Failure, ...]
    reference_note: str
    reference_digests: tuple[str, ...] = ()
    reference_alterations: tuple[str, ...] = ()
    reference_columns: tuple[str, ...] = ()
    spread: tuple[float, ...] | None = None


def _without_settings(method: Callable[P, R]) -> Callable[P, R]:
    """Refuse settings of `fit` as arguments of a method; a decorator.

    Raises:
        UsageError: If a keyword argument is a setting; says where it belongs.
    """

    @functools.wraps(method)
    def call(*args: P.args, **options: P.kwargs) -> R:
        if given := [name for name in options if name in ScoreSettings.model_fields]:
            settings = ", ".join(f"{name}={options[name]!r}" for name in given)
            raise UsageError(
                f"{method.__qualname__}: settings are fixed when detectors are fitted; give them there: "
                f"onnx_ood.fit(..., {settings})"
            )
        return method(*args, **options)

    return call


class Auditor:
    """Detectors fitted to a model and its references; scores inputs without measuring the references again.

    Made by `onnx_ood.fit`. It can be pickled, and saved to a file that is safe to load. Both keep the measured features
    of the references, not the model: the model file is read again and must be the same.

    Attributes:
        settings: Settings of the audit.
        notes: Notes on the detectors and the references.
    """

    _complete = False

    def __init__(
        self,
        prepared: PreparedModel,
        settings: ScoreSettings,
        scorer: Scorer | None,
        references: InputSource,
        notes: tuple[str, ...],
        spread: Float | None = None,
        columns: tuple[str, ...] | None = None,
    ) -> None:
        """Store what `fit` made; see `onnx_ood.fit`."""
        self.settings, self.notes = settings, notes
        self._prepared, self._scorer, self._references = prepared, scorer, references
        self._run = ScoreRun(prepared, settings)
        self._columns = table_columns(prepared.fed, references) if columns is None else columns
        if spread is not None:
            self._run.set_spread(spread, self._columns)
        elif references.given:
            self._run.learn_spread(references)
        self._complete = True

    @override
    def __setattr__(self, name: str, value: Any) -> None:
        if self._complete:
            advice = f"{name}=..." if name in ScoreSettings.model_fields else "other settings"
            raise AttributeError(
                f"{name} of an auditor cannot be set; fit again: onnx_ood.fit(model, reference, {advice})"
            )
        super().__setattr__(name, value)

    @property
    def model(self) -> Path:
        """Path of the model file."""
        return self._prepared.model.path

    @property
    def detectors(self) -> tuple[str, ...]:
        """Names of the fitted detectors; empty if inputs are compared with each other only."""
        return () if self._scorer is None else tuple(one.name for one in self._scorer.fitted.detectors)

    @property
    def references(self) -> int:
        """Number of references that the detectors learned from."""
        return 0 if self._scorer is None else len(self._scorer.fitted.references)

    @_without_settings
    @checked
    def score(
        self, inputs: Any, *, streaming: Streaming | None = None, progress: Progress | None = None
    ) -> ScoreResult:
        """Score inputs as `onnx_ood.score` does.

        Args:
            inputs: Inputs: paths, folders, globs, arrays [N, ...] or images, as `onnx_ood.inputs.open_inputs` takes
                them.
            streaming: File to write each input to as the run goes; None to keep results in memory.
            progress: Called with the name of a phase, its steps done and in all (None if not counted).

        Returns:
            Scores, ranks and flags of all inputs.

        Raises:
            UsageError: If the inputs do not fit the model.
            ModelError: If the model cannot be run.
        """
        source = open_inputs(inputs).require("inputs")
        source.check_missing()
        self._prepared.check(source)
        fed = self._prepared.fed
        differing = column_notes(fed, source, self._columns)
        check_stream(streaming, run_files(self.model, {"an input": source.paths}, self.settings.feeds))
        with open_stream(streaming) as stream:
            return self._run.score(
                source,
                self._scorer,
                stream,
                references=self._references,
                notes=self.notes,
                differing=differing,
                streaming=streaming,
                progress=progress,
            )

    @checked
    def save(self, path: str | Path) -> None:
        """Save the auditor to one file, without pickle.

        Args:
            path: Path of the file, by convention `.npz`; an existing file is replaced.

        Raises:
            UsageError: If the path is the model, a file that belongs to it, or a reference.
            OutputError: If the file cannot be written.
        """
        path = as_path(path, "path")
        references = {"a reference": self._references.paths}
        check_outputs([("", path)], run_files(self.model, references, self.settings.feeds))
        write_bytes(path, self._packed())

    @classmethod
    def load(cls, path: str | Path, model: str | Path | Model | None = None) -> Auditor:
        """Load an auditor that `save` wrote. Nothing in the file is executed.

        Args:
            path: Path of the file.
            model: The model, if its file has moved; None for the path that was saved.

        Returns:
            The auditor.

        Raises:
            UsageError: If the file cannot be read, is not a saved auditor, or the model is another one.
            ModelError: If the model cannot be read or run.
        """
        path = as_path(path, "path")
        try:
            content = read_file(path)
        except InputError as error:
            raise UsageError(str(error)) from None
        return cls._unpacked(content, str(path), model)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self._packed(),)

    def __repr__(self) -> str:
        detectors = ", ".join(self.detectors) or "deviation"
        return f"Auditor({self.model.as_posix()}, detectors: {detectors}, references: {self.references})"

    def _packed(self) -> bytes:
        prepared, versions = self._prepared, environment()
        references = self._scorer.fitted.references if self._scorer else ReferenceSet("none")
        saved = _Saved(
            format=FORMAT,
            onnx_ood=versions.onnx_ood,
            onnxruntime=versions.onnxruntime,
            model=str(prepared.model.path.resolve()),
            sha256=_hashes(prepared.model),
            settings=self.settings.stored,
            preprocessing=prepared.preprocessing,
            preprocessing_source=prepared.chosen.source if prepared.chosen else "",
            fitted=self._scorer is not None,
            notes=self.notes,
            reference=references.source,
            reference_ids=references.ids,
            reference_files=tuple(str(one.resolve()) for one in self._references.paths),
            reference_failed=references.failed,
            reference_note=references.note,
            reference_digests=tuple(sorted(one.hex() for one in references.digests)),
            reference_alterations=references.alterations,
            reference_columns=self._columns,
            spread=None if self._run.spread is None else tuple(self._run.spread.tolist()),
        )
        arrays = pack(references.features, _FEATURES)
        arrays[_JSON] = np.frombuffer(saved.model_dump_json().encode(), np.uint8)
        file = BytesIO()
        np.savez_compressed(file, **cast("dict[str, Any]", arrays))
        return file.getvalue()

    @classmethod
    def _unpacked(cls, content: bytes, name: str, model: str | Path | Model | None) -> Auditor:
        saved, arrays = _read(content, name)
        try:
            prepared = prepare_model(
                saved.model if model is None else model,
                InputSource(),
                site=saved.settings.site,
                feeds=saved.settings.feeds,
                batch_axis=saved.settings.batch_axis,
                answer=saved.settings.answer,
            )
        except ModelError as error:
            if model is None:
                raise ModelError(f"{error} (if it has moved, give its new path as model)") from None
            raise
        found = _hashes(prepared.model)
        if differing := [
            one for one in sorted(saved.sha256 | found) if saved.sha256.get(one) != found.get(one)
        ]:
            raise UsageError(
                f"{name}: fitted to another model than {prepared.model.path}: the SHA-256 of {_file(differing[0])} is "
                f"{found.get(differing[0], 'none')[:12]}, expected {saved.sha256.get(differing[0], 'none')[:12]}; "
                "fit again, or give the model that it was fitted to"
            )
        chosen = Chosen(saved.preprocessing, saved.preprocessing_source) if saved.preprocessing else None
        prepared = prepared.with_preprocessing(chosen)
        notes = saved.notes
        versions = environment()
        for package in ("onnx_ood", "onnxruntime"):
            if getattr(saved, package) != getattr(versions, package):
                notes += (
                    f"The references were measured with {package} {getattr(saved, package)}, now "
                    f"{getattr(versions, package)} runs; fit again for exact p-values.",
                )
        features = unpack(arrays, _FEATURES)
        try:
            references = ReferenceSet(
                saved.reference,
                features if isinstance(features, Features) else None,
                saved.reference_ids,
                saved.reference_failed,
                saved.reference_note,
                frozenset(map(bytes.fromhex, saved.reference_digests)),
                saved.reference_alterations,
            )
            _check_references(saved, references)
            spread = None if saved.spread is None else np.array(saved.spread, np.float64)
            scorer = restore_scorer(prepared, saved.settings, references, spread) if saved.fitted else None
            files = InputSource(tuple(map(Path, saved.reference_files)))
        # Arrays that were edited fail wherever something first computes with them.
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise UsageError(f"{name}: is damaged: {error}; fit again") from None
        return cls(
            prepared,
            saved.settings,
            scorer,
            files,
            tuple(dict.fromkeys(notes)),
            spread,
            saved.reference_columns,
        )


@takes_settings(ScoreSettings)
def fit(
    model: str | Path | Model,
    reference: Any = None,
    settings: ScoreSettings | None = None,
    *,
    progress: Progress | None = None,
) -> Auditor:
    """Fit detectors to a model and its references, to score inputs later.

    Args:
        model: Path of an ONNX file, or a loaded model.
        reference: Known-good inputs (at least 10): paths, folders, globs, arrays or images, as
            `onnx_ood.inputs.open_inputs` takes them; None for bundled photos if they suit the model.
        settings: Settings; None for the defaults. Each field can also be given as a keyword argument.
        progress: Called with the name of a phase, its steps done and in all (None if not counted).

    Returns:
        The auditor; `Auditor.score` scores inputs, `Auditor.save` stores it.

    Raises:
        UsageError: If a detector does not apply or lacks references, or fewer than 10 references can be measured.
        ModelError: If the model cannot be read or run.
        ProviderError: If the provider cannot run here.

    Example:
        auditor = onnx_ood.fit("model.onnx", reference="good/", preprocess="imagenet")
        result = auditor.score("incoming/")
    """
    settings = settings or ScoreSettings()
    references = open_references(reference)
    references.check_missing()
    prepared = prepare_model(
        model,
        references,
        site=settings.site,
        feeds=settings.feeds,
        preprocess=settings.preprocess,
        batch_axis=settings.batch_axis,
        answer=settings.answer,
        assume_pictures=not references.given,
    )
    differing = column_notes(prepared.fed, references)
    scorer, notes = fit_scorer(prepared, settings, references, progress)
    return Auditor(prepared, settings, scorer, references, (*differing, *notes))


def _unpickled(content: bytes) -> Auditor:
    return Auditor._unpacked(content, "auditor", None)


def _check_references(saved: _Saved, references: ReferenceSet) -> None:
    complete = len(references) == len(saved.reference_ids) or saved.reference != "given"
    if not complete or (references.features is None) != (saved.reference == "none"):
        raise ValueError("references are missing")
    if references.features is not None and len(references.features.altered) != len(references.alterations):
        raise ValueError("names of altered references are missing")
    if references.features is not None and not references.features.finite().all():
        raise ValueError("references are not finite")


def _read(content: bytes, name: str) -> tuple[_Saved, Mapping[str, Array]]:
    """Read a saved auditor, which may be anybody's file."""
    try:
        with np.load(BytesIO(content), allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        text = arrays.pop(_JSON).tobytes()
        found = json.loads(text)["format"]
        saved = _Saved.model_validate_json(text) if found == FORMAT else None
    # A damaged archive raises nearly everything: BadZipFile, EOFError, KeyError, ValueError, zlib.error.
    except Exception:
        raise UsageError(f"{name}: not a saved auditor, or damaged; fit again") from None
    if saved is None:
        raise UsageError(f"{name}: has format {found!r}, expected {FORMAT!r}; fit again")
    return saved, arrays


def _hashes(model: Model) -> dict[str, str]:
    """SHA-256 of the model file, under an empty name, and of its external data."""
    folder = model.path.parent
    files = {path.relative_to(folder).as_posix(): path for path in sorted(model.data_files)}
    return {"": file_hash(model.path)} | {name: file_hash(path) for name, path in files.items()}


def _file(name: str) -> str:
    return name or "the model file"
