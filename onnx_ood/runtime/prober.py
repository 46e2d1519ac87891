"""Probers: models made ready for measuring neighbourhoods of inputs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from onnx_ood._arguments import checked
from onnx_ood._types import Array, Float, FloatArray
from onnx_ood.graph import Model, Tensor
from onnx_ood.runtime.arguments import (
    Feed,
    check_batch,
    check_batch_size,
    check_feeds,
    check_nudges,
    check_seed,
    feed_arrays,
    find_input,
    find_site,
    fixed_batch_size,
)
from onnx_ood.runtime.batching.batch_axis import find_fed_input
from onnx_ood.runtime.batching.layout import MAX_STAGE_BYTES, Layout
from onnx_ood.runtime.host import GroupNudges, HostRuns, PerturbationGroup
from onnx_ood.runtime.in_graph import InGraph, can_be_in_graph
from onnx_ood.runtime.instrumented_model import InstrumentedModel
from onnx_ood.runtime.measurement import Measurement, assemble, join_outputs
from onnx_ood.runtime.memory import trim_heap
from onnx_ood.runtime.observer import difference, largest
from onnx_ood.runtime.providers import Provider, resolve
from onnx_ood.runtime.rounding import rounding_nudges, storage_floor
from onnx_ood.runtime.runner import Runner
from onnx_ood.runtime.session import Session

# Providers on which statistics are computed by the model itself.
_IN_GRAPH: set[Provider] = {"cuda"}
_EMPTY = (
    "is empty for the first input: in a branch not taken, in a loop without iterations, or without elements"
)


class Prober:
    """A model made ready for measuring: instrumented and loaded on a provider.

    Sessions are costly to create, so one prober serves any number of batches.

    Attributes:
        model: The model as loaded.
        input: The graph input that the batch feeds.
        site: The nudged tensor: that input, or a tensor inside the model.
        provider: `"cuda"` or `"cpu"`: where the model really runs.
        provider_note: Why the CPU is used although CUDA was looked for, or empty.
        tf32: True if CUDA may round products to TF32.
    """

    @checked
    def __init__(
        self,
        model: Model,
        probes: Iterable[Tensor],
        *,
        site: str | None = None,
        provider: str = "auto",
        batch_size: int | None = None,
        exact: bool = False,
        tf32: bool = False,
        in_order: bool = False,
        feeds: Collection[str] = (),
        batch_axis: str | int | None = None,
    ) -> None:
        """Instrument the model and create its session.

        Args:
            model: The model.
            probes: Tensors to measure, as `select` returns them.
            site: Name of the tensor to nudge, a graph input or a floating-point tensor inside the model; None for the
                only floating-point input. What lies before an inner site is run once per input, not once per copy.
            provider: `"auto"`, `"cuda"` or `"cpu"`.
            batch_size: Inputs in one run; None lets memory decide. A model with a fixed batch size keeps its own.
            exact: True to run without fusions, so that the model's outputs stay bit-equal to those of the plain model
                run without fusions; slower.
            tf32: True to let CUDA round products to TF32, which is faster and hides small nudges.
            in_order: True if `run_groups` has to give units in the order of the tensor; else convolutions may give
                theirs as the runtime keeps them, which is faster and makes no difference to statistics.
            feeds: Names of inputs that the batch doesn't feed. It feeds the site if that is an input, else the first
                input not in `feeds`.
            batch_axis: The batch axis of that input in the model, `"none"` if it has none, or None to find it. Batches
                are given with the batch axis first, whatever the model has.

        Raises:
            UsageError: If the site, the provider or the batch size is wrong.
            SelectorError: If no probe can be measured.
            ModelError: If onnxruntime refuses the model.
            ProviderError: If the provider can't run here.
        """
        check_batch_size(batch_size)
        self.model = model
        self.site = find_site(model, site)
        self.input = find_fed_input(model, find_input(model, self.site, feeds), batch_axis)
        resolved = resolve(provider)
        self.provider, self.provider_note = resolved.provider, resolved.reason
        self._batch_size = batch_size
        self._exact, self.tf32 = exact, tf32 and self.provider == "cuda"
        self._instrumented = InstrumentedModel(
            model,
            self.input,
            self.site,
            probes,
            self.provider,
            exact=exact,
            tf32=self.tf32,
            in_order=in_order,
        )
        self._runner = Runner(
            self._run_trial,
            lambda: self.probes,
            path=model.path,
            provider=self.provider,
            # One condition decides for all inputs of a run; a trial run need not show that.
            batch_size=1 if model.branches_by(self.input.name) else batch_size,
            fixed=fixed_batch_size(self.input),
            inner_site=not self.site.is_input,
            found=self._adopt,
        )
        self._host = HostRuns(model, self.input, self.site, self._instrumented, self._runner.workers)
        self._in_graph: InGraph | None = None
        self._adopted = False

    @property
    def probes(self) -> tuple[str, ...]:
        """Names of the probes, in execution order. The first run may leave some out."""
        return self._instrumented.probes

    @property
    def skipped(self) -> dict[str, str]:
        """Selected tensors that turned out not to be measurable, with the reason."""
        return self._instrumented.skipped

    @property
    def placement(self) -> dict[str, int]:
        """Number of nodes that run on each execution provider of the runtime."""
        return self._in_graph.placement if self._in_graph else self._instrumented.placement

    @property
    def fallback_nodes(self) -> tuple[str, ...]:
        """Names of added nodes that don't run on the provider though they should; any is a bug."""
        return self._in_graph.fallback_nodes if self._in_graph else self._instrumented.fallback_nodes

    @property
    def batch_size(self) -> int | None:
        """Inputs in one run; None before the first run."""
        return self._in_graph.batch_size if self._in_graph else self._runner.batch_size

    @property
    def batching_note(self) -> str:
        """Reason for running inputs one at a time or omitting an output, or empty."""
        return self._runner.note

    @property
    def random_operators(self) -> tuple[str, ...]:
        """Operators that make two runs of the same input differ, as far as runs have shown; empty if they agreed."""
        return self._runner.random_operators(self.model)

    @property
    def site_has_batch_axis(self) -> bool:
        """True if the site has one entry per input on its first axis, as far as runs have shown."""
        layout = self._runner.layout
        if self.site.is_input or layout is None:
            return self.site.is_input
        name = self.site.name
        return not layout.axes.get(name) and layout.shapes.get(name, ())[:1] == (1,)

    @checked
    def measure(
        self, batch: ArrayLike, nudges: ArrayLike, feeds: Mapping[str, ArrayLike] | None = None
    ) -> Measurement:
        """Measure one batch.

        Args:
            batch: Values of the model's input, [N, *input].
            nudges: Added to the site, in its units: [K, *site], shared by all inputs, or [N, K, *site]. `*site` is
                `*input` if the site is the input.
            feeds: Values of the other graph inputs by name: one per input on the batch axis, or, for inputs without
                one, as they are.

        Returns:
            The pair statistics of every input, copy and probe.

        Raises:
            UsageError: If a shape doesn't fit, or an input is missing.
            ModelError: If a run fails.
        """
        clean, checked, layout = self._prepare(batch, feeds)
        values = check_nudges(nudges, (len(clean), *self._host.site_shape(layout, clean)))
        return self._runner.run(layout, lambda layout: self._measure(layout, clean, values, checked))

    @checked
    def run_groups(
        self,
        batch: ArrayLike,
        groups: int,
        nudges: GroupNudges,
        reduce: Callable[[PerturbationGroup], None],
        feeds: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        """Run groups of copies, each compared within the group and not with the clean input.

        Args:
            batch: Values of the model's input, [N, *input].
            groups: Number of groups for each input.
            nudges: Returns the nudges of a group.
            reduce: Reduces a group, before its activations are freed. Called from several threads, and again for the
                same input, group and probe if a run is repeated: the last call counts.
            feeds: As in `measure`.

        Raises:
            UsageError: If a shape doesn't fit, or an input is missing.
            ModelError: If a run fails.
        """
        clean, checked, layout = self._prepare(batch, feeds)
        self._runner.run(
            layout, lambda layout: self._host.run_groups(layout, clean, checked, groups, nudges, reduce)
        )

    @checked
    def noise_floor(
        self, batch: ArrayLike, feeds: Mapping[str, ArrayLike] | None = None, seed: int = 0
    ) -> Float:
        """Measure the drop at each probe that rounding alone makes.

        Args:
            batch: A few clean inputs, [N, *input].
            feeds: As in `measure`.
            seed: Seed of the rounding nudges.

        Returns:
            The largest drop at each probe of nudges of one unit in the last place, float64 [P]; at least the drop of
            rounding each activation once to its dtype.
        """
        check_seed(seed)
        clean = check_batch(batch, self.input)
        values = self.site_values(clean, feeds)
        drops = self.measure(clean, rounding_nudges(values, seed), feeds).cosine_drop()
        measured = np.where(np.isfinite(drops), drops, 0.0).max(axis=(0, 1))
        stored = np.array([storage_floor(self._instrumented.dtypes[name]) for name in self.probes])
        floor: Float = np.maximum(measured, stored)
        return floor

    @checked
    def observer_effect(self, batch: ArrayLike, feeds: Mapping[str, ArrayLike] | None = None) -> float:
        """Measure the change of the model's own outputs by instrumentation.

        The original model is loaded once more and run on the same inputs.

        Args:
            batch: A few clean inputs, [N, *input].
            feeds: As in `measure`.

        Returns:
            The largest relative difference of an output of one input, as `observer.difference` defines it; NaN if no
            output can be split by input, or the model is random.

        Raises:
            UsageError: If a shape doesn't fit, or an input is missing.
            ModelError: If a run fails.
        """
        clean, checked, layout = self._prepare(batch, feeds)
        shape = (len(clean), 1, *self._host.site_shape(layout, clean))
        instrumented = self.measure(clean, np.zeros(shape, dtype=np.float32), feeds).outputs
        plain = Session(self.model.proto, self.model.path, self.provider, exact=self._exact, tf32=self.tf32)
        outputs = [name for name in self.model.outputs if plain.is_tensor(name) and name in instrumented]
        if layout.random or not outputs:
            return float("nan")
        samples: dict[str, list[Array]] = {name: [] for name in outputs}
        for inputs in layout.runs(len(clean)):
            fed = {self.input.name: self.input.arrange(clean[inputs]), **feed_arrays(checked, inputs)}
            arrays = plain.run(outputs, fed)
            for name, array in zip(outputs, arrays, strict=True):
                samples[name] += list(layout.split(name, array, len(inputs)))
        differences = [
            difference(expected, found)
            for name in outputs
            for expected, found in zip(
                join_outputs(samples[name][: len(clean)]), instrumented[name], strict=True
            )
            # Labels are compared as predictions.
            if not isinstance(expected, str)
        ]
        return largest(differences)

    @checked
    def site_values(self, batch: ArrayLike, feeds: Mapping[str, ArrayLike] | None = None) -> Array:
        """Compute the clean values of the site, to which nudges are added.

        Args:
            batch: Values of the model's input, [N, *input].
            feeds: As in `measure`.

        Returns:
            [N, *site] in the site's dtype; the batch itself if the site is the input.

        Raises:
            UsageError: If a shape doesn't fit, or an input is missing.
            ModelError: If a run fails.
        """
        clean, checked, layout = self._prepare(batch, feeds)
        return self._host.site_values(layout, clean, checked)

    @checked
    def site_shape(self, batch: ArrayLike, feeds: Mapping[str, ArrayLike] | None = None) -> tuple[int, ...]:
        """Shape of the site's values for one input, without the batch axis.

        Args:
            batch: Values of the model's input, [N, *input].
            feeds: As in `measure`.

        Returns:
            The shape of a nudge.
        """
        clean, _, layout = self._prepare(batch, feeds)
        return self._host.site_shape(layout, clean)

    def _prepare(
        self, batch: ArrayLike, feeds: Mapping[str, ArrayLike] | None
    ) -> tuple[Array, dict[str, Feed], Layout]:
        """Check what a caller feeds, and find its layout."""
        clean = check_batch(batch, self.input)
        checked = check_feeds(feeds or {}, self.model, self.input, len(clean))
        return clean, checked, self._runner.plan(clean, checked)

    def _run_trial(self, values: Array, fed: Mapping[str, Array]) -> dict[str, Array]:
        self._in_graph = None
        self._instrumented.load()
        return self._instrumented.run_clean(self.input.arrange(values), fed)

    def _adopt(self, layout: Layout) -> None:
        """Leave out empty probes and split the model as a new layout demands."""
        if not self._adopted:  # Later, a probe that is empty for an input is not comparable for it.
            empty = [name for name in self.probes if not layout.units(name)]
            self._instrumented.skip(dict.fromkeys(empty, _EMPTY))
            self._adopted = True
        sizes = {name: layout.batch_size * layout.bytes_per_sample[name] for name in self.probes}
        self._instrumented.split(sizes, MAX_STAGE_BYTES[self.provider])
        trim_heap()

    def _measure(
        self, layout: Layout, clean: Array, nudges: FloatArray, feeds: Mapping[str, Feed]
    ) -> Measurement:
        in_graph = self._find_in_graph(layout, nudges.shape[1])
        if in_graph is not None:
            runs = in_graph.measure(layout, clean, nudges, lambda inputs: feed_arrays(feeds, inputs))
        else:
            runs = self._host.measure(layout, clean, nudges, feeds)
        return assemble(
            runs,
            len(clean),
            probes=self.probes,
            size=[layout.units(name) for name in self.probes],
            site=self.site.name,
            provider=self.provider,
        )

    def _find_in_graph(self, layout: Layout, copies: int) -> InGraph | None:
        """Make the model that computes the statistics itself; None if provider or model prevent it."""
        if self.provider not in _IN_GRAPH:
            return None
        if self._in_graph is not None and self._in_graph.copies >= min(copies, self._in_graph.max_copies):
            return self._in_graph
        opened = self._instrumented.origin.opened(self.probes)
        if self.input.moved or not can_be_in_graph(layout, self.site, opened.carriers, opened.proto):
            return None
        # One set of weights on the device is enough.
        self._in_graph = None
        self._instrumented.release()
        self._in_graph = InGraph(
            opened.proto,
            self.model.path,
            layout,
            self.site,
            {name: opened.carriers[name] for name in self.probes},
            self._instrumented.dtypes,
            self._instrumented.outputs,
            self.provider,
            batch_size=self._batch_size,
            copies=copies,
            exact=self._exact,
            tf32=self.tf32,
        )
        return self._in_graph
