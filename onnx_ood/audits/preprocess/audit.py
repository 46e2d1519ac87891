"""The preprocessing detective: under which preprocessing do ordinary photos look ordinary to a model?"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float, Progress
from onnx_ood.audits.preprocess.candidates import Candidate, resize_candidates, value_candidates
from onnx_ood.audits.preprocess.result import PreprocessResult, Question, RunnerUpGap, TriedPreprocessing
from onnx_ood.audits.preprocess.settings import PreprocessSettings
from onnx_ood.detectors import Features, collection_distance
from onnx_ood.evidence.collect import BATCH
from onnx_ood.evidence.reader import FeatureReader
from onnx_ood.exceptions import NotEvaluatedError, UsageError
from onnx_ood.graph import Model, load
from onnx_ood.inputs import InputSource, Preprocessing, Reader, discover, is_picture
from onnx_ood.metrics import softmax
from onnx_ood.metrics.bootstrap import RESAMPLES
from onnx_ood.metrics.mutual_information import entropy, mutual_information_bound
from onnx_ood.perturb import mild_augmentations
from onnx_ood.results.base import Failure
from onnx_ood.results.environment import environment
from onnx_ood.results.facts import model_facts
from onnx_ood.runtime import decoding_threads, first_input

# Fewer photos, and resamples say nothing of noise.
_FEWEST = 10
# Without BatchNormalization there are answers alone to go by, and where photos hardly get different ones, a wrong
# preprocessing can look better than the right one: it makes answers vary.
_LEAST_INFORMATION = 1.0
# Bounds of what resamples leave open. A wrong answer is worse than none, and there are many candidates.
_INTERVAL = (0.005, 0.995)
# In place of a distance that overflowed: the log of nearly the largest float64.
_FARTHEST = 700.0
# Element types in which a range means something.
_FLOATS = ("float16", "float32", "float64")


@dataclass(frozen=True)
class _Photos:
    """Photos in a model's size, RGB or grey, by how they came to it: [N, H, W, C] in [0, 1]."""

    ids: list[str]
    pictures: dict[tuple[str, int | None], NDArray[np.float32]]
    failed: tuple[Failure, ...]


@dataclass(frozen=True)
class _Tried:
    """What was measured of one candidate. Of what is resampled, the photos themselves come first: [1 + B]."""

    candidate: Candidate
    score: Float
    information: Float | None
    distance: Float | None
    confidence: float | None
    agreement: float | None
    answers: float | None


def preprocess(
    model: str | Path | Model,
    photos: Sequence[str],
    settings: PreprocessSettings | None = None,
    *,
    progress: Progress | None = None,
) -> PreprocessResult:
    """Ranks preprocessings by how ordinary photos look under each.

    Score = information that answers keep under slight changes (`metrics/mutual_information.py`), less the distance of
    channels from what BatchNormalization nodes know of training (`detectors/batch_norm.py`); of a model that has one of
    them, that one. What is behind the first by less than 99% of paired bootstrap resamples can tell isn't told from it.

    Args:
        model: A path or a loaded model.
        photos: Files, folders or globs of pictures of the kind that the model is made for, of several classes.
        settings: How; None for the defaults.
        progress: Called with the number of (photo, candidate) pairs that are done, and of all.

    Returns:
        The result; its status is "not_evaluated" if there are fewer than 10 photos.

    Raises:
        UsageError: If the model takes no pictures, or has neither class scores nor BatchNormalization nodes.
        ModelError: If the model can't be read or run.
        NotEvaluatedError: If no photo could be read.
        ProviderError: If the provider can't run here.
    """
    settings = settings or PreprocessSettings()
    loaded = model if isinstance(model, Model) else load(model)
    fed = first_input(loaded)
    shape = fed.shape or ()
    values = value_candidates(shape)
    if fed.dtype not in _FLOATS:
        raise UsageError(
            f"{loaded.path}: its input holds {fed.dtype}, so that there is no range to find; --preprocess bytes is it"
        )
    reader = FeatureReader(
        loaded, {"logits", "norms"}, provider=settings.provider, batch_size=settings.batch_size
    )
    if reader.info.probabilities is None and not reader.info.norms:
        raise UsageError(
            f"{loaded.path}: it gives no class scores and has no BatchNormalization nodes, so that photos look as "
            "ordinary under any preprocessing; ask its author"
        )
    geometries = resize_candidates(values[0], shape)
    photos_read = _read(discover(photos), [one.preprocessing for one in geometries], settings)
    count = len(photos_read.ids)
    if count == 0:
        reason = photos_read.failed[0].reason if photos_read.failed else "there is none"
        raise NotEvaluatedError(f"{loaded.path}: no photo could be read: {reason}")
    witness = _CandidateReader(reader, count, settings.seed)
    total, done = count * (len(values) + len(geometries)), 0

    def ranked(candidates: Sequence[Candidate]) -> list[_Tried]:
        nonlocal done
        tried = []
        for candidate in candidates:
            tried.append(witness.hear(candidate, photos_read.pictures[_geometry(candidate.preprocessing)]))
            done += count
            if progress:
                progress(done, total)
        return sorted(tried, key=lambda one: -float(one.score[0]))

    by_values = ranked(values)
    by_resize = ranked(resize_candidates(by_values[0].candidate, shape))
    return PreprocessResult(
        status="measured" if count >= _FEWEST else "not_evaluated",
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


def _read(found: InputSource, geometries: Sequence[Preprocessing], settings: PreprocessSettings) -> _Photos:
    """Reads a sample of the pictures once for each geometry; those that one of them doesn't take have failed.

    Args:
        found: The files.
        geometries: With values from 0 to 1, in RGB or grey.
        settings: The sample.
    """
    failed = {missing.id: missing.reason for missing in found.missing}
    failed |= {str(path): "it is no picture" for path in found.paths if not is_picture(path)}
    paths = [path for path in found.paths if is_picture(path)]
    if len(paths) > settings.limit:
        sample = np.random.default_rng(settings.seed).choice(len(paths), settings.limit, replace=False)
        paths = [paths[i] for i in sorted(sample.tolist())]
    read: dict[tuple[str, int | None], dict[str, NDArray[np.float32]]] = {}
    for geometry in geometries:
        pictures = read[_geometry(geometry)] = {}
        reader = Reader(
            paths,
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


class _CandidateReader:
    """Tells how ordinary photos look to a model."""

    def __init__(self, reader: FeatureReader, photos: int, seed: int) -> None:
        self._reader, self._seed = reader, seed
        drawn = np.random.default_rng(seed).multinomial(photos, np.full(photos, 1 / photos), RESAMPLES)
        # The photos themselves, then resamples, the same for all candidates: differences are paired.
        self._weights = np.concatenate([np.ones((1, photos)), drawn]) / photos

    def hear(self, candidate: Candidate, pictures: NDArray[np.float32]) -> _Tried:
        """Measures one candidate on photos, [N, H, W, C] in [0, 1], RGB or grey."""
        clean = self._run(candidate.preprocessing, pictures)
        score = np.zeros(len(self._weights))
        distance = information = None
        confidence = agreement = answers = None
        if clean.norms:
            found = collection_distance(clean.norms, self._reader.info, self._weights)
            distance = np.nan_to_num(found, nan=_FARTHEST, posinf=_FARTHEST)
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
    """Class probabilities, [N, C]; where logits overflow, as many models do in a wrong range, all classes are alike."""
    shares = softmax(logits)
    return np.where(np.isfinite(shares), shares, 1 / shares.shape[1])


def _question(asks: Literal["values", "resize"], ranked: Sequence[_Tried]) -> Question:
    first = ranked[0]
    low, high = _INTERVAL
    candidates = []
    for tried in ranked:
        behind = first.score - tried.score
        bounds = np.quantile(behind[1:], [low, high])
        candidates.append(
            TriedPreprocessing(
                name=tried.candidate.name,
                spec=tried.candidate.spec,
                description=tried.candidate.preprocessing.describe(),
                information=None if tried.information is None else float(tried.information[0]),
                batch_norm=None if tried.distance is None else float(tried.distance[0]),
                score=float(tried.score[0]),
                gap=RunnerUpGap(value=float(behind[0]), low=float(bounds[0]), high=float(bounds[1])),
                leading=bool(bounds[0] <= 0),
                confidence=tried.confidence,
                agreement=tried.agreement,
                answers=tried.answers,
            )
        )
    reason = _why_not_told(asks, candidates)
    return Question(
        asks=asks,
        verdict="undetermined" if reason else "determined",
        reason=reason,
        candidates=tuple(candidates),
    )


def _why_not_told(asks: Literal["values", "resize"], candidates: Sequence[TriedPreprocessing]) -> str:
    """Why the first isn't the answer, or empty."""
    first = candidates[0]
    # Of resizing norms alone don't tell: what channels hold depends on how large things are pictured, too.
    if (first.batch_norm is None or asks == "resize") and (first.information or 0) < _LEAST_INFORMATION:
        return (
            f"answers tell photos apart by {first.information or 0:.2f} nats, and below {_LEAST_INFORMATION:g} a wrong "
            "preprocessing can look better than the right one: give photos of more kinds, of what the model is made for"
        )
    close = [one for one in candidates[1:] if one.leading]
    if not close:
        return ""
    others = f"{len(close)} others are" if len(close) > 1 else "1 other is"
    if all(one.gap.low == one.gap.high == 0 for one in close):
        return f"{others} the same to these photos, so that either will do for photos of their shape"
    return f"{others} behind the first by no more than noise: give more photos"
