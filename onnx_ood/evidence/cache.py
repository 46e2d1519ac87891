"""Evidence that is measured once: what is known of an input from an earlier run is not measured again."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood.detectors import Features, ModelInfo, Need, find_feature_sources
from onnx_ood.evidence.reader import FeatureReader, MakesReaders
from onnx_ood.evidence.store import Store
from onnx_ood.exceptions import ModelError, OnnxOodError
from onnx_ood.results.provenance import environment, file_hash
from onnx_ood.runtime import ChannelStatistics
from onnx_ood.runtime.providers import resolve

# To be counted up when the same version of everything begins to measure something else.
_FORMAT = 1
PARTS: Mapping[Need, tuple[str, ...]] = {
    "logits": ("logits",),
    "features": ("features",),
    "rank_1": ("without_rank_1",),
    "layers": ("layers",),
    "norms": ("norms",),
    "pooled": ("pooled",),
    "pairs": ("drops", "flips", "distortions"),
    "smooth": ("smooth_drops",),
    "ring": ("transitions",),
    "jacobian": ("jacobian",),
}
"""The fields of the evidence that each need fills. What is altered is read by itself, as other inputs."""


class FeatureCache:
    """Evidence of one model's inputs, kept in a folder.

    It is found again by the tensors that the model is fed, so that it doesn't matter where they came from: files that
    are moved are known, pictures that are changed or altered in another way are not. Beside these the key has the
    content of the model's files, the preprocessing and the seed (nudges depend on both), the provider, the batch size
    that was asked for, and the versions of what makes the numbers. Each need is kept by itself.

    Attributes:
        found: Inputs of which everything was known from earlier runs, each as often as it was wanted.
        measured: The others.
        measuring: Makes what measures parts of the evidence.
        runs_on: `"cuda"` or `"cpu"`.
    """

    def __init__(self, folder: Path, measuring: MakesReaders) -> None:
        """Reads the model's files once, for their hash.

        Args:
            folder: Where to keep it.
            measuring: Makes what measures parts of the evidence.

        Raises:
            OutputError: If the folder can't be made.
            UsageError: If there is no such provider.
            ProviderError: If the provider can't run here.
        """
        self.found = self.measured = 0
        self.measuring = measuring
        model = measuring.model
        self._info = find_feature_sources(model).info
        self._store = Store(folder)
        self._new: set[str] = set()
        self.runs_on = resolve(measuring.provider).provider
        known = measuring.preprocessing
        self._about = {
            "format": _FORMAT,
            "model": [file_hash(path) for path in (model.path, *model.data_files)],
            "fed": measuring.fed.name,
            "preprocessing": None if known is None else known.model_dump(mode="json"),
            "seed": measuring.seed,
            "provider": self.runs_on,
            "batch_size": measuring.batch_size,
            "environment": environment().model_dump(),
        }

    @property
    def problem(self) -> str:
        """Why something could not be kept, or empty."""
        return self._store.problem

    def reader(self, needs: Collection[Need]) -> CachedReader:
        """What gives evidence, from the cache as far as that goes.

        Args:
            needs: Parts of the evidence that are wanted.
        """
        return CachedReader(self, self._info, needs)

    def find(self, batch: str, needs: Collection[Need]) -> dict[Need, dict[str, Any]]:
        """What is known of inputs.

        Args:
            batch: Hash of their tensors.
            needs: What is wanted.

        Returns:
            By need the fields of the evidence; without needs of which nothing is known.
        """
        kept = {need: self._store.find(self._key(batch, need)) for need in needs}
        return {
            need: {name: _unpacked(arrays, name) for name in PARTS[need]}
            for need, arrays in kept.items()
            if arrays is not None
        }

    def keep(self, batch: str, need: Need, evidence: Features) -> None:
        """Keeps what one need filled.

        Args:
            batch: Hash of the tensors.
            need: The need.
            evidence: What was measured.
        """
        arrays: dict[str, NDArray[Any]] = {}
        for name in PARTS[need]:
            arrays |= _packed(getattr(evidence, name), name)
        self._store.keep(self._key(batch, need), arrays)
        self._new.add(batch)

    def count(self, batch: str, inputs: int, *, complete: bool) -> None:
        """Counts inputs; what this run has kept itself is no find."""
        if not complete:
            self.measured += inputs
        elif batch not in self._new:
            self.found += inputs

    def _key(self, batch: str, need: Need) -> str:
        return json.dumps({**self._about, "batch": batch, "need": need}, sort_keys=True)


class CachedReader:
    """Gives evidence as `FeatureReader` does, and creates sessions only for what isn't known yet.

    Needs that are missing are measured together, as they are without a cache; those that come later are measured by
    themselves. Every tensor that is read may change how the runtime fuses the others, so such evidence can differ in
    the last places from what is measured all at once. What fails is not kept: it is tried again.

    Attributes:
        info: What is known of the model.
        provider: `"cuda"` or `"cpu"`.
    """

    def __init__(self, cache: FeatureCache, info: ModelInfo, needs: Collection[Need]) -> None:
        self.info = info
        self.provider = cache.runs_on
        self._cache, self._needs = cache, sorted(set(needs) & set(PARTS))
        self._measuring: tuple[frozenset[Need], FeatureReader] | None = None

    def read(self, batch: NDArray[Any], others: Mapping[str, NDArray[Any]] | None = None) -> Features:
        """What was asked for of inputs [N, *input].

        Args:
            batch: The inputs.
            others: Values of the model's other inputs.

        Raises:
            UsageError: If a shape doesn't fit.
            ModelError: If a run fails.
            OnnxOodError: If onnxruntime refuses the model, which is no input's fault.
        """
        digest = _hash_of_arrays({"": batch, **(others or {})})
        known = self._cache.find(digest, self._needs)
        missing = [need for need in self._needs if need not in known]
        if missing:
            measured = self._reader(missing).read(batch, others)
            for need in missing:
                self._cache.keep(digest, need, measured)
                known[need] = {name: getattr(measured, name) for name in PARTS[need]}
        self._cache.count(digest, len(batch), complete=not missing)
        values = {name: value for part in known.values() for name, value in part.items()}
        return Features(**{name: value for name, value in values.items() if value is not None})

    def joined(self, parts: Sequence[Features]) -> Features:
        """Evidence of inputs one behind the other; empty of no parts."""
        return Features.joined(parts)

    def finite(self, found: Features) -> NDArray[np.bool_]:
        """Inputs for which nothing is NaN or infinite, [N]."""
        return found.finite()

    def rows(self, found: Features, which: NDArray[np.intp]) -> Features:
        """What was measured of some of the inputs."""
        return found.rows(which)

    def _reader(self, missing: Collection[Need]) -> FeatureReader:
        """The one that there is, if it measures what is missing; else one that measures that too."""
        wanted = frozenset(missing)
        if self._measuring is not None:
            if wanted <= self._measuring[0]:
                return self._measuring[1]
            wanted |= self._measuring[0]
        try:
            self._measuring = wanted, self._cache.measuring(wanted)
        except ModelError as error:
            # A model error here would be taken for one of the inputs that are read, and the next ones be tried.
            raise OnnxOodError(str(error)) from None
        return self._measuring[1]


def _hash_of_arrays(arrays: Mapping[str, NDArray[Any]]) -> str:
    found = sha256()
    for name, array in sorted(arrays.items()):
        found.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def _packed(value: Any, name: str) -> dict[str, NDArray[Any]]:
    """A field of evidence as arrays, whose names say how it is nested."""
    if value is None:
        return {}
    if isinstance(value, tuple):
        inner = {str(place): one for place, one in enumerate(value)}
    elif isinstance(value, ChannelStatistics):
        inner = {field.name: getattr(value, field.name) for field in fields(value)}
    else:
        return {name: value}
    arrays: dict[str, NDArray[Any]] = {}
    for part, one in inner.items():
        arrays |= _packed(one, f"{name}.{part}")
    return arrays


def _unpacked(arrays: Mapping[str, NDArray[Any]], name: str) -> Any:
    """The field again; None where there are no arrays of it."""
    if name in arrays:
        return arrays[name]
    start = f"{name}."
    inner = {one.removeprefix(start).partition(".")[0] for one in arrays if one.startswith(start)}
    if not inner:
        return None
    parts = {one: _unpacked(arrays, start + one) for one in inner}
    if all(one.isdecimal() for one in inner):
        return tuple(parts[str(place)] for place in range(len(parts)))
    return ChannelStatistics(**parts)
