"""Measurement of cosine drops at all layers for all nudges of a sweep, in one pass over the inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.audits.directions.settings import COPIES
from onnx_ood.evidence.finite_outputs import finite_outputs
from onnx_ood.evidence.nudge_units import NudgeUnit
from onnx_ood.evidence.prepared_model import PreparedModel
from onnx_ood.graph import Tensor
from onnx_ood.perturb import FAMILIES, draw, draw_smooth
from onnx_ood.runtime import Prober

# The noise floor is measured on this many inputs.
_FIRST_INPUTS = 8


class Sweep:
    """Measures the cosine drops of a sweep.

    Attributes:
        prober: Runs the nudged inputs.
        noises: Distributions of noise: those of `draw`, and 1/f noise if pictures are nudged.
        floor: Noise floor of each probe, float64 [P]; empty before the first batch.
    """

    def __init__(
        self,
        prepared: PreparedModel,
        probes: Sequence[Tensor],
        scales: Sequence[float],
        *,
        seed: int,
        provider: str,
        batch_size: int | None,
        spread: Float | None = None,
    ) -> None:
        """Create the session.

        Args:
            prepared: The model, with its site and preprocessing.
            probes: Tensors to watch.
            scales: Standard deviations of nudges.
            seed: Seed of the nudges.
            provider: `"auto"`, `"cuda"` or `"cpu"`.
            batch_size: Inputs in one run; None for what memory allows.
            spread: Standard deviation of each feature of a table, the unit of its nudges; None for other units.

        Raises:
            SelectorError: If no probe can be measured.
            ModelError: If onnxruntime refuses the model.
            ProviderError: If the provider cannot run here.
        """
        self.prober = Prober(
            prepared.model,
            probes,
            site=prepared.site.name,
            provider=provider,
            batch_size=batch_size,
            feeds=prepared.other_inputs,
            batch_axis=prepared.fed.choice,
        )
        preprocessing = prepared.site_preprocessing
        self.noises = (*FAMILIES, *(() if preprocessing is None else ("pink",)))
        self.floor: Float = np.zeros(0)
        self._scales, self._preprocessing, self._seed = scales, preprocessing, seed
        self._spread = spread
        self._nudges: NDArray[np.float32] = np.empty((0, 0), np.float32)

    def read(self, batch: NDArray[Any], others: Mapping[str, NDArray[Any]] | None = None) -> Float:
        """Measure inputs.

        Args:
            batch: Inputs [N, *input].
            others: Values of the model's other inputs.

        Returns:
            Cosine drops, float64 [N, noises, scales, copies, P], at least the noise floor; NaN for inputs with NaN or
            infinity in an output of the model.

        Raises:
            ModelError: If a run fails.
        """
        if not self.floor.size:
            # The axis of inputs of the other values is unknown here.
            first = batch if others else batch[:_FIRST_INPUTS]
            self.floor = self.prober.noise_floor(first, others)
        shape = self.prober.site_shape(batch, others)
        if self._nudges.shape[1:] != shape:
            self._nudges = self._drawn(shape)
        measured = self.prober.measure(batch, self._nudges, others)
        drops = np.maximum(measured.cosine_drop(), self.floor)
        drops[~finite_outputs(measured.outputs, len(batch))] = np.nan
        swept: Float = drops.reshape(len(batch), len(self.noises), len(self._scales), max(COPIES), -1)
        return swept

    def joined(self, parts: Sequence[Float]) -> Float:
        """Concatenate drops of several batches; empty for no batches."""
        if parts:
            return np.concatenate(parts)
        return np.empty((0, len(self.noises), len(self._scales), max(COPIES), len(self.prober.probes)))

    def finite(self, found: Float) -> NDArray[np.bool_]:
        """Return a mask of the inputs with finite drops, bool [N]."""
        return np.asarray(np.isfinite(found).all(axis=(1, 2, 3, 4)))

    def rows(self, found: Float, which: NDArray[np.intp]) -> Float:
        """Return the drops of some of the inputs."""
        return found[which]

    def _drawn(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Draw all nudges [noises · scales · copies, *shape]; all scales share the draws."""
        gain = 1.0 if self._preprocessing is None else self._preprocessing.gain
        units = [self._units(noise, shape) for noise in self.noises]
        # Scales are compared with each other, so none of them is enlarged to the steps of a model that rounds.
        sizes = [NudgeUnit(scale, gain).with_spread(self._spread, None) for scale in self._scales]
        return np.concatenate([size.nudges(unit) for unit in units for size in sizes])

    def _units(self, noise: str, shape: tuple[int, ...]) -> Float:
        if noise in FAMILIES or self._preprocessing is None:
            return draw(noise, shape, max(COPIES), self._seed)
        last = self._preprocessing.layout == "NHWC"
        return draw_smooth(shape, max(COPIES), self._seed, channels_last=last)
