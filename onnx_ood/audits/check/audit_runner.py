"""Audits of one model for a check: each runs once, when first needed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from onnx_ood._types import Progress
from onnx_ood.audits.bench.audit import bench
from onnx_ood.audits.bench.result import BenchResult
from onnx_ood.audits.check.checked_model import CheckedModel
from onnx_ood.audits.score.audit import score
from onnx_ood.audits.score.result import ScoreResult
from onnx_ood.audits.sensitivity.audit import sensitivity
from onnx_ood.audits.sensitivity.result import ModelSensitivity, SensitivityResult
from onnx_ood.detectors import find_feature_sources
from onnx_ood.evidence.choice import choose_detectors
from onnx_ood.evidence.site_choice import choose_site
from onnx_ood.exceptions import (
    ModelError,
    NotEvaluatedError,
    OnnxOodError,
    SelectorError,
    TooFewReferencesError,
    UsageError,
)
from onnx_ood.graph import Model, load, select
from onnx_ood.results.base import Failure
from onnx_ood.results.note_order import NOT_EVALUATED, OTHER_CHECKSUM
from onnx_ood.results.provenance import ModelFacts, external_hashes, model_facts

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class AuditRequest:
    """Audits required by the gates of a model.

    Attributes:
        metrics: Names of metrics.
        detectors: Names of detectors.
        probes: Selectors of tensors.
    """

    metrics: Collection[str] = ()
    detectors: Collection[str] = ()
    probes: Collection[str] = ()


class LoadedModel(NamedTuple):
    """A model file and its provenance.

    Attributes:
        model: The model.
        facts: Facts of the model file.
        external_data: SHA-256 of each file of external weights.
    """

    model: Model
    facts: ModelFacts
    external_data: dict[str, str]


@dataclass
class _Once(Generic[_Result]):
    """Runs a function at the first call and remembers its result or error."""

    run: Callable[[], _Result]
    outcome: _Result | OnnxOodError | None = field(default=None, init=False)

    def __call__(self) -> _Result:
        if self.outcome is None:
            try:
                self.outcome = self.run()
            except TooFewReferencesError as error:
                self.outcome = NotEvaluatedError(str(error))
            except OnnxOodError as error:
                self.outcome = error
        if isinstance(self.outcome, OnnxOodError):
            raise self.outcome.with_traceback(None)
        return self.outcome

    @property
    def result(self) -> _Result | None:
        """The result; None if the function failed or was never called."""
        return None if isinstance(self.outcome, OnnxOodError) else self.outcome


class AuditRunner:
    """Audits of one model.

    The audits raise NotEvaluatedError if there is too little data, and ModelError if the model cannot be read or run.

    Attributes:
        config: The model's table in the file.
        loaded: Reads the model.
        score: Runs the score audit.
        baseline_score: Runs the score audit of the baseline model.
        bench: Runs the bench audit with all requested detectors that apply.
        sensitivity: Runs the sensitivity audit.
    """

    def __init__(
        self,
        config: CheckedModel,
        request: AuditRequest,
        cache: Path | bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Store the plan; nothing is read yet.

        Args:
            config: The model's table in the file.
            request: What the gates need.
            cache: Folder that keeps measured features between runs, or False.
            progress: Called by each audit with the name of a phase, its steps done and in all.
        """
        self.config = config
        self._request, self._cache, self._progress = request, cache, progress
        self.loaded = _Once(self._load)
        self.score = _Once(self._score)
        self.baseline_score = _Once(self._baseline_score)
        self.bench = _Once(self._bench)
        self.sensitivity = _Once(self._sensitivity)

    @property
    def model(self) -> Model:
        """The model.

        Raises:
            ModelError: If it cannot be read.
        """
        return self.loaded().model

    def try_load(self) -> LoadedModel | None:
        """Read the model; None if it cannot be read."""
        try:
            return self.loaded()
        except ModelError:
            return None

    @property
    def ran_on(self) -> tuple[str | None, bool]:
        """The execution provider of the audits that ran (None if none did), and True if it used TF32."""
        if (scored := self.score.result) is not None:
            return scored.run.provider, scored.run.tf32
        if (benched := self.bench.result) is not None:
            return benched.provider, False
        if (sensitive := self.sensitivity.result) is not None:
            return sensitive.models[0].provider, False
        return None, False

    @property
    def notes(self) -> tuple[str, ...]:
        """Distinct notes of the audits that ran; the card does not matter if a preprocessing is stated."""
        texts: list[str] = []
        for one in (self.score.result, self.bench.result):
            texts += one.notes if one is not None else ()
        if (sensitive := self.sensitivity.result) is not None:
            texts += sensitive.models[0].notes
        if self.config.preprocess is not None:
            texts = [text for text in texts if OTHER_CHECKSUM not in text]
        if failed := self.failed:
            count = f"{len(failed):,} inputs" if len(failed) > 1 else "1 input"
            first = "; the first" if len(failed) > 1 else ""
            texts.append(f"{count} could not be measured{first}: {failed[0].id}: {failed[0].reason}")
        return tuple(dict.fromkeys(texts))

    @property
    def failed(self) -> tuple[Failure, ...]:
        """Inputs and references that failed in an audit that ran, each once."""
        results = (self.score.result, self.bench.result, self.sensitivity.result)
        counts = (count for one in results if one is not None for count in one.failure_counts)
        return tuple({failure.id: failure for count in counts for failure in count.failed}.values())

    def probe(self, selector: str) -> str:
        """Resolve the target of a gate to the name of a tensor.

        Args:
            selector: A name, or a selector of one tensor.

        Raises:
            NotEvaluatedError: If the model has no such tensor, or several.
        """
        site, _ = choose_site(self.model, self.config.site, self.config.feeds)
        try:
            found = select(self.model, selector, site)
        except SelectorError as error:
            raise NotEvaluatedError(str(error)) from None
        if len(found) > 1:
            raise NotEvaluatedError(
                f"{selector} selects {len(found)} tensors ({found[0].name}, {found[1].name}, ...); "
                "select exactly one"
            )
        return found[0].name

    def why_no_detector(self, name: str) -> str | None:
        """Explain why a detector cannot be used on the model; None if it can."""
        try:
            (detector,), _ = choose_detectors(self.model, (name,), self.config.answer)
        except UsageError as error:
            return str(error)
        info = find_feature_sources(self.model, self.config.answer).info
        if not self.config.reference and detector.requires_reference(info):
            return f"{name} learns from references, and none are given"
        return None

    def evaluated_sensitivity(self) -> ModelSensitivity:
        """Sensitivity of the model.

        Raises:
            NotEvaluatedError: If too few inputs could be measured.
        """
        result = self.sensitivity()
        audit = result.models[0]
        if result.status != "measured":
            raise NotEvaluatedError(_too_few(len(audit.inputs), len(audit.failed), audit.failed))
        return audit

    def evaluated_score(self) -> ScoreResult:
        """Score of the model.

        Raises:
            NotEvaluatedError: If too few inputs could be scored.
        """
        return require_evaluated(self.score())

    def _load(self) -> LoadedModel:
        model = load(self.config.path)
        return LoadedModel(model, model_facts(model), external_hashes(model))

    def _score(self) -> ScoreResult:
        probes = []
        for selector in self._request.probes:
            try:
                probes.append(self.probe(selector))
            except NotEvaluatedError:
                continue  # reported by the gates with this target
        # If the detector does not apply, all other metrics of a score can still be measured.
        flags = "flagged" in self._request.metrics and self.why_no_detector(self.config.detector) is None
        settings = self.config.score_settings(tuple(dict.fromkeys(probes)), self._cache, flags=flags)
        reference = (self.config.reference or None) if flags else None
        return score(self.model, self.config.inputs, settings, reference=reference, progress=self._progress)

    def _baseline_score(self) -> ScoreResult:
        path = self.config.baseline_model
        assert path is not None
        settings = self.config.baseline_model_settings
        return score(path, self.config.inputs, settings, progress=self._progress)

    def _bench(self) -> BenchResult:
        detectors = tuple(name for name in self._request.detectors if self.why_no_detector(name) is None)
        return bench(
            self.model,
            self.config.inputs,
            self.config.ood,
            self.config.bench_settings(detectors, self._cache),
            reference=self.config.reference or None,
            progress=self._progress,
        )

    def _sensitivity(self) -> SensitivityResult:
        settings = self.config.sensitivity_settings(
            trajectories="transition-density" in self._request.metrics
        )
        return sensitivity([self.model], self.config.inputs, settings, progress=self._progress)


def require_evaluated(result: ScoreResult) -> ScoreResult:
    """Return a score of enough inputs.

    Raises:
        NotEvaluatedError: If too few inputs could be scored.
    """
    if result.status != "scored":
        note = next((note for note in result.notes if note.startswith(NOT_EVALUATED)), None)
        raise NotEvaluatedError(note or _too_few(result.scored, result.unscored, result.failed))
    return result


def _too_few(measured: int, failed: int, failures: Sequence[Failure]) -> str:
    first = f"{failures[0].id}: {failures[0].reason}" if failures else "there are no inputs"
    return f"{measured:,} of {measured + failed:,} inputs could be measured; first failed input: {first}"
