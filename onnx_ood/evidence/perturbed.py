"""Measurement of the features of nudged inputs.

All inputs share the nudges, drawn from the seed, so features of an input do not depend on the rest of its batch. Each
part of the features has runs of its own, so its values do not depend on the other parts requested.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from onnx_ood import metrics
from onnx_ood._types import Float
from onnx_ood.detectors import Features, FeatureSources, Need
from onnx_ood.evidence.nudge_units import NudgeUnit
from onnx_ood.evidence.site_choice import choose_site
from onnx_ood.graph import FedInput, Model, Tensor, find_rounding, holds_input, measurable
from onnx_ood.inputs import Preprocessing
from onnx_ood.perturb import Ellipse, draw, draw_smooth
from onnx_ood.results.base import DetectorNudges
from onnx_ood.runtime import JacobianProber, Measurement, Prober, ring_transitions

Others = Mapping[str, NDArray[Any]] | None

COPIES = 2
"""Nudged copies per distribution of noise."""
SCALE = 0.02
"""Standard deviation of nudges: in pixels from 0 to 1 for pictures, in spreads of the features of tables that differ in
scale, else in units of the model's input. Models that round their input get nudges of one step at least."""
POINTS = 8
"""Points of the ring."""
DIRECTIONS = 2
"""Directions of the Jacobian."""
# Smaller drops are rounding errors at any probe, and so are the angles with such drops.
_MIN_DROP = 1e-12
_MIN_ANGLE = (2 * _MIN_DROP) ** 0.5
NUDGED: frozenset[Need] = frozenset({"pairs", "smooth", "ring"})
"""Parts of the features that are measured under nudges."""
# Nudged copies of each input by part; a difference takes two.
_COPIES: Mapping[Need, int] = {"pairs": COPIES, "smooth": COPIES, "ring": POINTS, "jacobian": 2 * DIRECTIONS}


class PerturbedFeatureReader:
    """Measures features of nudged inputs; creates only the sessions that the needs take.

    Attributes:
        provider: `"cuda"` or `"cpu"`: the provider in use; None without a session.
    """

    def __init__(
        self,
        model: Model,
        sources: FeatureSources,
        needs: Collection[Need],
        fed: FedInput,
        *,
        site: Tensor | None = None,
        preprocessing: Preprocessing | None,
        seed: int,
        provider: str,
        batch_size: int | None,
        answer: str | None = None,
        spread: Float | None = None,
    ) -> None:
        """Create the sessions.

        Args:
            model: The model.
            sources: Tensors to read features from.
            needs: Parts of the features to measure.
            fed: Model input that takes the inputs.
            site: Tensor to nudge; None for the fed input, or the first inner tensor of floats if it holds none.
            preprocessing: Preprocessing of pictures; None if unknown.
            seed: Seed of the nudges.
            provider: `"auto"`, `"cuda"` or `"cpu"`.
            batch_size: Inputs in one run; None for what memory allows.
            answer: Output of the model with class scores; None to find it.
            spread: Standard deviation of each feature of a table, the unit of its nudges; None for other units.

        Raises:
            ModelError: If onnxruntime refuses the model.
            ProviderError: If the provider cannot run here.
        """
        self._layers, self._needs, self._seed = sources.info.layers, set(needs), seed
        self._prober: Prober | None = None
        self._jacobian: JacobianProber | None = None
        self.provider: str | None = None
        at_layers = bool(self._layers and self._needs & NUDGED)
        of_answer = "jacobian" in self._needs and bool(sources.scores or self._layers)
        if not (at_layers or of_answer):
            return
        others = [tensor.name for tensor in model.inputs if tensor.name != fed.name]
        if site is None:
            site = (
                model.by_name[fed.name]
                if fed.floating
                else choose_site(model, None, dict.fromkeys(others, ""))[0]
            )
        pictures = preprocessing if holds_input(model, site) else None
        unit = NudgeUnit(SCALE, 1.0 if pictures is None else pictures.gain)
        self._rounding = find_rounding(model, site)
        self._unit = unit.with_spread(spread, None if self._rounding is None else self._rounding.step)
        self._space: Literal["pixel", "tensor", "feature"] = "tensor" if pictures is None else "pixel"
        if spread is not None:
            self._space = "feature"
        self._channels_last = pictures is not None and pictures.layout == "NHWC"
        if at_layers:
            reached = self._layers
            if not site.is_input:  # Layers before an inner site don't change with it.
                after = {tensor.name for tensor in measurable(model, site)}
                reached = tuple(name for name in self._layers if name in after)
            probes = [model.by_name[name] for name in reached]
            self._prober = Prober(
                model,
                probes,
                site=site.name,
                provider=provider,
                batch_size=batch_size,
                feeds=others,
                batch_axis=fed.choice,
            )
            self.provider = self._prober.provider
        if of_answer:
            of = None if sources.scores else model.by_name[self._layers[-1]]
            self._jacobian = JacobianProber(
                model,
                of,
                site=site.name,
                provider=provider,
                batch_size=batch_size,
                feeds=others,
                batch_axis=fed.choice,
                answer=answer,
            )
            self.provider = self._jacobian.prober.provider

    def nudges_for(self, needs: Collection[Need]) -> DetectorNudges | None:
        """Describe the nudges of some parts of the features; None without nudges.

        Args:
            needs: Parts of the features.
        """
        at_layers = self._prober is not None and not NUDGED.isdisjoint(needs)
        if not at_layers and (self._jacobian is None or "jacobian" not in needs):
            return None
        return DetectorNudges(
            copies=sum(_COPIES.get(need, 0) for need in needs),
            space=self._space if at_layers else "tensor",
            scale=self._unit.scale if at_layers else None,
        )

    def read(self, batch: NDArray[Any], others: Others = None) -> Features:
        """Measure inputs.

        Args:
            batch: Inputs [N, *input].
            others: Values of the model's other inputs.

        Returns:
            The requested parts of the features of nudged inputs.

        Raises:
            UsageError: If a shape does not fit.
            ModelError: If a run fails.
        """
        found = Features()
        if self._prober is not None:
            found = self._at_layers(self._prober, batch, others)
        if self._jacobian is not None:
            step = self._jacobian_step(self._jacobian, batch, others)
            norms = self._jacobian.measure(batch, DIRECTIONS, self._seed, others, step=step)
            found = replace(found, jacobian=norms.norm)
        return found

    def _jacobian_step(self, jacobian: JacobianProber, batch: NDArray[Any], others: Others) -> Float:
        """Sizes of differences, float64 [N]: those of the steps to which the model rounds, if it does."""
        if self._rounding is None:
            return jacobian.default_step(batch, others)
        values = jacobian.prober.site_values(batch, others)
        # Directions have norm 1, so that each element of a nudge is as large as a step on average.
        steps: Float = self._rounding.steps(values) * prod(values.shape[1:]) ** 0.5
        return steps

    def _at_layers(self, prober: Prober, batch: NDArray[Any], others: Others) -> Features:
        shape = prober.site_shape(batch, others)
        white = self._unit.of(draw("gaussian", shape, COPIES, self._seed))
        found = Features()
        if "pairs" in self._needs:
            nudges = white.astype(np.float32)
            measured = self._unit.with_site_angles(prober.measure(batch, nudges, others), batch, nudges)
            found = Features(
                drops=self._placed(prober, _drops(measured), _MIN_DROP),
                flips=self._placed(prober, _means(measured, measured.flip_rate(), 0), 0),
                distortions=self._placed(prober, _distortions(measured), 1),
            )
        if "smooth" in self._needs:
            unit = draw_smooth(shape, COPIES, self._seed, channels_last=self._channels_last)
            measured = prober.measure(batch, self._unit.of(unit).astype(np.float32), others)
            found = replace(found, smooth_drops=self._placed(prober, _drops(measured), _MIN_DROP))
        if "ring" in self._needs:
            # Each point is distributed like the nudges in `white`, since cos² + sin² = 1.
            ring = Ellipse(np.zeros(shape), *white).at(np.arange(POINTS) / POINTS)
            transitions = ring_transitions(prober, batch, ring.astype(np.float32), others)
            found = replace(found, transitions=self._placed(prober, transitions, 0))
        return found

    def _placed(self, prober: Prober, values: Float, nothing: float) -> Float:
        """Values at probes, [N, P], in the order of the layers; layers without units get `nothing`."""
        if prober.probes == self._layers:
            return values
        placed = np.full((len(values), len(self._layers)), nothing, np.float64)
        placed[:, [self._layers.index(name) for name in prober.probes]] = values
        return placed


def _drops(measured: Measurement) -> Float:
    """Mean cosine drops over copies, [N, P]."""
    drops: Float = np.maximum(_means(measured, measured.cosine_drop(), _MIN_DROP), _MIN_DROP)
    return drops


def _distortions(measured: Measurement) -> Float:
    """Mean distortions over copies, [N, P]."""
    angle, at_site = (np.maximum(angles, _MIN_ANGLE) for angles in (measured.angle(), measured.site_angle()))
    return _means(measured, metrics.distortion(angle, at_site[:, :, np.newaxis]), 1)


def _means(measured: Measurement, values: Float, nothing: float) -> Float:
    """Means over the comparable copies, [N, P]; `nothing` where none is."""
    comparable = measured.comparable
    if comparable.all():
        return np.asarray(values.mean(axis=1))
    counted = comparable.sum(axis=1)
    sums = np.where(comparable, values, 0.0).sum(axis=1)
    means: Float = np.where(counted, sums / np.maximum(counted, 1), nothing)
    return means
