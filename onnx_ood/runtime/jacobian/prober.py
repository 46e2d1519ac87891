"""The Jacobian norm of each input, by forward passes alone.

J q along a direction q is the central difference (f(x + h·q) − f(x − h·q)) / 2h. In a piecewise-linear network it is
exact while both sides lie in one linear region; beyond it errors grow with h, and those of rounding grow with 1/h. The
step h is therefore chosen for each input, by comparing what a few steps and their halves give.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import prod, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnx_ood import metrics
from onnx_ood._types import Array, Float, FloatArray
from onnx_ood.exceptions import SelectorError, UsageError
from onnx_ood.graph import Model, Tensor, gives_probabilities, load, select, why_not_measurable
from onnx_ood.perturb.directions import Directions
from onnx_ood.runtime.arguments import find_site
from onnx_ood.runtime.prober import PerturbationGroup, Prober
from onnx_ood.runtime.statistics import clean_rows, pair_statistics

# Most elements of an input for which the exact Jacobian is computed: two runs for each.
MAX_EXACT_ELEMENTS = 1024
# Candidates for the step: √ε·‖x‖ times powers of 4, the largest first. A step ~ √ε balances rounding (ε/h) with bends
# (h), one ~ ε^⅓ rounding with curvature (h²). With float32, where √ε is 2^-11.5, 2^-15 was best for the bundled
# classifiers' inputs as a rule and 2^-11 for nearly blank ones. One step for twenty mixed inputs gave norms as good on
# average (0.3% off) as a step for each; but with it an input's norm would depend on its company.
_POWERS = (2, 1, 0, -1, -2, -3)
# Directions along which candidates are compared. With half as many the norms were as good, but in half precision some
# steps agreed by chance, so that the disagreement was a fifth of the error.
_TRIED = 8
# How much smaller than the step at which lengths agree best the step of the norm is. Rounding makes errors of random
# sign in the lengths, which in the norm cancel but for a sum of squares; bends and curvature make errors of one sign.
# Norms of 30 inputs of the bundled classifiers were off by 1.2% at most with half the best step, by 1.0% with a quarter
# and by 0.7% with an eighth; those of a small network in half precision by 2%, 1.4% and 8%.
_FINER = 4
# The step that is right as a rule, over √ε·‖x‖: with it, norms of 40 inputs of the bundled classifiers of garments
# were within 4% of those with steps chosen for each, half of them within 0.7%.
_USUAL = 1 / 8
_EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}


@dataclass(frozen=True)
class JacobianNorms:
    """‖∂f/∂x‖_F of N inputs x.

    Attributes:
        norm: The norm, float64 [N], per unit of the site; NaN where an activation is not finite.
        standard_error: Its standard error over directions, float64 [N]; 0 where all directions were taken. It does not
            contain the error of the differences, of which `disagreement` tells.
        step: Length h of the nudge to either side, float64 [N], in units of the site.
        disagreement: How far the lengths of J q with the step h and with 2·h are apart, relative, root mean square
            over a few directions, float64 [N]: about the error of a single length, and more than that of the norm, in
            which errors of directions cancel as far as they are rounding. NaN where an activation is not finite, and
            everywhere if the step was given.
        directions: m, the number of directions.
        function: Which f it is: `"softmax of 'logits'"` where the softmax was taken here, else the tensor in quotes.
        exact_fraction: Fraction of the differences of each input for which no unit of the pattern tensors switched
            between both sides, float64 [N]; None without pattern tensors.
        note: What a user should know (rounding of half-precision models), or empty.
    """

    norm: Float
    standard_error: Float
    step: Float
    disagreement: Float
    directions: int
    function: str
    exact_fraction: Float | None
    note: str


@dataclass(frozen=True)
class JacobianCheck:
    """An estimate beside what all directions give.

    Attributes:
        estimate: From m directions.
        exact: From as many as the input has elements.
        deviation: (estimate − exact) / exact, float64 [N].
        in_standard_errors: (estimate − exact) / standard error, float64 [N].
    """

    estimate: JacobianNorms
    exact: JacobianNorms

    @property
    def deviation(self) -> Float:
        """The relative error of the estimate, float64 [N]; NaN where the exact norm is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.exact.norm > 0, self.estimate.norm / self.exact.norm - 1, np.nan)

    @property
    def in_standard_errors(self) -> Float:
        """The error of the estimate in units of its standard error, float64 [N]; NaN where that is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            off = (self.estimate.norm - self.exact.norm) / self.estimate.standard_error
        return np.where(self.estimate.standard_error > 0, off, np.nan)


class JacobianProber:
    """A model made ready for Jacobian norms of any number of batches.

    Attributes:
        prober: What runs the model; it tells provider, placement and layout.
        probe: Name of the tensor of which the Jacobian is taken.
        head: True if it goes through a softmax where it is a row of class scores.
        patterns: Names of the code tensors.
    """

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
    ) -> None:
        """Instruments the model and creates its session.

        Args:
            model: The model.
            probe: The tensor to take the Jacobian of, as it is; None for the model's first output of floats, through a
                softmax if it has one row of two or more values for each input and isn't made of probabilities already.
            patterns: Tensors whose signs identify the linear region: the outputs of all ReLUs. Bends that leave no sign
                (the upper bound of a Clip, the choice of a MaxPool) are not seen.
            site: As in `Prober`, as all that follow.
            provider: See there.
            batch_size: See there.
            exact: See there.
            feeds: See there.

        Raises:
            UsageError: If no output can be measured, or as `Prober` has it.
            SelectorError: If a tensor can't be measured.
            ModelError: If onnxruntime refuses the model.
            ProviderError: If the provider can't run here.
        """
        target = _output(model) if probe is None else probe
        patterns = tuple(patterns)
        self.probe = target.name
        self.head = probe is None and not gives_probabilities(model, target.name)
        self.patterns = tuple(tensor.name for tensor in patterns)
        self.prober = Prober(
            model,
            [target, *patterns],
            site=site,
            provider=provider,
            batch_size=batch_size,
            exact=exact,
            feeds=feeds,
        )
        computed = {tensor.dtype for tensor in model.tensors if tensor.floating and not tensor.constant}
        self._epsilon = max(_EPSILON[dtype or "float32"] for dtype in {self.prober.site.dtype, *computed})
        self._check_probes()

    def measure(
        self,
        batch: ArrayLike,
        directions: int = 32,
        seed: int = 0,
        feeds: Mapping[str, ArrayLike] | None = None,
        *,
        step: ArrayLike | None = None,
    ) -> JacobianNorms:
        """Estimates the norms of one batch.

        An input's result depends neither on the other inputs nor on how many are run at once, rounding aside. It takes
        two runs for each direction, and 224 to choose the steps (fewer with fewer than eight directions).

        Args:
            batch: What feeds the model's input, [N, *input].
            directions: m; as many as the site has elements, or more, give the norm without sampling error.
            seed: Seed of the directions.
            feeds: Values of the other graph inputs by name, as in `Prober.measure`.
            step: h for all inputs, such as one that was chosen for their neighbours, or for each of them, [N]; None to
                choose one for each.

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
        if seed < 0:
            raise UsageError(f"seed must be 0 or larger, but is {seed}")
        drawn = Directions(site.shape[1:], directions, seed)
        along = _Differences(self, batch, drawn, feeds)
        if step is None:
            steps, disagreement = self._steps(site, along, drawn.count, seed)
        else:
            steps = np.broadcast_to(np.asarray(step, np.float64), len(site))
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

    def default_step(self, batch: ArrayLike, feeds: Mapping[str, ArrayLike] | None = None) -> Float:
        """A step that is about right as a rule, without the runs that choosing takes.

        Args:
            batch: As in `measure`.
            feeds: See there.

        Returns:
            √ε·‖x‖/8 of each input x, float64 [N]; ε is the rounding unit of what the model computes in.

        Raises:
            UsageError: If a shape doesn't fit, or an input is missing.
            ModelError: If a run fails.
        """
        return _scales(self.prober.site_values(batch, feeds)) * (sqrt(self._epsilon) * _USUAL)

    def check(
        self,
        batch: ArrayLike,
        directions: int = 32,
        seed: int = 0,
        feeds: Mapping[str, ArrayLike] | None = None,
    ) -> JacobianCheck:
        """Compares the estimate from m directions with the norm from all of them.

        Args:
            batch: As in `measure`, as all that follow.
            directions: See there.
            seed: See there.
            feeds: See there.

        Returns:
            Both.

        Raises:
            UsageError: If the site has more than `MAX_EXACT_ELEMENTS` elements, or as `measure` has it.
            SelectorError: As `measure` has it.
            ModelError: As `measure` has it.
        """
        size = prod(self.prober.site_shape(batch, feeds))
        if size > MAX_EXACT_ELEMENTS:
            raise UsageError(
                f"the exact Jacobian takes a direction for each of the {size} elements of "
                f"{self.prober.site.name!r}, and {MAX_EXACT_ELEMENTS} at most: measure without the check"
            )
        return JacobianCheck(
            self.measure(batch, directions, seed, feeds), self.measure(batch, size, seed, feeds)
        )

    def _steps(self, site: Array, along: _Differences, count: int, seed: int) -> tuple[Float, Float]:
        """The step of each input, [N], and how far lengths with it and its double are apart, [N]."""
        # All inputs try the same directions. The first one-hot vectors would all lie in one corner of a picture.
        tried = np.random.default_rng(seed).permutation(count)[:_TRIED]
        candidates = _scales(site)[:, np.newaxis] * sqrt(self._epsilon) * 4.0 ** np.array(_POWERS)
        compared = np.stack(
            [
                metrics.step_disagreement(along.squares(tried, steps), along.squares(tried, steps / 2))
                for steps in candidates.T
            ],
            axis=1,
        )
        best = np.where(np.isnan(compared), np.inf, compared).argmin(axis=1)[:, np.newaxis]
        step = np.take_along_axis(candidates, best, axis=1)[:, 0] / _FINER
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


class _Differences:
    """Central differences of one batch.

    Attributes:
        probabilities: The softmax of the clean logits, [N, C], or None where none is to be taken.
    """

    def __init__(
        self,
        owner: JacobianProber,
        batch: ArrayLike,
        directions: Directions,
        feeds: Mapping[str, ArrayLike] | None,
    ) -> None:
        self._prober, self._probe, self._patterns = owner.prober, owner.probe, owner.patterns
        self._batch, self._directions, self._feeds = batch, directions, feeds
        self.probabilities = self._softmax() if owner.head else None

    def squares(
        self, numbers: NDArray[np.int64], steps: Float, flips: NDArray[np.int64] | None = None
    ) -> Float:
        """‖J q‖² of every input.

        The softmax is not differenced: J = (diag(p) − p·pᵀ)·J_logits, so that its curvature makes no error, nor its
        rounding where it is nearly one-hot. Steps are taken as the site's dtype has them.

        Args:
            numbers: Which directions, [M].
            steps: h of each input, [N].
            flips: [N, M]; how many units of the code tensors switch between both sides is added to it.

        Returns:
            float64 [N, M]; not finite where an activation isn't, NaN where a step is too small to move the input.
        """
        found = np.full((len(steps), len(numbers)), np.nan)

        def shifts(inputs: list[int], number: int) -> list[FloatArray]:
            direction = self._directions[int(numbers[number])]
            shift = steps[inputs].reshape(-1, *[1] * direction.ndim) * direction
            return [-shift, shift]

        def reduce(group: PerturbationGroup) -> None:
            before, after = group.values
            at = (group.inputs, group.number)
            if group.probe in switched:
                switched[group.probe][at] = pair_statistics(clean_rows(before), after).flips
            if group.probe == self._probe:
                length = _squared_distance(*group.sites)
                with np.errstate(divide="ignore", invalid="ignore"):
                    found[at] = self._moved(group.inputs, before, after) / length

        # Kept apart for each tensor, as a run may be repeated.
        switched = {
            name: np.zeros(found.shape, np.int64) for name in (self._patterns if flips is not None else ())
        }
        self._prober.run_groups(self._batch, len(numbers), shifts, reduce, self._feeds)
        if flips is not None:
            flips += sum(switched.values())
        return found

    def _moved(self, inputs: list[int], before: Array, after: Array) -> Float:
        """‖f(x + h·q) − f(x − h·q)‖², [R]."""
        if self.probabilities is None:
            return _squared_distance(before, after)
        change = (after.astype(np.float64) - before).reshape(len(before), -1)
        moved: Float = (metrics.through_softmax(self.probabilities[inputs], change) ** 2).sum(axis=1)
        return moved

    def _softmax(self) -> Float | None:
        clean: dict[int, Array] = {}

        def keep(group: PerturbationGroup) -> None:
            if group.probe == self._probe:
                clean.update(zip(group.inputs, group.values[0], strict=True))

        shape = self._directions.shape
        self._prober.run_groups(
            self._batch,
            1,
            lambda inputs, _: [np.zeros((len(inputs), *shape), np.float32)],
            keep,
            self._feeds,
        )
        logits = np.stack([clean[i] for i in range(len(clean))])
        # One row of an input's share is the batch axis.
        return metrics.softmax(logits[:, 0]) if _is_head(logits.shape[1:]) else None


def jacobian_norms(
    model: Model | str | Path,
    batch: ArrayLike,
    *,
    probe: str | None = None,
    patterns: str | Iterable[str] = (),
    directions: int = 32,
    seed: int = 0,
    site: str | None = None,
    provider: str = "auto",
    batch_size: int | None = None,
    feeds: Mapping[str, ArrayLike] | None = None,
    exact: bool = False,
) -> JacobianNorms:
    """Estimates ‖∂f/∂x‖_F of each input, by forward passes alone.

    Args:
        model: A path or a loaded model.
        batch: Inputs [N, *input], as the model takes them. With an inner site they feed the model's first input.
        probe: As `find_jacobian_probe` takes it.
        patterns: Selectors of tensors whose signs tell the linear region, for `exact_fraction`; see `JacobianProber`.
        directions: m, how many directions are tried.
        seed: Seed of the directions.
        site: What the derivative is taken by: a graph input, or a tensor of floats inside; None for the only
            input of floats.
        provider: As in `measure`, as all that follow.
        batch_size: See there.
        feeds: See there.
        exact: See there.

    Returns:
        The norms, their standard errors, and what tells how far they can be trusted.

    Raises:
        UsageError: If an argument is wrong; SelectorError for a tensor.
        ModelError: If the model can't be read or run.
        ProviderError: If the provider can't run here.
    """
    loaded = model if isinstance(model, Model) else load(model)
    nudged = find_site(loaded, site)
    prober = JacobianProber(
        loaded,
        find_jacobian_probe(loaded, probe, nudged),
        patterns=select(loaded, patterns, nudged) if patterns else (),
        site=site,
        provider=provider,
        batch_size=batch_size,
        exact=exact,
        feeds=feeds or (),
    )
    return prober.measure(batch, directions, seed, feeds)


def find_jacobian_probe(model: Model, probe: str | None, site: Tensor) -> Tensor | None:
    """The tensor to take the Jacobian of.

    Args:
        model: The model.
        probe: A selector of one tensor, of which the Jacobian is taken as it is; None for the model's answer.
        site: What the derivative is taken by.

    Returns:
        The tensor, or None for the model's answer, as `JacobianProber` takes it.

    Raises:
        SelectorError: If the selector matches no tensor that can be measured, or several.
    """
    if probe is None:
        return None
    target, *more = select(model, probe, site)
    if more:
        listed = ", ".join(tensor.name for tensor in (target, *more[:2])) + (", …" if len(more) > 2 else "")
        raise SelectorError(
            f"{probe!r} selects {len(more) + 1} tensors of {model.path} ({listed}); a Jacobian is that of one: name it"
        )
    return target


def _output(model: Model) -> Tensor:
    """The first output that can be measured."""
    reasons = {name: why_not_measurable(model, model.by_name[name]) for name in model.outputs}
    found = next((name for name, reason in reasons.items() if reason is None), None)
    if found is None:
        listed = "; ".join(f"{name!r} {reason}" for name, reason in reasons.items())
        raise UsageError(
            f"{model.path}: name the tensor to take the Jacobian of, for no output will do: {listed}"
        )
    return model.by_name[found]


def _is_head(share: tuple[int, ...]) -> bool:
    """Whether one input's share of an output is a row of class scores."""
    return len(share) == 2 and share[0] == 1 and share[1] > 1


def _scales(site: Array) -> Float:
    """‖x‖ of each input, [N]; that of an input of ones for one of zeros, NaN for one that is not finite."""
    rows = site.reshape(len(site), -1).astype(np.float64)
    norms = np.sqrt(clean_rows(rows).aa)
    norms[norms == 0] = sqrt(rows.shape[1])
    return np.where(np.isfinite(norms), norms, np.nan)


def _squared_distance(one: Array, other: Array) -> Float:
    """‖other − one‖² of each row, [R, ...] → float64 [R]."""
    return pair_statistics(clean_rows(one), other).dd
