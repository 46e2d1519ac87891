"""Nudges of inputs and the probes that they are measured at, from the settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from onnx_ood._dialect import named
from onnx_ood._types import Float
from onnx_ood.audits.score.adaptive import check_adaptive
from onnx_ood.audits.score.settings import ScoreSettings
from onnx_ood.evidence.nudge_units import NudgeUnit
from onnx_ood.evidence.prepared_model import PreparedModel
from onnx_ood.exceptions import SelectorError, UsageError
from onnx_ood.graph import Model, Suggestion, Tensor, find_rounding, select, suggest_probes
from onnx_ood.inputs import Chosen
from onnx_ood.perturb import draw, lesswrong_nudges
from onnx_ood.perturb.recipes import PROBE as LESSWRONG_PROBE
from onnx_ood.results.base import NudgeSettings
from onnx_ood.runtime import Measurement, Prober
from onnx_ood.runtime.providers import resolve

_DEFAULT_COPIES, _ADAPTIVE_COPIES = 4, 16


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
            space, copies = "tensor", 1
        else:
            space = settings.space
            copies = _ADAPTIVE_COPIES if settings.adaptive else _DEFAULT_COPIES
        if space == "auto":
            space = "tensor" if chosen is None or inner else "pixel"
        self.space: Literal["pixel", "tensor", "feature"] = "pixel" if space == "pixel" else "tensor"
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
        scaled.space = "feature"
        scaled.__dict__.pop("described", None)
        return scaled

    def measure(
        self,
        prober: Prober,
        batch: NDArray[Any],
        nudges: NDArray[np.floating],
        others: Mapping[str, NDArray[Any]],
    ) -> Measurement:
        """Measure nudged inputs, with angles at the site in the units of the nudges.

        Args:
            prober: Prober of the run.
            batch: Inputs [N, *input] as the model takes them.
            nudges: Nudges from `nudges` or `some`.
            others: Values of the model's other inputs, as `Prober.measure` takes them.
        """
        return self._unit.with_site_angles(prober.measure(batch, nudges, others), batch, nudges)

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
            space=self.space,
            scale=1e-5 if lesswrong else self.scale,
            copies=self.copies,
            adaptive=self._settings.adaptive,
            seed=self._settings.seed,
        )


class Nudging:
    """Choice of nudges and probes for one model.

    Attributes:
        probes: The chosen probes, with the reason for each.
        rounding: Steps to which the model rounds the site, or None.
        perturber: Makes the nudges.
    """

    def __init__(self, prepared: PreparedModel, settings: ScoreSettings) -> None:
        """Choose probes and nudges.

        Args:
            prepared: The model.
            settings: Settings of the audit.

        Raises:
            SelectorError: If a selector of probes matches nothing.
            UsageError: If a setting does not fit the model.
            ModelError: If nothing in the model can be measured.
        """
        self._prepared, self._settings = prepared, settings
        self.probes = choose_probes(prepared.model, settings, prepared.site)
        self.rounding = find_rounding(prepared.model, prepared.site)
        self.perturber = Perturber(
            settings,
            prepared.chosen,
            inner=not prepared.site_holds_input,
            step=None if self.rounding is None else self.rounding.step,
        )
        if settings.adaptive:
            check_adaptive(self.perturber.copies, resolve(settings.provider).provider)
        if settings.advise and self.perturber.copies < 2:
            raise UsageError(
                f"advice compares copies of an input with each other; give {named('copies', 2)} or more"
            )

    def scaled_by(self, spread: Float | None) -> Nudging:
        """Return a copy whose nudges are scaled as `Perturber.scaled_by` does."""
        scaled = copy(self)
        scaled.perturber = self.perturber.scaled_by(spread)
        return scaled

    def prober(self, skipped: Collection[str]) -> Prober:
        """Load the model with its probes.

        Args:
            skipped: Names of probes to leave out.
        """
        prepared, settings = self._prepared, self._settings
        return Prober(
            prepared.model,
            [probe.tensor for probe in self.probes if probe.tensor.name not in skipped],
            site=prepared.site.name,
            provider=settings.provider,
            batch_size=settings.batch_size,
            exact=settings.exact,
            tf32=settings.tf32,
            feeds=settings.feeds,
            batch_axis=prepared.fed.choice,
        )


def choose_probes(model: Model, settings: ScoreSettings, site: Tensor) -> tuple[Suggestion, ...]:
    """Choose the probes: the user's, the recipe's, or suggested ones.

    Args:
        model: The model.
        settings: The settings.
        site: Tensor to nudge.

    Returns:
        The tensors with the reason for each, in execution order.

    Raises:
        SelectorError: If a selector matches nothing.
        UsageError: If the model has no probe of the recipe.
        ModelError: If nothing in the model can be measured.
    """
    if settings.probes:
        chosen = select(model, settings.probes, site)
        return tuple(Suggestion(tensor, "selected by the user") for tensor in chosen)
    if settings.recipe == "lesswrong":
        try:
            found = select(model, LESSWRONG_PROBE, site)
        except SelectorError:
            raise UsageError(
                f"the recipe watches the third-last Conv, and {model.path} has fewer than three after the site; name a "
                f"probe. For language models use {named('scale', 0.01)}, {named('copies', 50)} and "
                f"{named('probes', 'outputs')}"
            ) from None
        return tuple(Suggestion(tensor, "the third-last Conv, as in the recipe") for tensor in found)
    return suggest_probes(model, site=site)
