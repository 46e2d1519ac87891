"""Running neighbourhoods through a model and reducing what the probes see."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnx_ood._types import Array, FloatArray
from onnx_ood.exceptions import ModelError, UsageError
from onnx_ood.graph import Model, Tensor
from onnx_ood.runtime.arguments import (
    Feed,
    check_batch,
    check_feeds,
    check_nudges,
    find_input,
    find_site,
    fixed_rows,
)
from onnx_ood.runtime.batching.independence import BatchDependenceError
from onnx_ood.runtime.batching.layout import PART_BYTES, Layout
from onnx_ood.runtime.batching.trial import make_layout, one_at_a_time
from onnx_ood.runtime.in_graph import InGraph, can_be_in_graph
from onnx_ood.runtime.instrumented_model import InstrumentedModel, Stage
from onnx_ood.runtime.measurement import Measurement, Part, assemble, join_outputs
from onnx_ood.runtime.memory import trim_heap
from onnx_ood.runtime.observer import difference, largest
from onnx_ood.runtime.origin import OriginRun
from onnx_ood.runtime.providers import Provider, resolve
from onnx_ood.runtime.rounding import rounding_nudges, storage_floor
from onnx_ood.runtime.session import Session
from onnx_ood.runtime.statistics import CleanRows, RowStatistics, clean_rows, pair_statistics, tabulate
from onnx_ood.runtime.threads import Workers

# Where statistics are computed by the model itself.
_IN_GRAPH: set[Provider] = {"cuda"}
# Copies that go through a split model together: what they hand over between its parts is kept meanwhile.
_TOGETHER = 16
_EMPTY = "is empty for the first input: in a branch that isn't taken, or a loop that doesn't run, or without elements"


class _RunState(NamedTuple):
    """What the runs of clean and nudged copies of some inputs have in common.

    Attributes:
        inputs: Which inputs of the batch they are.
        start: What is fed.
        site: The clean site, [R, *site].
        at_site: The same, ready to be compared.
        outputs: The inputs' shares of each output, [R, *share]; filled in with the clean run where it gives them.
    """

    inputs: list[int]
    start: OriginRun
    site: Array
    at_site: CleanRows
    outputs: dict[str, Array]


class PerturbationGroup(NamedTuple):
    """What copies that are compared with each other gave at one probe, in one run of R inputs.

    Attributes:
        inputs: Which inputs of the batch they are; the last one may come more than once, to fill up a run.
        number: Which group of copies.
        probe: Name of the probe.
        sites: The site's values as they were fed, [R, *site] for each copy.
        values: Activations at the probe, [R, *share] for each copy.
    """

    inputs: list[int]
    number: int
    probe: str
    sites: list[Array]
    values: list[Array]


# The nudges [R, *site] of each copy of a group, of some inputs and the group's number.
Shifts = Callable[[list[int], int], Sequence[FloatArray]]


class Prober:
    """A model made ready for measuring: instrumented, loaded on a provider, its probes known.

    Sessions are costly to create, so one prober serves any number of batches.

    Attributes:
        model: The model as loaded.
        input: The graph input that the batch checked.
        site: The tensor that is nudged: that input, or a tensor inside.
        provider: `"cuda"` or `"cpu"`: where it really runs.
        provider_note: Why it is the CPU although CUDA was looked for, or empty.
        tf32: True if CUDA is let round products to TF32.
    """

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
    ) -> None:
        """Instruments the model and creates its session.

        Args:
            model: The model.
            probes: Tensors to measure, as `select` gives them.
            site: Name of the tensor to nudge, a graph input or a tensor of floats inside the model; None for the only
                input of floats. What lies before an inner site is run once for each input, not once for each copy.
            provider: `"auto"`, `"cuda"` or `"cpu"`.
            batch_size: Inputs in one run; None lets memory decide. A model with a fixed batch size keeps its own.
            exact: True to run without fusions, so that the model's outputs stay bit-equal to those of the plain
                model run without fusions; slower.
            tf32: True to let CUDA round products to TF32, which is faster and hides small nudges; the CPU has none.
            in_order: True if `run_groups` has to give units in the order of the tensor; else convolutions
                may give theirs as the runtime keeps them, which is faster and of no matter for statistics.
            feeds: Names of inputs that the batch doesn't feed. It checked the site where that is an input; else the
                first input not named here.

        Raises:
            UsageError: If the site, the provider or the batch size is wrong.
            SelectorError: If no probe can be measured.
            ModelError: If onnxruntime refuses the model.
            ProviderError: If the provider can't run here.
        """
        if batch_size is not None and batch_size < 1:
            raise UsageError(f"batch size must be at least 1, but is {batch_size}")
        self.model = model
        self.site = find_site(model, site)
        self.input = find_input(model, self.site, feeds)
        resolved = resolve(provider)
        self.provider, self.provider_note = resolved.provider, resolved.reason
        self._batch_size = batch_size
        self._exact, self.tf32 = exact, tf32 and self.provider == "cuda"
        self._watched = InstrumentedModel(
            model,
            self.input,
            self.site,
            probes,
            self.provider,
            exact=exact,
            tf32=self.tf32,
            in_order=in_order,
        )
        self._layout: Layout | None = None
        self._planned_for: object = None
        self._workers = Workers(self.provider)
        self._in_graph: InGraph | None = None

    @property
    def probes(self) -> tuple[str, ...]:
        """Names of the probes, in execution order. The first run may leave some out."""
        return self._watched.probes

    @property
    def skipped(self) -> dict[str, str]:
        """Selected tensors that turned out not to be measurable, with the reason."""
        return self._watched.skipped

    @property
    def placement(self) -> dict[str, int]:
        """Number of nodes that run on each execution provider of the runtime."""
        return self._in_graph.placement if self._in_graph else self._watched.placement

    @property
    def batch_size(self) -> int | None:
        """Inputs in one run, or None as long as nothing was run."""
        if self._in_graph is not None:
            return self._in_graph.inputs
        return self._layout.batch_size if self._layout else None

    @property
    def fallback_nodes(self) -> tuple[str, ...]:
        """Names of added nodes that don't run on the provider though they should; any is a bug."""
        return self._in_graph.fallback_nodes if self._in_graph else self._watched.fallback_nodes

    @property
    def batching_note(self) -> str:
        """What a user should know about the way inputs are run (one at a time, and why), or empty."""
        return self._layout.note if self._layout else ""

    @property
    def site_has_batch_axis(self) -> bool:
        """Whether the site has one entry for each input on its first axis, as far as runs have told."""
        if self.site.is_input or self._layout is None:
            return self.site.is_input
        name = self.site.name
        return not self._layout.axes.get(name) and self._layout.shapes.get(name, ())[:1] == (1,)

    def measure(
        self, batch: ArrayLike, nudges: ArrayLike, feeds: Mapping[str, ArrayLike] | None = None
    ) -> Measurement:
        """Measures one batch.

        Args:
            batch: What checked the model's input, [N, *input].
            nudges: What is added, in the site's units: [K, *site], shared by all inputs, or [N, K, *site]. Where the
                site is the input, `*site` is `*input`.
            feeds: Values of the other graph inputs by name: one for each input on the first axis, or, where
                the model's input has no batch axis, as it is.

        Returns:
            The pair statistics of every input, copy and probe.

        Raises:
            UsageError: If a shape doesn't fit, or an input is missing.
            ModelError: If a run fails, or a probe has another size for another input.
        """
        clean, checked, layout = self._prepare(batch, feeds)
        shifts = check_nudges(nudges, (len(clean), *self._site_shape(layout, clean)))
        try:
            return self._measure(layout, clean, shifts, checked)
        except BatchDependenceError as uneven:
            # The first input and its neighbour had shares of one size by chance.
            self._layout = one_at_a_time(layout, uneven.name, self.model.path)
            return self._measure(self._layout, clean, shifts, checked)

    def run_groups(
        self,
        batch: ArrayLike,
        groups: int,
        shifts: Shifts,
        reduce: Callable[[PerturbationGroup], None],
        feeds: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        """Runs groups of copies, of which each is compared among itself, not with the clean input.

        Args:
            batch: What checked the model's input, [N, *input].
            groups: How many groups there are for each input.
            shifts: Gives a group's nudges.
            reduce: Takes what a group gave, before its activations are let go. It is called from several threads, once
                or more for the same input, group and probe: the last call counts.
            feeds: As in `measure`.

        Raises:
            UsageError: If a shape doesn't fit, or an input is missing.
            ModelError: If a run fails, or a probe has another size for another input.
        """
        clean, checked, layout = self._prepare(batch, feeds)
        try:
            self._run_groups(layout, clean, checked, groups, shifts, reduce)
        except BatchDependenceError as uneven:
            self._layout = one_at_a_time(layout, uneven.name, self.model.path)
            self._run_groups(self._layout, clean, checked, groups, shifts, reduce)

    def noise_floor(
        self, batch: ArrayLike, feeds: Mapping[str, ArrayLike] | None = None, seed: int = 0
    ) -> NDArray[np.float64]:
        """Measures the drop that rounding alone makes at each probe.

        Args:
            batch: A few clean inputs, [N, *input].
            feeds: As in `measure`.
            seed: Seed of the rounding nudges.

        Returns:
            For each probe the largest drop that nudges of one unit in the last place left, float64 [P], and at
            least the drop of rounding each activation once to its dtype.
        """
        clean = check_batch(batch, self.input)
        values = self.site_values(clean, feeds)
        drops = self.measure(clean, rounding_nudges(values, seed), feeds).cosine_drop()
        measured = np.where(np.isfinite(drops), drops, 0.0).max(axis=(0, 1))
        stored = np.array([storage_floor(self._watched.dtypes[name]) for name in self.probes])
        floor: NDArray[np.float64] = np.maximum(measured, stored)
        return floor

    def observer_effect(self, batch: ArrayLike, feeds: Mapping[str, ArrayLike] | None = None) -> float:
        """Measures how far watching moves the model's own outputs.

        The model is loaded once more as it came and run on the same inputs.

        Args:
            batch: A few clean inputs, [N, *input].
            feeds: As in `measure`.

        Returns:
            The largest relative difference of an output of one input, as `observer.difference` has it.

        Raises:
            UsageError: If a shape doesn't fit, or an input is missing.
            ModelError: If a run fails.
        """
        clean, checked, layout = self._prepare(batch, feeds)
        shape = (len(clean), 1, *self._site_shape(layout, clean))
        watched = self.measure(clean, np.zeros(shape, dtype=np.float32), feeds).outputs
        plain = Session(self.model.proto, self.model.path, self.provider, exact=self._exact, tf32=self.tf32)
        outputs = [name for name in self.model.outputs if plain.is_tensor(name) and name in watched]
        shares: dict[str, list[Array]] = {name: [] for name in outputs}
        for inputs in layout.runs(len(clean)):
            arrays = plain.run(outputs, {self.input.name: clean[inputs], **_fed(checked, inputs)})
            for name, array in zip(outputs, arrays, strict=True):
                shares[name] += list(layout.cut(name, array, len(inputs)))
        differences = [
            difference(expected, found)
            for name in outputs
            for expected, found in zip(join_outputs(shares[name][: len(clean)]), watched[name], strict=True)
        ]
        return largest(differences)

    def site_values(self, batch: ArrayLike, feeds: Mapping[str, ArrayLike] | None = None) -> Array:
        """The clean values of the site, to which nudges are added.

        Args:
            batch: What checked the model's input, [N, *input].
            feeds: As in `measure`.

        Returns:
            [N, *site] in the site's dtype; the batch itself where the site is the input.

        Raises:
            UsageError: If a shape doesn't fit, or an input is missing.
            ModelError: If a run fails.
        """
        clean, checked, layout = self._prepare(batch, feeds)
        shape = self._site_shape(layout, clean)
        values = []
        for inputs in layout.runs(len(clean)):
            start = self._watched.origin.start(clean[inputs], _fed(checked, inputs))
            values.append(self._clean_site(layout, start, (len(inputs), *shape)))
        return np.concatenate(values)[: len(clean)]

    def site_shape(self, batch: ArrayLike, feeds: Mapping[str, ArrayLike] | None = None) -> tuple[int, ...]:
        """Shape of the site's values for one input, without the batch axis.

        Args:
            batch: What checked the model's input, [N, *input].
            feeds: As in `measure`.

        Returns:
            The shape that a nudge has to have.
        """
        clean, _, layout = self._prepare(batch, feeds)
        return self._site_shape(layout, clean)

    def _site_shape(self, layout: Layout, clean: Array) -> tuple[int, ...]:
        if self.site.is_input:
            return clean.shape[1:]
        if self.site.name not in layout.shapes:
            raise ModelError(
                f"{self.model.path}: the site {self.site.name!r} doesn't keep a batch's inputs apart; choose another"
            )
        return layout.own_shape(self.site.name)

    def _clean_site(self, layout: Layout, start: OriginRun, shape: tuple[int, ...]) -> Array:
        """The clean site of one run as [rows, *site]."""
        if self.site.is_input:
            return start.site
        return layout.cut(self.site.name, start.site, shape[0]).reshape(shape)

    def _prepare(
        self, batch: ArrayLike, feeds: Mapping[str, ArrayLike] | None
    ) -> tuple[Array, dict[str, Feed], Layout]:
        """Checks what a caller checked, and knows how to run it."""
        clean = check_batch(batch, self.input)
        checked = check_feeds(feeds or {}, self.model, self.input, len(clean))
        return clean, checked, self._layout_for(clean, checked)

    def _layout_for(self, clean: Array, checked: Mapping[str, Feed]) -> Layout:
        """The layout for inputs of this shape, made by trial runs where it isn't known yet."""
        shapes = (clean.shape[1:], {name: feed.share_shape for name, feed in checked.items()})
        if self._layout is None or self._planned_for != shapes:
            self._in_graph = None
            self._watched.load()
            self._layout = make_layout(
                lambda values, inputs: self._watched.run_clean(values, _fed(checked, inputs)),
                clean,
                probes=self.probes,
                path=self.model.path,
                provider=self.provider,
                batch_size=self._batch_size,
                fixed=fixed_rows(self.input),
                inner_site=not self.site.is_input,
            )
            self._planned_for = shapes
            empty = [name for name in self.probes if not self._layout.units(name)]
            self._watched.skip(dict.fromkeys(empty, _EMPTY))
            sizes = {name: self._layout.batch_size * self._layout.bytes_at[name] for name in self.probes}
            self._watched.split(sizes, PART_BYTES[self.provider])
            trim_heap()
        return self._layout

    def _measure(
        self, layout: Layout, clean: Array, shifts: FloatArray, checked: Mapping[str, Feed]
    ) -> Measurement:
        device = self._on_device(layout, shifts.shape[1])
        if device is not None:
            parts = device.measure(layout, clean, shifts, lambda inputs: _fed(checked, inputs))
        else:
            self._watched.load()
            runs = layout.runs(len(clean), self._workers.runs)
            parts = []
            for first in range(0, len(runs), self._workers.runs):
                beside = runs[first : first + self._workers.runs]
                parts += self._measure_runs(layout, beside, clean, shifts, checked)
        return assemble(
            parts,
            len(clean),
            probes=self.probes,
            size=[layout.units(name) for name in self.probes],
            site=self.site.name,
            provider=self.provider,
        )

    def _on_device(self, layout: Layout, copies: int) -> InGraph | None:
        """The model that computes the statistics itself, where that is the way and the model can."""
        if self.provider not in _IN_GRAPH:
            return None
        if self._in_graph is not None and self._in_graph.copies >= min(copies, self._in_graph.most):
            return self._in_graph
        opened = self._watched.origin.opened(self.probes)
        if not can_be_in_graph(layout, self.site, opened.carriers, opened.proto):
            return None
        # One set of weights on the device is enough.
        self._in_graph = None
        self._watched.release()
        self._in_graph = InGraph(
            opened.proto,
            self.model.path,
            layout,
            self.site,
            {name: opened.carriers[name] for name in self.probes},
            self._watched.dtypes,
            self._watched.outputs,
            self.provider,
            inputs=self._batch_size,
            copies=copies,
            exact=self._exact,
            tf32=self.tf32,
        )
        return self._in_graph

    def _measure_runs(
        self,
        layout: Layout,
        runs: list[list[int]],
        batch: Array,
        shifts: FloatArray,
        checked: Mapping[str, Feed],
    ) -> list[Part]:
        """Measures runs that go on beside each other, part by part of the model: clean inputs first, then the copies.

        So a part's clean activations are still in cache when the copies are compared with them.
        """

        def begin(inputs: list[int]) -> _RunState:
            start = self._watched.origin.start(batch[inputs], _fed(checked, inputs))
            site = self._clean_site(layout, start, (len(inputs), *shifts.shape[2:]))
            return _RunState(
                inputs, start, site, clean_rows(site), self._cut(layout, start.outputs, len(inputs))
            )

        def run_clean(link: Stage, run: _RunState, known: dict[str, Array]) -> list[CleanRows]:
            found = self._shares(layout, link.run(known, outputs=True), len(run.inputs))
            run.outputs.update((name, found[name]) for name in link.outputs if name in found)
            return self._workers.map_reductions(clean_rows, [found[name] for name in link.probes])

        def run_copy(
            link: Stage, run: _RunState, clean: list[CleanRows], copy: int, known: dict[str, Array]
        ) -> list[RowStatistics]:
            if not known:
                known.update(self._known(layout, run.start, _nudged(run.site, shifts[run.inputs, copy])))
            found = self._shares(layout, link.run(known, outputs=False), len(run.inputs))
            return self._workers.map_reductions(pair_statistics, clean, [found[name] for name in link.probes])

        begun = self._workers.map_runs(begin, runs)
        at_probes: list[list[list[RowStatistics]]] = [[[] for _ in range(shifts.shape[1])] for _ in runs]
        links = self._watched.links
        for copies in self._passes(shifts.shape[1]):
            clean_known = [self._known(layout, run.start, run.site) for run in begun]
            known: dict[tuple[int, int], dict[str, Array]] = {
                (i, k): {} for k in copies for i in range(len(runs))
            }
            for link in links:
                clean = self._workers.map_runs(run_clean, repeat(link), begun, clean_known)
                found = self._workers.map_runs(
                    run_copy,
                    repeat(link),
                    [begun[i] for i, _ in known],
                    [clean[i] for i, _ in known],
                    [k for _, k in known],
                    known.values(),
                )
                for (i, k), statistics in zip(known, found, strict=True):
                    at_probes[i][k] += statistics
            if self._watched.tail is not None and copies.start == 0:
                self._workers.map_runs(run_clean, repeat(self._watched.tail), begun, clean_known)
        given = [name for link in links for name in link.probes]
        order = [given.index(name) for name in self.probes]
        return [
            Part(
                tabulate(
                    [
                        [pair_statistics(run.at_site, _nudged(run.site, shifts[run.inputs, k]))]
                        for k in range(shifts.shape[1])
                    ]
                ),
                tabulate([[column[at] for at in order] for column in at_probes[i]]),
                run.outputs,
            )
            for i, run in enumerate(begun)
        ]

    def _run_groups(
        self,
        layout: Layout,
        clean: Array,
        checked: Mapping[str, Feed],
        groups: int,
        shifts: Shifts,
        reduce: Callable[[PerturbationGroup], None],
    ) -> None:
        shape = self._site_shape(layout, clean)
        self._watched.load()

        def begin(inputs: list[int]) -> tuple[list[int], OriginRun, Array]:
            start = self._watched.origin.start(clean[inputs], _fed(checked, inputs))
            return inputs, start, self._clean_site(layout, start, (len(inputs), *shape))

        def run(begun: tuple[list[int], OriginRun, Array], number: int) -> None:
            inputs, start, site = begun
            sites = [_nudged(site, shift) for shift in shifts(inputs, number)]
            known = [self._known(layout, start, values) for values in sites]
            # All copies go through one part of the model before any goes through the next, so that no more is kept
            # than what one part gives.
            for link in self._watched.links:
                found = [
                    self._shares(layout, link.run(values, outputs=False), len(inputs)) for values in known
                ]
                for probe in link.probes:
                    reduce(
                        PerturbationGroup(inputs, number, probe, sites, [shares[probe] for shares in found])
                    )

        runs = layout.runs(len(clean), self._workers.runs)
        for first in range(0, len(runs), self._workers.runs):
            begun = self._workers.map_runs(begin, runs[first : first + self._workers.runs])
            pairs = [(start, number) for number in range(groups) for start in begun]
            self._workers.map_runs(run, *zip(*pairs, strict=True))

    def _passes(self, copies: int) -> list[range]:
        """Which copies go through the model together: what they hand over between its parts has to be kept."""
        each = copies if len(self._watched.links) == 1 else _TOGETHER
        return [range(first, min(first + each, copies)) for first in range(0, copies, each)]

    def _known(self, layout: Layout, start: OriginRun, site: Array) -> dict[str, Array]:
        """What a run begins with; `site` is [rows, *site]."""
        if not self.site.is_input:
            site = layout.join(self.site.name, site.reshape(len(site), *layout.shapes[self.site.name]))
        return self._watched.known(start, site)

    def _cut(self, layout: Layout, outputs: Mapping[str, Array], rows: int) -> dict[str, Array]:
        return {
            name: layout.cut(name, array, rows) for name, array in outputs.items() if name in layout.shapes
        }

    def _shares(self, layout: Layout, found: Mapping[str, Array], rows: int) -> dict[str, Array]:
        """Cuts what a run gave into one share for each input: [rows, *share]."""
        shares = self._cut(layout, found, rows)
        for name, part in shares.items():
            if name in self._watched.probes and part[0].size != layout.units(name):
                raise ModelError(
                    f"{self.model.path}: probe {name!r} has {layout.units(name)} values for one input and "
                    f"{part[0].size} for another, so they can't be compared; choose other probes"
                )
        return shares


def _fed(checked: Mapping[str, Feed], inputs: list[int]) -> dict[str, Array]:
    return {name: feed.at(inputs) for name, feed in checked.items()}


def _nudged(clean: Array, shift: FloatArray) -> FloatArray:
    # A nudge out of the dtype's range shows as an infinite activation.
    with np.errstate(over="ignore"):
        return (clean + shift).astype(clean.dtype)
