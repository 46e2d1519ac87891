"""Measuring cosine drops at every layer for all nudges that a direction audit sweeps, in one pass over the inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.audits.directions.settings import COPIES
from onnx_ood.graph import Model, Tensor
from onnx_ood.inputs import Preprocessing
from onnx_ood.perturb import FAMILIES, draw, draw_smooth
from onnx_ood.runtime import Prober

# The noise floor is measured on this many inputs.
_FIRST_INPUTS = 8


class Sweep:
    """A model made ready for nudging inputs in every way.

    Attributes:
        families: Names of the families of nudges: those of `draw`, and 1/f noise where inputs are pictures.
        floor: Noise floor of each probe, [P], once inputs were measured.
    """

    def __init__(
        self,
        model: Model,
        probes: Sequence[Tensor],
        scales: Sequence[float],
        *,
        site: Tensor,
        preprocessing: Preprocessing | None,
        seed: int,
        provider: str,
        batch_size: int | None,
    ) -> None:
        """Creates the session.

        Args:
            model: The model.
            probes: Tensors to watch.
            scales: Standard deviations of nudges.
            site: The tensor to nudge.
            preprocessing: How pictures became tensors, for the units of scales; None if that isn't known.
            seed: Seed of the nudges.
            provider: `"auto"`, `"cuda"` or `"cpu"`.
            batch_size: Inputs in one run; None lets memory decide.

        Raises:
            SelectorError: If no probe can be measured.
            ModelError: If onnxruntime refuses the model.
            ProviderError: If the provider can't run here.
        """
        self.prober = Prober(model, probes, site=site.name, provider=provider, batch_size=batch_size)
        self.noises = (*FAMILIES, *(() if preprocessing is None else ("pink",)))
        self.floor: Float = np.zeros(0)
        self._scales, self._preprocessing, self._seed = scales, preprocessing, seed
        self._nudges: NDArray[np.float32] = np.empty((0, 0), np.float32)

    def read(self, batch: NDArray[Any], others: Mapping[str, NDArray[Any]] | None = None) -> Float:
        """Measures inputs.

        Args:
            batch: [N, *input].
            others: Values of the model's other inputs.

        Returns:
            Cosine drops, float64 [N, families, scales, copies, P]; where rounding alone makes more, that.

        Raises:
            ModelError: If a run fails.
        """
        if not self.floor.size:
            # Which axis of the others is that of inputs isn't known here.
            first = batch if others else batch[:_FIRST_INPUTS]
            self.floor = self.prober.noise_floor(first, others)
        shape = self.prober.site_shape(batch, others)
        if self._nudges.shape[1:] != shape:
            self._nudges = self._drawn(shape)
        drops = np.maximum(self.prober.measure(batch, self._nudges, others).cosine_drop(), self.floor)
        swept: Float = drops.reshape(len(batch), len(self.noises), len(self._scales), max(COPIES), -1)
        return swept

    def joined(self, parts: Sequence[Float]) -> Float:
        """Drops of inputs one behind the other; empty of no parts."""
        if parts:
            return np.concatenate(parts)
        return np.empty((0, len(self.noises), len(self._scales), max(COPIES), len(self.prober.probes)))

    def finite(self, found: Float) -> NDArray[np.bool_]:
        """Inputs for which all drops are numbers, [N]."""
        return np.asarray(np.isfinite(found).all(axis=(1, 2, 3, 4)))

    def rows(self, found: Float, which: NDArray[np.intp]) -> Float:
        """Drops of some of the inputs."""
        return found[which]

    def _drawn(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """All nudges [families · scales · copies, *shape]; every scale has the same draws."""
        gain = 1.0 if self._preprocessing is None else self._preprocessing.gain
        units = [self._units(noise, shape) for noise in self.noises]
        nudges = [(unit * scale * gain).astype(np.float32) for unit in units for scale in self._scales]
        return np.concatenate(nudges)

    def _units(self, noise: str, shape: tuple[int, ...]) -> Float:
        if noise in FAMILIES or self._preprocessing is None:
            return draw(noise, shape, max(COPIES), self._seed)
        last = self._preprocessing.layout == "NHWC"
        return draw_smooth(shape, max(COPIES), self._seed, channels_last=last)
