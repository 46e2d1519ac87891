"""The preprocess audit: the preprocessing under which in-distribution photos look in-distribution to a model."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from onnx_ood._dialect import named
from onnx_ood._progress import Phase
from onnx_ood._types import Float, Progress
from onnx_ood.audits._common.settings import takes_settings
from onnx_ood.audits.preprocess.candidates import Candidate, resize_candidates, value_candidates
from onnx_ood.audits.preprocess.result import PreprocessResult, Question, RunnerUpGap, TriedPreprocessing
from onnx_ood.audits.preprocess.settings import PreprocessSettings
from onnx_ood.detectors import Features, collection_distance
from onnx_ood.evidence.collect import BATCH
from onnx_ood.evidence.reader import FeatureReader
from onnx_ood.exceptions import NotEvaluatedError, UsageError
from onnx_ood.graph import Model, load
from onnx_ood.inputs import InputSource, Preprocessing, Reader, RowRequest, open_inputs
from onnx_ood.inputs.rows.file_types import count_rows
from onnx_ood.metrics import softmax
from onnx_ood.metrics.bootstrap import RESAMPLES
from onnx_ood.metrics.mutual_information import entropy, mutual_information_bound
from onnx_ood.perturb import mild_augmentations
from onnx_ood.results.base import Failure
from onnx_ood.results.provenance import environment, model_facts
from onnx_ood.runtime import decoding_threads, find_fed_input, first_input

# With fewer photos the bootstrap underestimates noise.
_MIN_PHOTOS = 10
# Without BatchNormalization only predictions count. If these hardly differ between photos, a wrong preprocessing can
# look better than the right one by making them vary.
_MIN_INFORMATION = 1.0
# Quantiles of the 99% interval: a wrong answer is worse than none, and there are many candidates.
_INTERVAL = (0.005, 0.995)
# Replaces a distance that overflowed: about the log of the largest float64.
_MAX_DISTANCE = 700.0
# Element types in which a range means something.
_FLOATS = ("float16", "float32", "float64")


@dataclass(frozen=True)
class _Photos:
    """Photos in a model's size by geometry: RGB or grey, [N, H, W, C] in [0, 1]."""

    ids: list[str]
    pictures: dict[tuple[str, int | None], NDArray[np.float32]]
    failed: tuple[Failure, ...]


@dataclass(frozen=True)
class _Tried:
    """Measurements of one candidate; arrays hold the photos themselves, then B resamples: [1 + B]."""

    candidate: Candidate
    score: Float
    information: Float | None
    distance: Float | None
    confidence: float | None
    agreement: float | None
    answers: float | None


@takes_settings(PreprocessSettings)
def preprocess(
    model: str | Path | Model,
    photos: Any,
    settings: PreprocessSettings | None = None,
    *,
    progress: Progress | None = None,
) -> PreprocessResult:
    """Rank candidate preprocessings of pictures by how in-distribution photos look under each.

    The score is a lower bound of the mutual information between predictions for a photo and for mild augmentations of
    it (`metrics/mutual_information.py`), less the distance of channel statistics from the running statistics of
    BatchNormalization nodes (`detectors/methods/batch_norm.py`), or the one of both that the model has. A candidate is
    indistinguishable from the first if the 99% interval of their gap, over paired bootstrap resamples, includes 0.

    Args:
        model: Path of an ONNX file, or a loaded model.
        photos: In-distribution pictures of several classes: paths, folders, globs, uint8 arrays [N, H, W, 3] or images,
            as `onnx_ood.inputs.open_inputs` takes them.
        settings: Settings; None for the defaults. Each field can also be given as a keyword argument.
        progress: Called with the name of a phase, the number of (photo, candidate) pairs done and in all.

    Returns:
        Ranked candidates for values and for resizing; the status is "not_evaluated" for fewer than 10 photos.

    Raises:
        UsageError: If the model takes no pictures, or has neither class scores nor BatchNormalization nodes.
        ModelError: If the model cannot be read or run.
        NotEvaluatedError: If no photo could be read.
        ProviderError: If the provider cannot run here.

    Example:
        onnx_ood.preprocess("model.onnx", "photos/", limit=100).best.spec
    """
    settings = settings or PreprocessSettings()
    source = open_inputs(photos, name="photos").require("photos")
    source.check_missing()
    loaded = model if isinstance(model, Model) else load(model)
    fed = find_fed_input(loaded, first_input(loaded))
    shape = fed.shape or ()
    values = value_candidates(shape)
    if fed.dtype not in _FLOATS:
        raise UsageError(
            f"{loaded.path}: its input holds {fed.dtype}, so the range is known; use {named('preprocess', 'bytes')}"
        )
    reader = FeatureReader(
        loaded,
        {"logits", "norms"},
        fed=fed,
        provider=settings.provider,
        batch_size=settings.batch_size,
        answer=settings.answer,
    )
    if reader.info.probabilities is None and not reader.info.norms:
        raise UsageError(
            f"{loaded.path}: it gives no class scores ({reader.info.no_scores}) and has no BatchNormalization "
            "nodes, so candidates cannot be compared; take the preprocessing from the card of the model that it was "
            f"made from, or from its author, and name it with {named('preprocess')} in other audits"
        )
    geometries = resize_candidates(values[0], shape)
    Phase(progress, "reading photos")
    photos_read = _read(
        source,
        [one.preprocessing for one in geometries],
        settings,
    )
    count = len(photos_read.ids)
    if count == 0:
        reason = photos_read.failed[0].reason if photos_read.failed else "there is none"
        raise NotEvaluatedError(f"{loaded.path}: no photo could be read: {reason}")
    scorer = _CandidateScorer(reader, count, settings.seed)
    trying = Phase(progress, "candidates", count * (len(values) + len(geometries)))

    def ranked(candidates: Sequence[Candidate]) -> list[_Tried]:
        tried = []
        for candidate in candidates:
            tried.append(scorer.score(candidate, photos_read.pictures[_geometry(candidate.preprocessing)]))
            trying.advance(count)
        return sorted(tried, key=lambda one: -float(one.score[0]))

    by_values = ranked(values)
    by_resize = ranked(resize_candidates(by_values[0].candidate, shape))
    return PreprocessResult(
        status="measured" if count >= _MIN_PHOTOS else "not_evaluated",
        model=model_facts(loaded),
        provider=reader.provider,
        seed=settings.seed,
        resamples=RESAMPLES,
        environment=environment(),
        photos=count,
        failed=photos_read.failed,
        questions=(_question("values", by_values), _question("resize", by_resize)),
    )


def _geometry(preprocessing: Preprocessing) -> tuple[str, int | None]:
    return preprocessing.resize, preprocessing.resize_to


def _read(source: InputSource, geometries: Sequence[Preprocessing], settings: PreprocessSettings) -> _Photos:
    """Read a sample of the pictures once for each geometry; pictures that one of them refuses have failed.

    Args:
        source: The inputs.
        geometries: With values from 0 to 1, in RGB or grey.
        settings: The sample.
    """
    request = RowRequest("photo", (None, *geometries[0].shape), np.dtype(np.float32))
    pictures_only = source.pictures(request)
    known = set(pictures_only.names)
    failed = {missing.id: missing.reason for missing in source.missing}
    failed |= {name: "not a picture" for name in source.names if name not in known}
    sample = pictures_only.sample(settings.limit, settings.seed, partial(count_rows, wanted=request))
    read: dict[tuple[str, int | None], dict[str, NDArray[np.float32]]] = {}
    for geometry in geometries:
        pictures = read[_geometry(geometry)] = {}
        reader = Reader(
            sample,
            preprocessing=geometry,
            input_name="photo",
            input_shape=(None, *geometry.shape),
            dtype=np.dtype(np.float32),
            batch=BATCH,
            threads=decoding_threads(),
        )
        with closing(iter(reader)) as batches:
            for batch in batches:
                failed |= {one.id: one.reason for one in batch.failed}
                upright = np.moveaxis(batch.tensors, 1, -1) if geometry.layout == "NCHW" else batch.tensors
                pictures.update(zip(batch.ids, upright, strict=True))
    ids = [name for name in read[_geometry(geometries[0])] if name not in failed]
    return _Photos(
        ids,
        {key: np.stack([pictures[name] for name in ids]) for key, pictures in read.items()} if ids else {},
        tuple(Failure(id=name, reason=reason) for name, reason in failed.items()),
    )


class _CandidateScorer:
    """Scores candidates on one set of photos."""

    def __init__(self, reader: FeatureReader, photos: int, seed: int) -> None:
        self._reader, self._seed = reader, seed
        drawn = np.random.default_rng(seed).multinomial(photos, np.full(photos, 1 / photos), RESAMPLES)
        # The photos themselves, then the same resamples for all candidates, so that differences are paired.
        self._weights = np.concatenate([np.ones((1, photos)), drawn]) / photos

    def score(self, candidate: Candidate, pictures: NDArray[np.float32]) -> _Tried:
        """Score a candidate on photos, [N, H, W, C] in [0, 1], RGB or grey."""
        clean = self._run(candidate.preprocessing, pictures)
        score = np.zeros(len(self._weights))
        distance = information = None
        confidence = agreement = answers = None
        if clean.norms:
            found = collection_distance(clean.norms, self._reader.info, self._weights)
            distance = np.nan_to_num(found, nan=_MAX_DISTANCE, posinf=_MAX_DISTANCE)
            score = score - distance
        if clean.logits is not None:
            shares = _shares(clean.logits)
            copies = [
                _shares(logits)
                for copy in mild_augmentations(pictures, self._seed).values()
                if (logits := self._run(candidate.preprocessing, copy).logits) is not None
            ]
            information = mutual_information_bound(shares, copies, self._weights)
            score = score + information
            answer = shares.argmax(axis=1)
            confidence = float(shares.max(axis=1).mean())
            agreement = float(np.mean([copy.argmax(axis=1) == answer for copy in copies]))
            answers = float(np.exp(entropy(shares.mean(axis=0))))
        return _Tried(candidate, score, information, distance, confidence, agreement, answers)

    def _run(self, preprocessing: Preprocessing, pictures: NDArray[np.float32]) -> Features:
        ordered = pictures[..., ::-1] if preprocessing.channels == "BGR" else pictures
        placed = np.moveaxis(ordered, -1, 1) if preprocessing.layout == "NCHW" else ordered
        tensors = np.ascontiguousarray(preprocessing.normalise(placed))
        return Features.joined(
            [self._reader.read(tensors[start : start + BATCH]) for start in range(0, len(tensors), BATCH)]
        )


def _shares(logits: Float) -> Float:
    """Class probabilities, [N, C]; uniform if logits overflow, as in a wrong range."""
    shares = softmax(logits)
    return np.where(np.isfinite(shares), shares, 1 / shares.shape[1])


def _question(asks: Literal["values", "resize"], ranked: Sequence[_Tried]) -> Question:
    first = ranked[0]
    low, high = _INTERVAL
    candidates = []
    for tried in ranked:
        gap = first.score - tried.score
        bounds = np.quantile(gap[1:], [low, high])
        candidates.append(
            TriedPreprocessing(
                name=tried.candidate.name,
                spec=tried.candidate.spec,
                description=tried.candidate.preprocessing.describe(),
                information=None if tried.information is None else float(tried.information[0]),
                batch_norm=None if tried.distance is None else float(tried.distance[0]),
                score=float(tried.score[0]),
                gap=RunnerUpGap(value=float(gap[0]), low=float(bounds[0]), high=float(bounds[1])),
                leading=bool(bounds[0] <= 0),
                confidence=tried.confidence,
                agreement=tried.agreement,
                answers=tried.answers,
            )
        )
    reason = _why_undetermined(asks, candidates)
    return Question(
        asks=asks,
        verdict="undetermined" if reason else "determined",
        reason=reason,
        candidates=tuple(candidates),
    )


def _why_undetermined(asks: Literal["values", "resize"], candidates: Sequence[TriedPreprocessing]) -> str:
    """Reason why the first candidate is not the answer, or empty."""
    first = candidates[0]
    # Channel statistics alone cannot decide on resizing: they also depend on the size of the pictured things.
    if (first.batch_norm is None or asks == "resize") and (first.information or 0) < _MIN_INFORMATION:
        return (
            f"predictions carry {first.information or 0:.2f} nats about the photos; below {_MIN_INFORMATION:g} a wrong "
            "preprocessing can look better than the right one: give in-distribution photos of more classes"
        )
    close = [one for one in candidates[1:] if one.leading]
    if not close:
        return ""
    others = f"{len(close)} others are" if len(close) > 1 else "1 other is"
    if all(one.gap.low == one.gap.high == 0 for one in close):
        return f"{others} identical on these photos, so either will do for photos of their shape"
    return f"{others} within noise of the first: use more photos ({named('limit')})"
