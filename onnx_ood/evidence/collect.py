"""Measurement of a set of inputs, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from onnx_ood._progress import Phase
from onnx_ood._types import Progress
from onnx_ood.evidence.prepared_model import PreparedModel
from onnx_ood.evidence.preprocessing_choice import row_request
from onnx_ood.exceptions import ModelError
from onnx_ood.inputs import Batch, InputSource, Preprocessing, picture_to_type
from onnx_ood.perturb import synthetic_ood
from onnx_ood.results.base import Failure

BATCH = 32
"""Inputs read at once."""
# Pictures in memory measured at once: far more runs than workers, since these wait for the last run.
_PICTURES = 128
_MAX_SYNTHETIC = 300

Alteration = Callable[[NDArray[np.floating], np.random.Generator], NDArray[np.float32]]
"""Alters pictures [N, H, W, C] in [0, 1]."""

Found = TypeVar("Found", bound=Sized)


@dataclass(frozen=True)
class SeededAlteration:
    """An alteration with random draws of its own.

    Attributes:
        number: Number that is mixed into the seed.
        alter: The alteration.
    """

    number: int
    alter: Alteration


def numbered(alterations: Mapping[str, Alteration]) -> dict[str, SeededAlteration]:
    """Assign seeds to alterations, from 0 in order."""
    return {name: SeededAlteration(number, alter) for number, (name, alter) in enumerate(alterations.items())}


class Measures(Protocol[Found]):
    """Measures batches of inputs."""

    def read(self, batch: NDArray[Any], others: Mapping[str, NDArray[Any]] | None = None) -> Found:
        """Measure inputs [N, *input], with values of the model's other inputs; `ModelError` if a run fails."""

    def joined(self, parts: Sequence[Found]) -> Found:
        """Concatenate measured values of several batches; empty for no batches."""

    def finite(self, found: Found) -> NDArray[np.bool_]:
        """Return a mask of the inputs without NaN or infinity, bool [N]."""

    def rows(self, found: Found, which: NDArray[np.intp]) -> Found:
        """Return the measured values of some of the inputs."""


@dataclass
class Collected(Generic[Found]):
    """Measured values of one set of inputs.

    Attributes:
        ids: Names of the N measured inputs.
        values: Measured values of the inputs.
        altered: Measured values of the altered inputs by alteration.
        failed: Inputs that could not be measured.
        notes: Notes on how the inputs were read.
        digests: Digests of the measured inputs, `Batch.digests`.
        refusal: Error of the first input that the model could not run, or None.
    """

    ids: list[str]
    values: Found
    altered: dict[str, Found]
    failed: list[Failure] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    digests: list[bytes] = field(default_factory=list)
    refusal: ModelError | None = None


class Collector(Generic[Found]):
    """Measures sets of inputs of one model."""

    def __init__(
        self,
        reader: Measures[Found],
        prepared: PreparedModel,
        *,
        limit: int | None = None,
        seed: int = 0,
        altering: Callable[[], Measures[Found]] | None = None,
    ) -> None:
        """Store what measures and how.

        Args:
            reader: Measures batches.
            prepared: The model, with its preprocessing and feeds.
            limit: Maximum number of inputs of a set, or None.
            seed: Seed of samples and alterations.
            altering: Makes what measures altered inputs, when the first are measured; None for `reader`.
        """
        self._reader, self._prepared = reader, prepared
        self._limit, self._seed = limit, seed
        self._altering = altering

    @cached_property
    def _altered_reader(self) -> Measures[Found]:
        return self._altering() if self._altering else self._reader

    def collect(
        self,
        source: InputSource,
        alterations: Mapping[str, SeededAlteration] | None = None,
        progress: Progress | None = None,
        phase: str = "inputs",
    ) -> Collected[Found]:
        """Read and measure a set of inputs.

        Args:
            source: The inputs. With a limit, a random sample of them is measured.
            alterations: Alterations to apply to each picture, by name.
            progress: Called with the number of inputs done and in all.
            phase: Name of the measurement for `progress`.

        Returns:
            Measured values; inputs that cannot be read or run are listed as failed.
        """
        reader = self._prepared.reader(source, batch=BATCH, limit=self._limit, seed=self._seed)
        collected = Collected([], self._reader.joined([]), {})
        collected.failed = [Failure(id=missing.id, reason=missing.reason) for missing in source.missing]
        parts: list[Found] = []
        altered: dict[str, list[Found]] = {name: [] for name in alterations or {}}
        measuring, seen = Phase(progress, phase, reader.count() if progress else None), 0
        with closing(iter(reader)) as batches:
            for batch in batches:
                collected.failed += [Failure(id=failed.id, reason=failed.reason) for failed in batch.failed]
                if len(batch):
                    self._measure(batch, alterations or {}, collected, parts, altered, measuring)
                seen += len(batch) + len(batch.failed)
                measuring.reach(seen)
        collected.values = self._reader.joined(parts)
        collected.altered = {name: self._reader.joined(each) for name, each in altered.items()}
        collected.notes = tuple(reader.notes)
        return collected

    def measure_pictures(self, pictures: NDArray[np.floating], *, altered: bool = False) -> Found:
        """Measure pictures in memory.

        Args:
            pictures: [N, H, W, C] in [0, 1].
            altered: True for altered pictures.
        """
        reader = self._altered_reader if altered else self._reader
        tensors = self._tensors(pictures)
        return reader.joined(
            [reader.read(tensors[start : start + _PICTURES]) for start in range(0, len(tensors), _PICTURES)]
        )

    def measure_synthetic(self, count: int) -> dict[str, Found]:
        """Measure synthetic out-of-distribution pictures: noise and the like.

        Args:
            count: Number of in-distribution inputs; each synthetic set has as many pictures, up to 300.

        Returns:
            Measured values by name of the set.
        """
        shape = self._preprocessing.shape
        if self._preprocessing.layout == "NCHW":
            shape = (*shape[1:], shape[0])
        count = min(count, _MAX_SYNTHETIC)
        return {
            name: self.measure_pictures(make((count, *shape), np.random.default_rng([self._seed, 1, number])))
            for number, (name, make) in enumerate(synthetic_ood().items())
        }

    def finite_only(self, found: Found) -> Found | None:
        """Return the measured values of the inputs without NaN or infinity; None if no input is left."""
        rows = np.flatnonzero(self._reader.finite(found))
        return self._reader.rows(found, rows) if len(rows) else None

    @property
    def _preprocessing(self) -> Preprocessing:
        assert self._prepared.preprocessing is not None
        return self._prepared.preprocessing

    def _measure(
        self,
        batch: Batch,
        alterations: Mapping[str, SeededAlteration],
        collected: Collected[Found],
        parts: list[Found],
        altered: dict[str, list[Found]],
        measuring: Phase,
    ) -> None:
        """Measure one batch; if the model does not run it, each input alone."""
        others = self._prepared.feeding.others(batch)
        try:
            found = self._reader.read(batch.tensors, others)
        except ModelError as error:
            if len(batch) > 1:
                for i in range(len(batch)):
                    self._measure(batch.part(i, i + 1), alterations, collected, parts, altered, measuring)
                return
            collected.failed.append(Failure(id=batch.ids[0], reason=str(error)))
            collected.refusal = collected.refusal or error
            return
        finite = self._reader.finite(found)
        for i in np.flatnonzero(~finite).tolist():
            collected.failed.append(Failure(id=batch.ids[i], reason="the model gives NaN or infinity for it"))
        if not finite.any():
            return
        batch = batch.take(np.flatnonzero(finite))
        found = self._reader.rows(found, np.flatnonzero(finite))
        if parts and not self._alike(parts[0], found):
            reason = "its features have other sizes than those of the inputs before it"
            collected.failed += [Failure(id=one, reason=reason) for one in batch.ids]
            return
        parts.append(found)
        first = len(collected.ids)
        collected.ids += batch.ids
        collected.digests += batch.digests()
        if not alterations:
            return
        pictures = self._pictures(batch.tensors)
        for name, alteration in alterations.items():
            generator = np.random.default_rng([self._seed, alteration.number, first])
            tensors = self._tensors(alteration.alter(pictures, generator))
            altered[name].append(self._altered_reader.read(tensors, self._prepared.feeding.others(batch)))
            measuring.advance(len(batch) / (1 + len(alterations)))

    def _alike(self, one: Found, other: Found) -> bool:
        """Return whether the values of two batches can be joined; sizes of layers may depend on the input's."""
        try:
            self._reader.joined([one, other])
        except ValueError:
            return False
        return True

    def _pictures(self, tensors: NDArray[Any]) -> NDArray[np.float32]:
        pixels = self._preprocessing.denormalise(tensors)
        if self._preprocessing.layout == "NCHW":
            pixels = np.moveaxis(pixels, 1, -1)
        return np.clip(pixels, 0, 1)

    def _tensors(self, pictures: NDArray[np.floating]) -> NDArray[Any]:
        """Pictures as the model takes them; a model of integers gets them rounded, as from files."""
        if self._preprocessing.layout == "NCHW":
            pictures = np.moveaxis(pictures, -1, 1)
        tensors = self._preprocessing.normalise(pictures)
        if self._prepared.fed.floating:
            return tensors
        return picture_to_type(tensors, row_request(self._prepared.fed).dtype)
