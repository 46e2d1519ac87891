"""Cache of features: inputs measured in an earlier run are not measured again."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood.detectors import Features, ModelInfo, Need, find_feature_sources
from onnx_ood.evidence.packing import pack, unpack
from onnx_ood.evidence.reader import FeatureReader, ReaderFactory
from onnx_ood.evidence.store import Store
from onnx_ood.exceptions import ModelError, OnnxOodError
from onnx_ood.graph import find_rounding
from onnx_ood.results.provenance import environment, file_hash
from onnx_ood.runtime.providers import resolve

# Increase when the same versions of all packages begin to measure something else.
_FORMAT = 6
# Name of a set's features among its arrays.
_SET = "features"
PARTS: Mapping[Need, tuple[str, ...]] = {
    "logits": ("logits",),
    "features": ("features",),
    "rank_1": ("without_rank_1",),
    "activity": ("activity",),
    "peaks": ("peaks",),
    "norms": ("norms",),
    "pooled": ("pooled",),
    "pairs": ("drops", "flips", "distortions"),
    "smooth": ("smooth_drops",),
    "ring": ("transitions",),
    "jacobian": ("jacobian",),
}
"""Fields of `Features` that each need fills. Altered references are read as inputs of their own."""
# Read in all runs, and stored with each need.
_ALWAYS = ("finite_outputs",)


class FeatureCache:
    """Features of one model's inputs, stored in a folder.

    The key holds the tensors fed to the model, the content of the model's files, the preprocessing, the site and the
    seed (nudges depend on these), the provider, the requested batch size and the versions of the software. So moved
    files are found again, changed pictures are not. Each need is stored by itself.

    Attributes:
        found: Number of inputs found complete, counted each time they are requested.
        measured: Number of inputs that the model was run for.
        factory: Makes readers of features.
        runs_on: `"cuda"` or `"cpu"`.
    """

    def __init__(self, folder: Path, factory: ReaderFactory, needs: Collection[Need] = ()) -> None:
        """Create the folder and hash the model's files.

        Args:
            folder: Folder of the cache.
            factory: Makes readers of features.
            needs: Parts of the features that count as one: what was measured with other parts is not found, so that
                earlier runs cannot change the last digits. Empty to combine what several runs measured.

        Raises:
            OutputError: If the folder cannot be created.
            ProviderError: If the provider cannot run here.
        """
        self.found = self.measured = 0
        self.factory = factory
        prepared = factory.prepared
        model = prepared.model
        sources = find_feature_sources(model, prepared.answer, batched=prepared.batched)
        self._info = sources.info
        self._store = Store(folder)
        self._new: set[str] = set()
        self.runs_on = resolve(factory.provider).provider
        preprocessing = prepared.preprocessing
        self._about = {
            "format": _FORMAT,
            "model": [file_hash(path) for path in (model.path, *model.data_files)],
            "fed": prepared.fed.name,
            "batch_axis": prepared.fed.choice,
            "site": prepared.site.name,
            "scores": sources.scores,
            "head": [sources.features, sources.pooled, sources.averaged],
            "preprocessing": None if preprocessing is None else preprocessing.model_dump(mode="json"),
            "seed": factory.seed,
            "spread": None if factory.spread is None else factory.spread.tolist(),
            # Nudges are enlarged to it.
            "rounding": str(find_rounding(model, prepared.site) or ""),
            "provider": self.runs_on,
            "batch_size": factory.batch_size,
            "environment": environment().model_dump(),
            "together": sorted(needs),
        }

    @property
    def problem(self) -> str:
        """Reason why features could not be stored, or empty."""
        return self._store.problem

    def reader(self, needs: Collection[Need]) -> CachedReader:
        """Return a reader that takes features from the cache if they are there.

        Args:
            needs: Parts of the features to read.
        """
        return CachedReader(self, self._info, needs)

    def find(self, batch: str, needs: Collection[Need]) -> dict[Need, dict[str, Any]]:
        """Look up the features of a batch.

        Args:
            batch: Hash of the tensors.
            needs: Parts of the features.

        Returns:
            Fields of `Features` by need, without the needs that are not stored.
        """
        kept = {need: self._store.find(self._key(batch, need)) for need in needs}
        return {
            need: {name: unpack(arrays, name) for name in (*PARTS[need], *_ALWAYS)}
            for need, arrays in kept.items()
            if arrays is not None
        }

    def keep(self, batch: str, need: Need, features: Features) -> None:
        """Store the fields of one need.

        Args:
            batch: Hash of the tensors.
            need: The need.
            features: Measured features of the batch.
        """
        arrays: dict[str, NDArray[Any]] = {}
        for name in (*PARTS[need], *_ALWAYS):
            arrays |= pack(getattr(features, name), name)
        self._store.keep(self._key(batch, need), arrays)
        self._new.add(batch)

    def whole(self, needs: Collection[Need], pictures: str, measure: Callable[[], Features]) -> Features:
        """Return the features of a set of references and of their altered versions, stored as one.

        Args:
            needs: Parts of the features.
            pictures: Hash of all that the pictures depend on, apart from the preprocessing.
            measure: Measures the set; called if it is not stored.
        """
        key = json.dumps({**self._about, "set": pictures, "needs": sorted(needs)}, sort_keys=True)
        stored = self._store.find(key)
        features: Features = measure() if stored is None else unpack(stored, _SET)
        inputs = len(features) + sum(len(one) for one in features.altered)
        if stored is None:
            self._store.keep(key, pack(features, _SET))
            self.measured += inputs
        else:
            self.found += inputs
        return features

    def count(self, batch: str, inputs: int, *, complete: bool) -> None:
        """Count inputs as found or measured; batches stored by this run count as neither."""
        if not complete:
            self.measured += inputs
        elif batch not in self._new:
            self.found += inputs

    def _key(self, batch: str, need: Need) -> str:
        return json.dumps({**self._about, "batch": batch, "need": need}, sort_keys=True)


class CachedReader:
    """Reads features as `FeatureReader` does, with sessions only for what the cache lacks.

    Missing needs are measured together, as without a cache; needs added by a later run are measured alone. Every
    tensor that is read may change how the runtime fuses the others, so features measured in several runs can differ in
    the last digits from those measured at once. Failed runs are not stored; inputs with NaN or infinity in the
    model's outputs are marked.

    Attributes:
        info: Facts about the model.
        provider: `"cuda"` or `"cpu"`.
    """

    def __init__(self, cache: FeatureCache, info: ModelInfo, needs: Collection[Need]) -> None:
        self.info = info
        self.provider = cache.runs_on
        self._cache, self._needs = cache, sorted(set(needs) & set(PARTS))
        self._current: tuple[frozenset[Need], FeatureReader] | None = None

    def read(self, batch: NDArray[Any], others: Mapping[str, NDArray[Any]] | None = None) -> Features:
        """Read the features of inputs.

        Args:
            batch: Inputs [N, *input].
            others: Values of the model's other inputs.

        Raises:
            UsageError: If a shape does not fit.
            ModelError: If a run fails.
            OnnxOodError: If onnxruntime refuses the model, which is not the input's fault.
        """
        digest = _hash_of_arrays({"": batch, **(others or {})})
        known = self._cache.find(digest, self._needs)
        missing = [need for need in self._needs if need not in known]
        if missing:
            measured = self._reader(missing).read(batch, others)
            for need in missing:
                self._cache.keep(digest, need, measured)
                known[need] = {name: getattr(measured, name) for name in (*PARTS[need], *_ALWAYS)}
        self._cache.count(digest, len(batch), complete=not missing)
        values = {name: value for part in known.values() for name, value in part.items()}
        return Features(**{name: value for name, value in values.items() if value is not None})

    def joined(self, parts: Sequence[Features]) -> Features:
        """Concatenate features of several batches; empty for no batches."""
        return Features.joined(parts)

    def finite(self, found: Features) -> NDArray[np.bool_]:
        """Return a mask of the inputs without NaN or infinity, bool [N]."""
        return found.finite()

    def rows(self, found: Features, which: NDArray[np.intp]) -> Features:
        """Return the features of some of the inputs."""
        return found.rows(which)

    def _reader(self, missing: Collection[Need]) -> FeatureReader:
        """Return the existing reader if it reads the missing parts, else one that reads them too."""
        wanted = frozenset(missing)
        if self._current is not None:
            if wanted <= self._current[0]:
                return self._current[1]
            wanted |= self._current[0]
        try:
            self._current = wanted, self._cache.factory(wanted)
        except ModelError as error:
            # A ModelError would be taken for a failure of this batch, and the next ones be tried.
            raise OnnxOodError(str(error)) from None
        return self._current[1]


def _hash_of_arrays(arrays: Mapping[str, NDArray[Any]]) -> str:
    found = sha256()
    for name, array in sorted(arrays.items()):
        found.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()
