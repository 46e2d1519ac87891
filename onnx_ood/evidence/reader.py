"""Measurement of the features that detectors need."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood._dialect import named
from onnx_ood._types import Array, Float
from onnx_ood.detectors import Features, Need, activity_profile, channel_peaks, find_feature_sources
from onnx_ood.evidence.finite_outputs import finite_outputs
from onnx_ood.evidence.nudge_units import holds_features
from onnx_ood.evidence.perturbed import PerturbedFeatureReader
from onnx_ood.evidence.prepared_model import PreparedModel
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import FedInput, Model, Tensor, row_size
from onnx_ood.inputs import Preprocessing
from onnx_ood.results.base import DetectorNudges
from onnx_ood.runtime import ChannelReader, Channels, find_fed_input, first_input


@dataclass(frozen=True)
class ReaderFactory:
    """Makes readers of features that differ only in their needs, and read the model's own outputs too.

    Attributes:
        prepared: The model.
        seed: Seed of the nudges.
        provider: `"auto"`, `"cuda"` or `"cpu"`.
        batch_size: Inputs in one run; None for what memory allows.
        spread: Standard deviation of each feature of a table, the unit of its nudges; None for other units.
    """

    prepared: PreparedModel
    seed: int = 0
    provider: str = "auto"
    batch_size: int | None = None
    spread: Float | None = None

    def __call__(self, needs: Collection[Need]) -> FeatureReader:
        """Make a reader; raises the errors of `FeatureReader`."""
        return FeatureReader(
            self.prepared.model,
            needs,
            fed=self.prepared.fed,
            site=self.prepared.site,
            preprocessing=self.prepared.preprocessing,
            seed=self.seed,
            provider=self.provider,
            batch_size=self.batch_size,
            answer=self.prepared.answer,
            spread=self.spread,
            outputs=True,
        )


class FeatureReader:
    """Measures features of a model's inputs.

    Attributes:
        info: Facts about the model.
        channels: Reads the tensors of clean inputs; None if only nudged inputs are measured.
        provider: `"cuda"` or `"cpu"`: the provider in use.
    """

    def __init__(
        self,
        model: Model,
        needs: Collection[Need],
        *,
        fed: FedInput | None = None,
        site: Tensor | None = None,
        preprocessing: Preprocessing | None = None,
        seed: int = 0,
        provider: str = "auto",
        batch_size: int | None = None,
        answer: str | None = None,
        spread: Float | None = None,
        outputs: bool = False,
    ) -> None:
        """Create the sessions.

        Args:
            model: The model.
            needs: Parts of the features to measure; parts that the model lacks stay empty.
            fed: Model input that takes the inputs; None for the first that a batch can feed.
            site: Tensor to nudge; None for the fed input, or the first inner tensor of floats if it holds none.
            preprocessing: Preprocessing of pictures, which gives nudges their scale; None if unknown.
            seed: Seed of the nudges.
            provider: `"auto"`, `"cuda"` or `"cpu"`.
            batch_size: Inputs in one run; None for what memory allows.
            answer: Output of the model with class scores; None to find it.
            spread: Standard deviation of each feature of a table, the unit of its nudges; None for other units.
            outputs: True to read the model's own outputs in the same runs: `Features.finite_outputs`, and `read_all`.

        Raises:
            ModelError: If onnxruntime refuses the model.
            ProviderError: If the provider cannot run here.
        """
        fed = fed or find_fed_input(model, first_input(model))
        self._sources = find_feature_sources(model, answer, batched=fed.batch_axis is not None)
        self.info = self._sources.info
        self._needs, self._outputs = set(needs), outputs
        wanted = self._sources
        self._layers = self.info.layers if {"activity", "peaks"} & self._needs else ()
        self._norms = wanted.norms if "norms" in self._needs else ()
        self._scores = wanted.scores if {"logits"} & self._needs else None
        self._features = wanted.features if "features" in self._needs else None
        # Features that no tensor holds: the means of a map.
        self._means = wanted.pooled if "features" in self._needs and wanted.averaged else None
        self._pooled = wanted.pooled if "pooled" in self._needs else None
        self._map = wanted.pooled if "rank_1" in self._needs else None
        # An input of floats counts as a layer, unless statistics over its features depend on their units. Standardised
        # by the references, it would make p-values inexact: the inputs have no part in that mean and deviation.
        if self._layers and fed.floating and not holds_features(fed, preprocessing):
            self._layers = (fed.name, *self._layers)
        tensors = [*self._layers, *self._norms, *_known(self._pooled, self._means)]
        values = _known(self._scores, self._features)
        self.channels = (
            ChannelReader(
                model,
                tensors,
                values=values,
                without_rank_1=_known(self._map),
                outputs=outputs,
                fed=fed,
                batch_axis=fed.choice,
                provider=provider,
                batch_size=batch_size,
            )
            if tensors or values or self._map or outputs
            else None
        )
        self._nudged = PerturbedFeatureReader(
            model,
            wanted,
            self._needs,
            fed,
            site=site,
            preprocessing=preprocessing,
            seed=seed,
            provider=provider,
            batch_size=batch_size,
            answer=answer,
            spread=spread,
        )
        self.provider = (self.channels or self._nudged).provider or "cpu"

    @property
    def profiled(self) -> tuple[str, ...]:
        """Tensors of activity profiles: the fed input unless it holds integers or features, then the layers."""
        return self._layers

    def nudges_for(self, needs: Collection[Need]) -> DetectorNudges | None:
        """Describe the nudges of some parts of the features; None without nudges."""
        return self._nudged.nudges_for(needs)

    def read(self, batch: NDArray[Any], others: Mapping[str, NDArray[Any]] | None = None) -> Features:
        """Measure inputs.

        Args:
            batch: Inputs [N, *input].
            others: Values of the model's other inputs.

        Returns:
            The requested parts of the features.

        Raises:
            UsageError: If a shape does not fit.
            ModelError: If a run fails.
        """
        return self.read_all(batch, others)[0]

    def read_all(
        self, batch: NDArray[Any], others: Mapping[str, NDArray[Any]] | None = None
    ) -> tuple[Features, Mapping[str, Array]]:
        """Measure inputs, and return the model's own outputs of the same runs.

        Args:
            batch: Inputs [N, *input].
            others: Values of the model's other inputs.

        Returns:
            The features, and the outputs as `Measurement.outputs`; empty if they are not read.

        Raises:
            UsageError: If a shape does not fit.
            ModelError: If a run fails.
        """
        found = self.channels.read(batch, others) if self.channels else Channels({}, {}, {})
        statistics = found.statistics
        layers = [statistics[name] for name in self._layers]
        features = replace(
            self._nudged.read(batch, others),
            logits=None if self._scores is None else self._logits(self._values(found, self._scores)),
            features=self._features_in(found),
            without_rank_1=None if self._map is None else found.without_rank_1[self._map],
            activity=activity_profile(layers) if layers and "activity" in self._needs else None,
            peaks=tuple(map(channel_peaks, layers)) if "peaks" in self._needs else (),
            norms=tuple(statistics[name] for name in self._norms),
            pooled=None if self._pooled is None else statistics[self._pooled],
            finite_outputs=finite_outputs(found.outputs, len(batch)) if self._outputs else None,
        )
        return features, found.outputs

    def joined(self, parts: Sequence[Features]) -> Features:
        """Concatenate features of several batches; empty for no batches."""
        return Features.joined(parts)

    def finite(self, found: Features) -> NDArray[np.bool_]:
        """Return a mask of the inputs without NaN or infinity, bool [N]."""
        return found.finite()

    def rows(self, found: Features, which: NDArray[np.intp]) -> Features:
        """Return the features of some of the inputs."""
        return found.rows(which)

    def _features_in(self, found: Channels) -> Float | None:
        if self._means is not None:
            return found.statistics[self._means].mean
        return None if self._features is None else _rows(self._values(found, self._features))

    def _values(self, found: Channels, name: str) -> NDArray[Any]:
        """Return the values of a tensor, dequantized if it holds integers."""
        step = self._sources.steps.get(name)
        return found.values[name] if step is None else (found.values[name] - step[1]) * step[0]

    def _logits(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        if row_size(scores.shape[1:]) is None:
            raise UsageError(
                f"{self._scores!r} has shape {list(scores.shape[1:])} for each input, not one row of class scores; "
                f"name another output with {named('answer')}"
            )
        rows = _rows(scores)
        if not self.info.probabilities:
            return rows
        logs: NDArray[np.float64] = np.log(np.maximum(rows, np.finfo(np.float32).tiny))
        return logs


def _known(*names: str | None) -> list[str]:
    return [name for name in names if name is not None]


def _rows(values: NDArray[Any]) -> NDArray[np.float64]:
    return values.reshape(len(values), -1).astype(np.float64)
