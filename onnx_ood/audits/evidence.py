"""Measuring what detectors need of inputs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood.detectors import Evidence, Need, find_sources
from onnx_ood.graph import Model, Tensor
from onnx_ood.inputs import Preprocessing
from onnx_ood.measurement import ChannelReader, Channels, Prober, first_input
from onnx_ood.nudges import draw

# Nudges of the sensitivity profile: white noise, the same for all inputs.
COPIES = 2
SCALE = 0.02
"""Standard deviation, in pixels from 0 to 1 where pictures are normalised, else as the model takes them."""
# A drop below this is rounding, whatever the probe.
_SMALLEST_DROP = 1e-12


class EvidenceReader:
    """A model made ready for measuring evidence.

    Attributes:
        subject: What is known of the model.
        provider: `"cuda"` or `"cpu"`: where it really runs.
    """

    def __init__(
        self,
        model: Model,
        needs: Collection[Need],
        *,
        fed: Tensor | None = None,
        preprocessing: Preprocessing | None = None,
        seed: int = 0,
        provider: str = "auto",
        batch_size: int | None = None,
    ) -> None:
        """Creates the sessions.

        Args:
            model: The model.
            needs: Parts of the evidence that are wanted; those that the model doesn't have stay empty.
            fed: The graph input that inputs are fed to; None for the first that a batch can feed.
            preprocessing: How pictures became tensors, for the scale of nudges; None if that isn't known.
            seed: Seed of the nudges.
            provider: `"auto"`, `"cuda"` or `"cpu"`.
            batch_size: Inputs in one run; None lets memory decide.

        Raises:
            ModelError: If onnxruntime refuses the model.
            ProviderError: If the provider can't run here.
        """
        self._sources = find_sources(model)
        self.subject = self._sources.subject
        self._needs = set(needs)
        wanted = self._sources
        self._layers = self.subject.layers if "layers" in self._needs else ()
        self._norms = wanted.norms if "norms" in self._needs else ()
        self._scores = wanted.scores if {"logits"} & self._needs else None
        self._features = wanted.features if "features" in self._needs else None
        self._pooled = wanted.pooled if "pooled" in self._needs else None
        self._map = wanted.pooled if "rank-1" in self._needs else None
        fed = fed or first_input(model)
        # The input is a layer too, unless it is token ids or the like.
        first = (fed.name,) if self._layers and fed.floating else ()
        self._layers = (*first, *self._layers)
        tensors = [*self._layers, *self._norms, *_known(self._pooled)]
        values = _known(self._scores, self._features)
        self._reader = (
            ChannelReader(
                model,
                tensors,
                values=values,
                without_rank_1=_known(self._map),
                fed=fed,
                provider=provider,
                batch_size=batch_size,
            )
            if tensors or values or self._map
            else None
        )
        self._prober: Prober | None = None
        self._seed = seed
        self._gain: NDArray[np.floating] | float = 1.0 if preprocessing is None else preprocessing.gain
        if "pairs" in self._needs and self.subject.layers:
            probes = [model.by_name[name] for name in self.subject.layers]
            self._prober = Prober(
                model,
                probes,
                site=fed.name if fed.floating else None,
                others=[tensor.name for tensor in model.inputs if tensor.name != fed.name],
                provider=provider,
                batch_size=batch_size,
            )
        running = self._reader or self._prober
        self.provider = running.provider if running else "cpu"

    def read(self, batch: NDArray[Any], others: Mapping[str, NDArray[Any]] | None = None) -> Evidence:
        """Measures inputs.

        Args:
            batch: [N, *input].
            others: Values of the model's other inputs.

        Returns:
            What was asked for.

        Raises:
            UsageError: If a shape doesn't fit.
            ModelError: If a run fails.
        """
        found = self._reader.read(batch, others) if self._reader else Channels({}, {}, {})
        drops, flips = self._pairs(batch, others)
        statistics = found.statistics
        return Evidence(
            logits=None if self._scores is None else self._logits(found.values[self._scores]),
            features=None if self._features is None else _rows(found.values[self._features]),
            without_rank_1=None if self._map is None else found.without_rank_1[self._map],
            layers=tuple(statistics[name] for name in self._layers),
            norms=tuple(statistics[name] for name in self._norms),
            pooled=None if self._pooled is None else statistics[self._pooled],
            drops=drops,
            flips=flips,
        )

    def joined(self, parts: Sequence[Evidence]) -> Evidence:
        """Evidence of inputs one behind the other; empty of no parts."""
        return Evidence.joined(parts)

    def finite(self, found: Evidence) -> NDArray[np.bool_]:
        """Inputs for which nothing is NaN or infinite, [N]."""
        return found.finite()

    def rows(self, found: Evidence, which: NDArray[np.intp]) -> Evidence:
        """What was measured of some of the inputs."""
        return found.rows(which)

    def _pairs(
        self, batch: NDArray[Any], others: Mapping[str, NDArray[Any]] | None
    ) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
        if self._prober is None:
            return None, None
        shape = self._prober.site_shape(batch, others)
        nudges = draw("gaussian", shape, COPIES, self._seed) * SCALE * self._gain
        measured = self._prober.measure(batch, nudges.astype(np.float32), others)
        drops = np.maximum(measured.cosine_drop().mean(axis=1), _SMALLEST_DROP)
        return drops, measured.flip_rate().mean(axis=1)

    def _logits(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        rows = _rows(scores)
        if not self.subject.probabilities:
            return rows
        logs: NDArray[np.float64] = np.log(np.maximum(rows, np.finfo(np.float32).tiny))
        return logs


def _known(*names: str | None) -> list[str]:
    return [name for name in names if name is not None]


def _rows(values: NDArray[Any]) -> NDArray[np.float64]:
    return values.reshape(len(values), -1).astype(np.float64)
