"""Jacobian probers: models made ready for Jacobian norms by forward passes.

J q along a direction q is the central difference (f(x + h·q) − f(x − h·q)) / 2h. In a piecewise-linear network it is
exact while both sides lie in one linear region; beyond it errors grow with h, and those of rounding grow with 1/h. The
step h is therefore chosen for each input, by comparing the results of a few steps and their halves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import prod, sqrt

import numpy as np
from numpy.typing import ArrayLike

from onnx_ood import metrics
from onnx_ood._arguments import checked
from onnx_ood._types import Array, Float
from onnx_ood.exceptions import SelectorError, UsageError
from onnx_ood.graph import Model, Tensor, gives_probabilities
from onnx_ood.perturb.directions import Directions
from onnx_ood.runtime.arguments import check_seed, check_steps
from onnx_ood.runtime.jacobian.differences import Differences
from onnx_ood.runtime.jacobian.norms import JacobianCheck, JacobianNorms
from onnx_ood.runtime.jacobian.probe import answer_tensor
from onnx_ood.runtime.prober import Prober
from onnx_ood.runtime.statistics import prepare_clean

# Most elements of an input for which the exact Jacobian is computed, with two runs for each.
MAX_EXACT_ELEMENTS = 1024
# Candidates for the step: √ε·‖x‖ times powers of 4, the largest first. A step ~ √ε balances rounding (ε/h) with bends
# (h), one ~ ε^⅓ rounding with curvature (h²). With float32, where √ε is 2^-11.5, 2^-15 was best for the bundled
# classifiers' inputs as a rule and 2^-11 for near-constant ones. One step for twenty mixed inputs gave norms as good on
# average (0.3% off) as a step for each; but with it an input's norm would depend on its company.
_STEP_POWERS = (2, 1, 0, -1, -2, -3)
# Directions along which candidates are compared. With half as many the norms were as good, but in half precision some
# steps agreed by chance, so that the disagreement was a fifth of the error.
_TRIAL_DIRECTIONS = 8
# Ratio of the step at which lengths agree best to the step of the norm. Rounding makes errors of random sign in the
# lengths, which mostly cancel in the norm; bends and curvature make errors of one sign.
# Norms of 30 inputs of the bundled classifiers were off by 1.2% at most with half the best step, by 1.0% with a quarter
# and by 0.7% with an eighth; those of a small network in half precision by 2%, 1.4% and 8%.
_STEP_REDUCTION = 4
# The step that is right as a rule, over √ε·‖x‖: with it, norms of 40 inputs of the bundled classifiers of garments
# were within 4% of those with steps chosen for each, half of them within 0.7%.
_DEFAULT_STEP = 1 / 8
_EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}


class JacobianProber:
    """A model made ready for Jacobian norms of any number of batches.

    Attributes:
        prober: Runs the model; has provider, placement and layout.
        probe: Name of the tensor to take the Jacobian of.
        patterns: Names of the pattern tensors.
    """

    @checked
    def __init__(
        self,
        model: Model,
        probe: Tensor | None = None,
        *,
        patterns: Iterable[Tensor] = (),
        site: str | None = None,
        provider: str = "auto",
        batch_size: int | None = None,
        exact: bool = False,
        feeds: Collection[str] = (),
        batch_axis: str | int | None = None,
        answer: str | None = None,
    ) -> None:
        """Instrument the model and create its session.

        Args:
            model: The model.
            probe: The tensor to take the Jacobian of, as it is; None for the model's answer, or else its first output
                of floats, through a softmax if it has one row of two or more values for each input and isn't made of
                probabilities already.
            patterns: Tensors whose signs identify the linear region: the outputs of all ReLUs. Bends that leave no sign
                (the upper bound of a Clip, the choice of a MaxPool) are not seen.
            site: As in `Prober`, as all that follow.
            provider: See there.
            batch_size: See there.
            exact: See there.
            feeds: See there.
            batch_axis: See there.
            answer: Output of the model that is its answer; None to find it.

        Raises:
            UsageError: If no output can be measured, or as in `Prober`.
            SelectorError: If a tensor can't be measured.
            ModelError: If onnxruntime refuses the model.
            ProviderError: If the provider can't run here.
        """
        target = answer_tensor(model, answer) if probe is None else probe
        patterns = tuple(patterns)
        self.probe = target.name
        self._softmax = probe is None and not gives_probabilities(model, target.name)
        self.patterns = tuple(tensor.name for tensor in patterns)
        self.prober = Prober(
            model,
            [target, *patterns],
            site=site,
            provider=provider,
            batch_size=batch_size,
            exact=exact,
            feeds=feeds,
            batch_axis=batch_axis,
        )
        computed = {tensor.dtype for tensor in model.tensors if tensor.floating and not tensor.constant}
        self._epsilon = max(_EPSILON[dtype or "float32"] for dtype in {self.prober.site.dtype, *computed})
        self._check_probes()

    @checked
    def measure(
        self,
        batch: ArrayLike,
        directions: int = 32,
        seed: int = 0,
        feeds: Mapping[str, ArrayLike] | None = None,
        *,
        step: ArrayLike | None = None,
    ) -> JacobianNorms:
        """Estimate the norms of one batch.

        Except for rounding, an input's result depends neither on the other inputs nor on the batch size. It takes two
        runs per direction, and 224 to choose the steps (fewer with fewer than eight directions).

        Args:
            batch: Values of the model's input, [N, *input].
            directions: m; as many as the site has elements, or more, give the norm without sampling error.
            seed: Seed of the directions.
            feeds: Values of the other graph inputs by name, as in `Prober.measure`.
            step: h for all inputs, or for each input, [N]; None to choose one for each.

        Returns:
            The norms.

        Raises:
            UsageError: If there are fewer than two directions (one has no spread), the seed is negative, or a shape
                doesn't fit.
            SelectorError: If a tensor turns out to be empty.
            ModelError: If a run fails.
        """
        site = self.prober.site_values(batch, feeds)
        self._check_probes()
        size = prod(site.shape[1:])
        if directions < min(2, size):
            raise UsageError(f"directions must be at least 2 to have a standard error, but is {directions}")
        check_seed(seed)
        drawn = Directions(site.shape[1:], directions, seed)
        along = Differences(
            self.prober, self.probe, self.patterns, batch, drawn, feeds, softmax=self._softmax
        )
        if step is None:
            steps, disagreement = self._steps(site, along, drawn.count, seed)
        else:
            steps = check_steps(step, len(site))
            disagreement = np.full(len(site), np.nan)
        flips = np.zeros((len(site), drawn.count), dtype=np.int64)
        norm, error = metrics.frobenius_norm(along.squares(np.arange(drawn.count), steps, flips), size)
        return JacobianNorms(
            norm=norm,
            standard_error=error,
            step=steps,
            disagreement=disagreement,
            directions=drawn.count,
            function=f"softmax of {self.probe!r}" if along.probabilities is not None else repr(self.probe),
            exact_fraction=(flips == 0).mean(axis=1) if self.patterns else None,
            note=self._note(),
        )

    @checked
    def default_step(self, batch: ArrayLike, feeds: Mapping[str, ArrayLike] | None = None) -> Float:
        """Compute a usual step size, without the runs of a choice.

        Args:
            batch: As in `measure`.
            feeds: See there.
            batch_axis: See there.

        Returns:
            √ε·‖x‖/8 of each input x, float64 [N]; ε is the rounding unit of what the model computes in.

        Raises:
            UsageError: If a shape doesn't fit, or an input is missing.
            ModelError: If a run fails.
        """
        return _scales(self.prober.site_values(batch, feeds)) * (sqrt(self._epsilon) * _DEFAULT_STEP)

    @checked
    def check(
        self,
        batch: ArrayLike,
        directions: int = 32,
        seed: int = 0,
        feeds: Mapping[str, ArrayLike] | None = None,
    ) -> JacobianCheck:
        """Compare the estimate from m directions with the norm from all of them.

        Args:
            batch: As in `measure`, as all that follow.
            directions: See there.
            seed: See there.
            feeds: See there.
            batch_axis: See there.

        Returns:
            Both.

        Raises:
            UsageError: If the site has more than `MAX_EXACT_ELEMENTS` elements, or as in `measure`.
            SelectorError: As in `measure`.
            ModelError: As in `measure`.
        """
        size = prod(self.prober.site_shape(batch, feeds))
        if size > MAX_EXACT_ELEMENTS:
            raise UsageError(
                f"the exact Jacobian needs a direction for each of the {size} elements of "
                f"{self.prober.site.name!r}, and {MAX_EXACT_ELEMENTS} at most; measure without the check"
            )
        return JacobianCheck(
            self.measure(batch, directions, seed, feeds), self.measure(batch, size, seed, feeds)
        )

    def _steps(self, site: Array, along: Differences, count: int, seed: int) -> tuple[Float, Float]:
        """Choose the step of each input, [N]; also the relative difference of lengths with it and its double, [N]."""
        # All inputs try the same directions. The first one-hot vectors would all lie in one corner of an image.
        tried = np.random.default_rng(seed).permutation(count)[:_TRIAL_DIRECTIONS]
        candidates = _scales(site)[:, np.newaxis] * sqrt(self._epsilon) * 4.0 ** np.array(_STEP_POWERS)
        compared = np.stack(
            [
                metrics.step_disagreement(along.squares(tried, steps), along.squares(tried, steps / 2))
                for steps in candidates.T
            ],
            axis=1,
        )
        best = np.where(np.isnan(compared), np.inf, compared).argmin(axis=1)[:, np.newaxis]
        step = np.take_along_axis(candidates, best, axis=1)[:, 0] / _STEP_REDUCTION
        disagreement = metrics.step_disagreement(along.squares(tried, 2 * step), along.squares(tried, step))
        return step, disagreement

    def _check_probes(self) -> None:
        for name in (self.probe, *self.patterns):
            if name in self.prober.skipped:
                raise SelectorError(f"no Jacobian: {name!r} {self.prober.skipped[name]}")

    def _note(self) -> str:
        if self._epsilon < _EPSILON["float16"]:
            return ""
        return (
            "the model computes in half precision: steps are larger, and so is the error of the differences"
        )


def _scales(site: Array) -> Float:
    """‖x‖ of each input, [N]; for zeros that of ones, NaN if not finite."""
    flat = site.reshape(len(site), -1).astype(np.float64)
    norms = np.sqrt(prepare_clean(flat).aa)
    norms[norms == 0] = sqrt(flat.shape[1])
    return np.where(np.isfinite(norms), norms, np.nan)
