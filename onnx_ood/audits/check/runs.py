"""Audits that a check needs of one model: each is run once, when the first gate asks for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from onnx_ood._types import Progress
from onnx_ood.audits.bench.audit import bench
from onnx_ood.audits.bench.result import BenchResult
from onnx_ood.audits.check.models import CheckedModel
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
from onnx_ood.results.facts import ModelFacts, external_hashes, model_facts

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class AuditRequest:
    """What gates want to know of a model, beyond the figures themselves.

    Attributes:
        figures: Names of figures.
        detectors: Names of detectors.
        probes: Selectors of tensors.
    """

    figures: frozenset[str] = frozenset()
    detectors: Collection[str] = ()
    probes: Collection[str] = ()


class Loaded(NamedTuple):
    """A model as read.

    Attributes:
        model: The model.
        facts: What there is to say of the file.
        external_data: The hashes of the files of weights beside it.
    """

    model: Model
    facts: ModelFacts
    external_data: dict[str, str]


@dataclass
class _Once(Generic[_Result]):
    """Runs something when it is first asked for; what it gave, or why it gave nothing, is remembered."""

    run: Callable[[], _Result]
    done: list[_Result | OnnxOodError] = field(default_factory=list)

    def __call__(self) -> _Result:
        if not self.done:
            try:
                self.done.append(self.run())
            except TooFewReferencesError as error:
                self.done.append(NotEvaluatedError(str(error)))
            except OnnxOodError as error:
                self.done.append(error)
        found = self.done[0]
        if isinstance(found, OnnxOodError):
            raise found.with_traceback(None)
        return found


class AuditRunner:
    """Audits of one model.

    Attributes:
        said: What the check is told of the model.
        loaded: The model itself.
        score: The score audit.
        baseline_score: That of the model that it is to agree with.
        bench: The bench audit, of all wanted detectors that apply.
        sensitivity: The sensitivity audit.

    The audits raise NotEvaluatedError where there is nothing to go by; all five ModelError where the model can't be
    read or run.
    """

    def __init__(
        self,
        config: CheckedModel,
        wanted: AuditRequest,
        cache: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Takes the plan; nothing is read yet.

        Args:
            config: What the check is told of the model.
            wanted: What gates want to know.
            cache: Folder in which measurements are kept, or None.
            progress: Called with the number of inputs done and in all, by one audit after the other.
        """
        self.config = config
        self._wanted, self._cache, self._progress = wanted, cache, progress
        self.loaded = _Once(self._load)
        self.score = _Once(self._score)
        self.baseline_score = _Once(self._baseline_score)
        self.bench = _Once(self._bench)
        self.sensitivity = _Once(self._sensitivity)

    @property
    def model(self) -> Model:
        """The model as read.

        Raises:
            ModelError: If it can't be read.
        """
        return self.loaded().model

    def readable(self) -> Loaded | None:
        """The model as read, None if it can't be."""
        try:
            return self.loaded()
        except ModelError:
            return None

    @property
    def ran_on(self) -> tuple[str | None, bool]:
        """The provider on which the audits ran, None where none did; and whether with TF32."""
        runs: list[tuple[str | None, bool]] = []
        runs += [(one.run.provider, one.run.tf32) for one in self.score.done if isinstance(one, ScoreResult)]
        runs += [(one.provider, False) for one in self.bench.done if isinstance(one, BenchResult)]
        runs += [
            (one.models[0].provider, False)
            for one in self.sensitivity.done
            if isinstance(one, SensitivityResult)
        ]
        return runs[0] if runs else (None, False)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the audits that ran say for their results to be believed, each once."""
        found = [*self.score.done, *self.bench.done]
        texts = [note for one in found if not isinstance(one, OnnxOodError) for note in one.notes]
        texts += [
            note
            for one in self.sensitivity.done
            if isinstance(one, SensitivityResult)
            for note in one.models[0].notes
        ]
        return tuple(dict.fromkeys(texts))

    def probe(self, selector: str) -> str:
        """The tensor that a gate means.

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
                f"{selector} selects {len(found)} tensors, and a gate is about one: "
                f"{found[0].name}, {found[1].name}, ..."
            )
        return found[0].name

    def why_no_detector(self, name: str) -> str | None:
        """Why a detector can't be measured on the model, or None if it can."""
        try:
            (detector,), _ = choose_detectors(self.model, (name,))
        except UsageError as error:
            return str(error)
        if not self.config.reference and detector.requires_reference(find_feature_sources(self.model).info):
            return f"{name} learns from references, and none are given"
        return None

    def _load(self) -> Loaded:
        model = load(self.config.path)
        return Loaded(model, model_facts(model), external_hashes(model))

    def _score(self) -> ScoreResult:
        probes = []
        for selector in self._wanted.probes:
            try:
                probes.append(self.probe(selector))
            except NotEvaluatedError:
                continue  # the gates that mean it say so
        # A detector that doesn't apply leaves all else that a score tells.
        flags = "flagged" in self._wanted.figures and self.why_no_detector(self.config.detector) is None
        settings = self.config.score_settings(tuple(dict.fromkeys(probes)), self._cache, flags=flags)
        reference = self.config.reference if flags else ()
        return score(self.model, self.config.inputs, settings, reference=reference, progress=self._progress)

    def _baseline_score(self) -> ScoreResult:
        path = self.config.baseline_model
        assert path is not None
        settings = self.config.baseline_model_settings
        return score(path, self.config.inputs, settings, progress=self._progress)

    def _bench(self) -> BenchResult:
        detectors = tuple(name for name in self._wanted.detectors if self.why_no_detector(name) is None)
        settings = self.config.bench_settings(detectors, self._cache)
        return bench(
            self.model,
            self.config.inputs,
            self.config.ood,
            settings,
            reference=self.config.reference,
            progress=self._progress,
        )

    def _sensitivity(self) -> SensitivityResult:
        settings = self.config.sensitivity_settings(trajectories="transition-density" in self._wanted.figures)
        return sensitivity([self.model], self.config.inputs, settings, progress=self._progress)

    def sensitive(self) -> ModelSensitivity:
        """What the sensitivity audit says of the model.

        Raises:
            NotEvaluatedError: If too few inputs could be measured.
        """
        result = self.sensitivity()
        audit = result.models[0]
        if result.status == "not_evaluated":
            raise NotEvaluatedError(_too_few(len(audit.inputs), len(audit.failed), audit.failed))
        return audit

    def scored(self) -> ScoreResult:
        """What the score audit says of the model.

        Raises:
            NotEvaluatedError: If too few inputs could be scored.
        """
        return enough(self.score())


def enough(result: ScoreResult) -> ScoreResult:
    """A score that says something.

    Raises:
        NotEvaluatedError: If too few inputs could be scored.
    """
    if result.status == "not evaluated":
        raise NotEvaluatedError(_too_few(result.scored, result.unscored, result.failed))
    return result


def _too_few(done: int, failed: int, which: Sequence[Failure]) -> str:
    first = f"{which[0].id}: {which[0].reason}" if which else "there is none"
    return f"{done:,} of {done + failed:,} inputs could be measured; the first that failed: {first}"
