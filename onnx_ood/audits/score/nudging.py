"""Nudges of a batch, from the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood._dialect import named
from onnx_ood._types import Float
from onnx_ood.audits.score.settings import ScoreSettings
from onnx_ood.evidence.nudge_units import NudgeUnit
from onnx_ood.exceptions import UsageError
from onnx_ood.inputs import Chosen
from onnx_ood.perturb import draw, lesswrong_nudges
from onnx_ood.results.base import NudgeSettings
from onnx_ood.runtime import Prober

_DEFAULT_COPIES = 4


class Perturber:
    """Makes the nudges for any batch of one audit."""

    def __init__(
        self, settings: ScoreSettings, chosen: Chosen | None, *, inner: bool, step: float | None = None
    ) -> None:
        """Choose space, scale and copies.

        Args:
            settings: The user's settings.
            chosen: Preprocessing of pictures; None if unknown.
            inner: True if the site is inside the model, which has no pixels.
            step: Step to which the model rounds the site; smaller nudges are enlarged to it. None without rounding.

        Raises:
            UsageError: If pixel space is requested for an inner site or without a known normalisation.
        """
        self._settings = settings
        self.recipe = settings.recipe
        if self.recipe is not None:
            self.space, copies = "tensor", 1
        else:
            self.space, copies = settings.space, _DEFAULT_COPIES
        if self.space == "auto":
            self.space = "tensor" if chosen is None or inner else "pixel"
        if self.space == "pixel" and inner:
            raise UsageError(f"pixel space does not exist at an inner site; use {named('space', 'tensor')}")
        if self.space == "pixel" and chosen is None:
            raise UsageError(
                f"pixel space requires the normalisation of the inputs; set it with {named('preprocess')}, or use "
                f"{named('space', 'tensor')}"
            )
        self.copies = copies if settings.copies is None else settings.copies
        gain: NDArray[np.floating] | float = 1.0
        if self.space == "pixel" and chosen is not None:
            gain = chosen.preprocessing.gain
        self._step = step
        self._unit = NudgeUnit(settings.scale, gain)
        if self.recipe is None:
            self._unit = self._unit.with_step(step)
        self._drawn: NDArray[np.float32] = np.empty((0, 0), dtype=np.float32)

    @property
    def scale(self) -> float:
        """Standard deviation of nudges, in the units that the result names."""
        return self._unit.scale

    def scaled_by(self, spread: Float | None) -> Perturber:
        """Return a copy whose nudges have the spread of each feature as their unit.

        Args:
            spread: Standard deviation of each feature, float64 [D]; None for no change.
        """
        if spread is None or self.recipe is not None:
            return self
        scaled = copy(self)
        scaled._unit = NudgeUnit(self._settings.scale).with_spread(spread, self._step)
        scaled._drawn = np.empty((0, 0), dtype=np.float32)
        return scaled

    def nudges(
        self, prober: Prober, batch: NDArray[Any], others: Mapping[str, NDArray[Any]]
    ) -> NDArray[np.floating]:
        """Make the nudges for a batch.

        Args:
            prober: Prober that measures the batch.
            batch: Inputs [N, *input] as the model takes them.
            others: Values of the model's other inputs, as `Prober.measure` takes them.

        Returns:
            [K, *site] shared by all inputs, or [N, K, *site] for a recipe that scales with each input's norm.
        """
        if self.recipe is not None:
            return lesswrong_nudges(prober.site_values(batch, others), self.copies, self._settings.seed)
        shape = prober.site_shape(batch, others)
        if self._drawn.shape[1:] != shape:
            self._drawn = self._draw(shape)
        return self._drawn

    def some(
        self, nudges: NDArray[np.floating], copies: slice, rows: NDArray[np.int64] | None = None
    ) -> NDArray[np.floating]:
        """Select nudges by copy and input.

        Args:
            nudges: Nudges from `nudges`.
            copies: Selection of the K copies.
            rows: Indices of inputs in the batch; None for all.
        """
        if self.recipe is None:
            return nudges[copies]
        return nudges[:, copies] if rows is None else nudges[rows, copies]

    def _draw(self, shape: Sequence[int]) -> NDArray[np.float32]:
        noise = draw(self._settings.noise, shape, self.copies, self._settings.seed)
        return self._unit.nudges(noise)

    @cached_property
    def described(self) -> NudgeSettings:
        """Settings for the result, with resolved defaults."""
        lesswrong = self.recipe is not None
        return NudgeSettings(
            recipe="lesswrong" if lesswrong else None,
            noise="gaussian" if lesswrong else self._settings.noise,
            space="pixel" if self.space == "pixel" else "tensor",
            scale=1e-5 if lesswrong else self.scale,
            copies=self.copies,
            adaptive=self._settings.adaptive,
            seed=self._settings.seed,
        )
