"""Reading a collection of inputs and measuring evidence of each, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from onnx_ood.evidence.feeding import Feeding
from onnx_ood.exceptions import ModelError
from onnx_ood.graph import Tensor
from onnx_ood.inputs import Batch, Preprocessing, Reader, discover
from onnx_ood.perturb import synthetic_ood
from onnx_ood.results.base import Failure
from onnx_ood.runtime import decoding_threads

# Inputs read at once.
BATCH = 32
FEWEST = 10
"""With fewer inputs in a collection, an AUROC says nothing."""
# Pictures of nothing are as many as ordinary inputs, and no more than this.
_MOST_MADE = 300

# Alters pictures [N, H, W, C] in [0, 1].
Alteration = Callable[[NDArray[np.floating], np.random.Generator], NDArray[np.float32]]

Found = TypeVar("Found")


@dataclass(frozen=True)
class Altering:
    """A way to alter pictures, with draws of its own.

    Attributes:
        number: Tells its draws from those of other ways.
        alter: Alters.
    """

    number: int
    alter: Alteration


def numbered(alterations: Mapping[str, Alteration]) -> dict[str, Altering]:
    """Ways to alter pictures, numbered from 0 on."""
    return {kind: Altering(number, alter) for number, (kind, alter) in enumerate(alterations.items())}


class Measures(Protocol[Found]):
    """Measures inputs, some at a time."""

    def read(self, batch: NDArray[Any], others: Mapping[str, NDArray[Any]] | None = None) -> Found:
        """Measures inputs [N, *input], with values of the model's other inputs; `ModelError` if a run fails."""

    def joined(self, parts: Sequence[Found]) -> Found:
        """What was measured of inputs one behind the other; empty of no parts."""

    def finite(self, found: Found) -> NDArray[np.bool_]:
        """Inputs for which nothing is NaN or infinite, [N]."""

    def rows(self, found: Found, which: NDArray[np.intp]) -> Found:
        """What was measured of some of the inputs."""


@dataclass
class Collected(Generic[Found]):
    """What was measured of one collection.

    Attributes:
        ids: Names of the N inputs that were measured.
        evidence: Of each.
        altered: Of each, altered; by kind.
        failed: The others.
        notes: What a user should know about how they were read.
    """

    ids: list[str]
    evidence: Found
    altered: dict[str, Found]
    failed: list[Failure] = field(default_factory=list)
    notes: tuple[str, ...] = ()


class Collector(Generic[Found]):
    """Measures collections of one model's inputs."""

    def __init__(
        self,
        reader: Measures[Found],
        fed: Tensor,
        preprocessing: Preprocessing | None,
        limit: int | None,
        seed: int,
        feeding: Feeding | None = None,
    ) -> None:
        """Settles how.

        Args:
            reader: Measures.
            fed: The model's input.
            preprocessing: How pictures become tensors, or None.
            limit: Inputs of a collection at most, or None.
            seed: Seed of samples and alterations.
            feeding: Knows the values of the model's other inputs; None for a model of one.
        """
        self._feeding = feeding
        self._reader, self._fed, self._preprocessing = reader, fed, preprocessing
        self._limit, self._seed = limit, seed

    def collect(
        self,
        paths: Sequence[str],
        alterations: Mapping[str, Altering] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Collected[Found]:
        """Reads and measures a collection.

        Args:
            paths: Files, folders or globs.
            alterations: What each picture is altered by, by kind.
            progress: Called with the number of inputs of each batch that is done.

        Returns:
            What was measured; inputs that can't be read or run are listed.
        """
        found = discover(paths)
        reader = Reader(
            self._sampled(found.paths),
            preprocessing=self._preprocessing,
            input_name=self._fed.name,
            input_shape=self._fed.shape or (),
            dtype=np.dtype(self._fed.dtype or "float32"),
            others=self._feeding.from_files if self._feeding else None,
            batch=BATCH,
            threads=decoding_threads(),
        )
        collected = Collected([], self._reader.joined([]), {})
        collected.failed = [Failure(id=missing.id, reason=missing.reason) for missing in found.missing]
        parts: list[Found] = []
        altered: dict[str, list[Found]] = {kind: [] for kind in alterations or {}}
        with closing(iter(reader)) as batches:
            for batch in batches:
                collected.failed += [Failure(id=failed.id, reason=failed.reason) for failed in batch.failed]
                left = (
                    len(batch) if self._limit is None else min(len(batch), self._limit - len(collected.ids))
                )
                if left > 0:
                    self._take(batch.part(0, left), alterations or {}, collected, parts, altered)
                if progress:
                    progress(len(batch))
        collected.evidence = self._reader.joined(parts)
        collected.altered = {kind: self._reader.joined(each) for kind, each in altered.items()}
        collected.notes = tuple(reader.notes)
        return collected

    def made(self, pictures: NDArray[np.floating]) -> Found:
        """Measures pictures that are made.

        Args:
            pictures: [N, H, W, C] in [0, 1].
        """
        tensors = self._tensors(pictures)
        return self._reader.joined(
            [self._reader.read(tensors[start : start + BATCH]) for start in range(0, len(tensors), BATCH)]
        )

    def nothing(self, ordinary: int) -> dict[str, Found]:
        """Measures pictures of nothing, as many of each kind as there are ordinary inputs, but not too many.

        Args:
            ordinary: Number of ordinary inputs.

        Returns:
            By kind.
        """
        assert self._preprocessing is not None
        shape = self._preprocessing.shape
        if self._preprocessing.layout == "NCHW":
            shape = (*shape[1:], shape[0])
        count = min(ordinary, _MOST_MADE)
        return {
            name: self.made(make((count, *shape), np.random.default_rng([self._seed, 1, number])))
            for number, (name, make) in enumerate(synthetic_ood().items())
        }

    def numbers(self, found: Found) -> Found | None:
        """What was measured of the inputs for which all of it are numbers; None if there are none."""
        rows = np.flatnonzero(self._reader.finite(found))
        return self._reader.rows(found, rows) if len(rows) else None

    def _sampled(self, paths: Sequence[Path]) -> Sequence[Path]:
        """A sample of files, in their order; each may hold several inputs."""
        if self._limit is None or len(paths) <= self._limit:
            return paths
        chosen = np.random.default_rng(self._seed).choice(len(paths), self._limit, replace=False)
        return [paths[i] for i in sorted(chosen.tolist())]

    def _take(
        self,
        batch: Batch,
        alterations: Mapping[str, Altering],
        collected: Collected[Found],
        parts: list[Found],
        altered: dict[str, list[Found]],
    ) -> None:
        """Measures one batch; of one that the model doesn't run, each input alone."""
        try:
            evidence = self._reader.read(batch.tensors, self._others(batch))
        except ModelError as error:
            if len(batch) > 1:
                for i in range(len(batch)):
                    self._take(batch.part(i, i + 1), alterations, collected, parts, altered)
                return
            collected.failed.append(Failure(id=batch.ids[0], reason=str(error)))
            return
        finite = self._reader.finite(evidence)
        for i in np.flatnonzero(~finite).tolist():
            collected.failed.append(Failure(id=batch.ids[i], reason="the model gives NaN or infinity for it"))
        if not finite.any():
            return
        batch = batch.take(np.flatnonzero(finite))
        parts.append(self._reader.rows(evidence, np.flatnonzero(finite)))
        for kind, way in alterations.items():
            generator = np.random.default_rng([self._seed, way.number, len(collected.ids)])
            tensors = self._alter(batch.tensors, way.alter, generator)
            altered[kind].append(self._reader.read(tensors, self._others(batch)))
        collected.ids += batch.ids

    def _others(self, batch: Batch) -> dict[str, NDArray[Any]]:
        return self._feeding.others(batch) if self._feeding else {}

    def _alter(
        self, tensors: NDArray[Any], alter: Alteration, generator: np.random.Generator
    ) -> NDArray[np.float32]:
        assert self._preprocessing is not None
        pixels = self._preprocessing.denormalise(tensors)
        if self._preprocessing.layout == "NCHW":
            pixels = np.moveaxis(pixels, 1, -1)
        return self._tensors(alter(np.clip(pixels, 0, 1), generator))

    def _tensors(self, pictures: NDArray[np.floating]) -> NDArray[np.float32]:
        assert self._preprocessing is not None
        if self._preprocessing.layout == "NCHW":
            pictures = np.moveaxis(pictures, -1, 1)
        return np.ascontiguousarray(self._preprocessing.normalise(pictures))
