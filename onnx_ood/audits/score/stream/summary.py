"""Summary of a run from its stream: medians at each probe, deviations and ranks of inputs.

The stream is read from its start, its numbers are kept on disk by column, and results are made for the listed inputs
only: memory does not grow with the number of inputs. Ranks of all inputs take two numbers per input.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from onnx_ood._arguments import checked
from onnx_ood._types import Float
from onnx_ood.audits.score.result import DetectorSummary, InputResult, ProbeAdvice, ProbeResult
from onnx_ood.audits.score.stream.column_store import ColumnStore
from onnx_ood.audits.score.stream.probe_ranking import advise
from onnx_ood.audits.score.stream.records import CalibratedProbe, ScoredInput, StreamProbe, UnscoredInput
from onnx_ood.audits.score.stream.stream import Stream, read_stream
from onnx_ood.detectors import MIN_INPUTS, discovery_threshold, robust_stats, robust_z
from onnx_ood.exceptions import OutputError
from onnx_ood.results.base import Failure, Number

Item = TypeVar("Item")

# Numbers of a temporary stream are kept in memory up to this size.
_IN_MEMORY = 1 << 24
# Inputs per chunk of results.
_CHUNK = 1024
# Most inputs used for advice on probes, evenly spread over the run.
_MAX_ADVISING = 4096


class StreamSummary:
    """Summary of a run.

    Attributes:
        path: File of the stream; None for a temporary one.
        header: Settings of the run.
        probes: The measured probes.
        copies: Nudged copies of all scored inputs.
        forwards: Forward passes for them, including clean ones.
        flagged: Number of flagged inputs.
        threshold: Largest p-value that is flagged, 0 for none; None without flags.
    """

    def __init__(self, stream: Stream, file: BinaryIO) -> None:
        """Read the stream once.

        Args:
            stream: The run.
            file: An empty file for the numbers of all inputs, for exclusive use.
        """
        self._stream = stream
        self.path = stream.path
        self.header = stream.header
        self.probes: tuple[CalibratedProbe, ...] = stream.calibration.probes if stream.calibration else ()
        self._floor = np.array([probe.noise_floor for probe in self.probes])
        count = len(self.probes)
        # By probe: drops, their errors, distortions, flip rates. Then the score of the first detector, if any.
        self._with_scores = stream.header.detector_summary is not None
        self._columns = ColumnStore(file, max(1, 4 * count + self._with_scores))
        self.copies = self.forwards = 0
        p_values: Counter[float] = Counter()
        self._not_comparable: NDArray[np.int64] = np.zeros(count, np.int64)
        for entry in stream.entries():
            if isinstance(entry, ScoredInput):
                self.copies += entry.copies
                self.forwards += entry.forwards
                if entry.p_value is not None:
                    p_values[entry.p_value] += 1
                numbers = (*entry.drop, *entry.drop_error, *entry.distortion, *entry.flip_rate)
                self._columns.append((*numbers, *entry.scores[:1]))
                if entry.not_comparable:
                    self._not_comparable += entry.not_comparable
        self.threshold = _threshold(stream.header.detector_summary, p_values)
        self.flagged = sum(number for value, number in p_values.items() if self._flagged(value))
        columns = (self._columns.column(p).known() for p in range(count))
        self._usual = robust_stats(columns, self._floor) if count else None

    def _flagged(self, p_value: Number) -> bool | None:
        return None if self.threshold is None or p_value is None else p_value <= self.threshold

    def _ranked(self, most: int | None) -> NDArray[np.int64]:
        """Rank the inputs, most unusual first; in order of arrival if there are too few to compare.

        Args:
            most: Number of inputs, the latter half from the end; None for all.

        Returns:
            Positions of the inputs in order of rank.
        """
        if most is None:
            everything = np.concatenate([np.empty(0), *self._scores()])
            return np.argsort(-everything, kind="stable")
        scores, places = np.empty(0), np.empty(0, dtype=np.int64)
        end = 0
        for block in self._scores():
            scores = np.concatenate([scores, block])
            places = np.concatenate([places, np.arange(end, end + len(block))])
            end += len(block)
            # Inputs in the middle of a part are not at either end of the whole.
            kept = np.lexsort((places, -scores))
            if len(kept) > most:
                kept = np.delete(kept, slice(most - most // 2, len(kept) - most // 2))
            scores, places = scores[kept], places[kept]
        return places

    def _scores(self) -> Iterator[Float]:
        """Yield the ranking scores in blocks; zeros if there are too few inputs to compare."""
        count = len(self.probes)
        for block in self._columns.blocks():
            if self._with_scores:
                yield block[:, 4 * count]
            elif self._usual is None:
                yield np.zeros(len(block))
            else:
                yield robust_z(block[:, :count], block[:, count : 2 * count], self._usual).score

    def probe_results(self) -> tuple[ProbeResult, ...]:
        """Summarise each probe over all inputs; empty if no input was scored."""
        if not len(self._columns):
            return ()
        chosen = {probe.name: probe for probe in self.header.probes}
        return tuple(self._probe(p, chosen[probe.name], probe) for p, probe in enumerate(self.probes))

    def _probe(self, p: int, chosen: StreamProbe, measured: CalibratedProbe) -> ProbeResult:
        count = len(self.probes)
        drops, flips = self._columns.column(p).known(), self._columns.column(3 * count + p).known()
        low, middle, high = drops.quantiles([0.05, 0.5, 0.95]) if drops.count else [np.nan] * 3
        above = sum(int((block > measured.noise_floor).sum()) for block in drops.blocks()) / max(
            drops.count, 1
        )
        distortions = self._columns.column(2 * count + p)
        if self._not_comparable[p]:
            distortions = distortions.known()
        return ProbeResult(
            name=chosen.name,
            op=chosen.op,
            depth=chosen.depth,
            units=measured.units,
            reason=chosen.reason,
            noise_floor=measured.noise_floor,
            above_floor=above,
            drop_low=_number(low),
            drop_median=_number(middle),
            drop_high=_number(high),
            distortion_median=_number(distortions.median()) if distortions.count else None,
            flip_rate_median=_number(flips.median()) if flips.count else None,
            not_comparable=int(self._not_comparable[p]),
            compared=bool(self._usual is not None and self._usual.used[p]),
        )

    def advice(self) -> tuple[ProbeAdvice, ...] | None:
        """Recommend probes; None with too few inputs."""
        count, total = len(self.probes), len(self._columns)
        if total < MIN_INPUTS:
            return None
        step = -(-total // _MAX_ADVISING)
        kept, start = [], 0
        for block in self._columns.blocks():
            kept.append(block[-start % step :: step, : 2 * count])
            start += len(block)
        rows = np.concatenate(kept)
        rows = rows[np.isfinite(rows[:, :count]).all(axis=1)]
        if len(rows) < MIN_INPUTS:
            return None
        return advise(rows[:, :count], rows[:, count:], self.probes)

    def inputs(self, most: int | None = None) -> tuple[InputResult, ...]:
        """List the inputs, most unusual first; in order of arrival if there are too few to compare.

        Args:
            most: Number of inputs, half of them from the end; None for all.
        """
        order = self._ranked(most)
        ranks = np.arange(1, len(order) + 1)
        ranks[len(order) - len(order) // 2 :] += len(self._columns) - len(order)
        by_place = np.argsort(order)
        found: dict[int, InputResult] = {}
        entries = zip(self._at(order[by_place]), ranks[by_place].tolist(), by_place.tolist(), strict=True)
        for chunk in _chunks(entries):
            results = self._results([entry for entry, _, _ in chunk], [rank for _, rank, _ in chunk])
            found.update(zip((at for _, _, at in chunk), results, strict=True))
        return tuple(found[at] for at in range(len(order)))

    def failed(self, most: int | None = None) -> tuple[Failure, ...]:
        """List the inputs that were not scored, in order of arrival.

        Args:
            most: Most inputs to list; None for all.
        """
        failures: list[Failure] = []
        for entry in self._stream.entries() if self._stream.unscored else ():
            if isinstance(entry, UnscoredInput):
                if most is not None and len(failures) == most:
                    break
                failures.append(Failure(id=entry.id, reason=entry.reason))
        return tuple(failures)

    def everything(self) -> Iterator[InputResult | Failure]:
        """Yield all inputs in order of arrival."""
        order = self._ranked(None)
        ranks = np.empty(len(order), dtype=np.int64)
        ranks[order] = np.arange(1, len(order) + 1)
        del order
        place = 0
        for chunk in _chunks(self._stream.entries()):
            scored = [entry for entry in chunk if isinstance(entry, ScoredInput)]
            results = iter(self._results(scored, ranks[place : place + len(scored)].tolist()))
            place += len(scored)
            for entry in chunk:
                if isinstance(entry, ScoredInput):
                    yield next(results)
                else:
                    yield Failure(id=entry.id, reason=entry.reason)

    def _at(self, places: NDArray[np.int64]) -> Iterator[ScoredInput]:
        """Yield the scored inputs at sorted positions."""
        wanted = iter(places.tolist())
        following = next(wanted, None)
        place = 0
        for entry in self._stream.entries() if following is not None else ():
            if isinstance(entry, ScoredInput):
                if place == following:
                    yield entry
                    following = next(wanted, None)
                    if following is None:
                        return
                place += 1

    def _results(self, entries: Sequence[ScoredInput], ranks: Sequence[int]) -> list[InputResult]:
        if self._usual is None or not entries:
            given = ranks if self._with_scores else [None] * len(entries)
            return [self._result(entry, rank) for entry, rank in zip(entries, given, strict=True)]
        drops = np.array([entry.drop for entry in entries], dtype=np.float64)
        errors = np.array([entry.drop_error for entry in entries], dtype=np.float64)
        relative = robust_z(drops, errors, self._usual)
        return [
            self._result(entry, rank, score, deviation)
            for entry, rank, score, deviation in zip(
                entries, ranks, relative.score.tolist(), relative.deviations, strict=True
            )
        ]

    def _result(
        self,
        entry: ScoredInput,
        rank: int | None = None,
        score: float | None = None,
        deviation: Float | None = None,
    ) -> InputResult:
        if not any(drop is not None for drop in entry.drop):
            score = deviation = None
        return InputResult(
            id=entry.id,
            copies=entry.copies,
            rank=rank,
            scores=entry.scores,
            terms=entry.terms,
            nearest_reference=entry.nearest_reference,
            p_value=entry.p_value,
            flagged=self._flagged(entry.p_value),
            deviation=score,
            rotation=None if deviation is None else "more" if np.nanmean(deviation) > 0 else "less",
            published_score=entry.published_score,
            drop=entry.drop,
            drop_error=entry.drop_error,
            distortion=entry.distortion,
            flip_rate=entry.flip_rate,
            probe_deviations=None if deviation is None else tuple(map(_number, deviation.tolist())),
            prediction=entry.prediction,
        )


def _threshold(detectors: DetectorSummary | None, p_values: Mapping[float, int]) -> float | None:
    """Return the largest p-value that is flagged; None if no input can be flagged."""
    if detectors is None or not detectors.flags:
        return None
    return detectors.fpr if detectors.fdr is None else discovery_threshold(p_values, detectors.fdr)


@contextmanager
def summarise(stream: Stream) -> Iterator[StreamSummary]:
    """Summarise a run; numbers of all inputs are kept in a temporary file in the stream's folder.

    Raises:
        OutputError: If that file cannot be written.
    """
    where = "temporary file" if stream.path is None else f"{stream.path.parent}"
    try:
        if stream.path is None:
            file = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
        else:
            file = cast(BinaryIO, tempfile.TemporaryFile(dir=stream.path.parent))  # noqa: SIM115
        with file:
            yield StreamSummary(stream, file)
    except OSError as error:
        raise OutputError(f"{where}: cannot be written: {error.strerror}") from None


@contextmanager
@checked
def read_summary(path: Path) -> Iterator[StreamSummary]:
    """Summarise a run from the file that `score` streamed it to, without the model.

    Args:
        path: The file.

    Raises:
        OutputError: If it cannot be read, is not a stream, or is damaged.
    """
    with read_stream(path) as stream, summarise(stream) as summary:
        yield summary


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    following = iter(items)
    while chunk := list(islice(following, _CHUNK)):
        yield chunk


def _number(value: float | np.floating) -> Number:
    return float(value) if np.isfinite(value) else None
