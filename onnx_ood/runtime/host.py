"""Runs of clean inputs and nudged copies, whose activations are reduced on the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Array, FloatArray
from onnx_ood.exceptions import ModelError
from onnx_ood.graph import FedInput, Model, Tensor
from onnx_ood.runtime.arguments import Feed, feed_arrays
from onnx_ood.runtime.batching.layout import Layout
from onnx_ood.runtime.instrumented_model import InstrumentedModel, Stage
from onnx_ood.runtime.measurement import RunStatistics
from onnx_ood.runtime.origin import OriginRun
from onnx_ood.runtime.statistics import (
    CleanActivations,
    PairStatistics,
    pair_statistics,
    prepare_clean,
    tabulate,
)
from onnx_ood.runtime.threads import Workers

# Copies that go through a split model together: what its stages pass on is kept meanwhile.
_MAX_COPIES_PER_PASS = 16


class PerturbationGroup(NamedTuple):
    """Activations at one probe of copies that are compared with each other, in one run of R inputs.

    Attributes:
        inputs: Indices of the inputs in the batch; the last one may repeat, to fill up a run.
        number: Index of the group.
        probe: Name of the probe.
        sites: The site's values as fed, [R, *site] for each copy.
        values: Activations at the probe, [R, *sample] for each copy.
    """

    inputs: list[int]
    number: int
    probe: str
    sites: list[Array]
    values: list[Array]


# Returns the nudges [R, *site] of each copy of a group, for some inputs and the group's number.
GroupNudges = Callable[[list[int], int], Sequence[FloatArray]]


class _RunState(NamedTuple):
    """State shared by a run's clean inputs and their copies.

    Attributes:
        inputs: Indices of the inputs in the batch.
        start: What is fed.
        site: The clean site, [R, *site].
    """

    inputs: list[int]
    start: OriginRun
    site: Array


class HostRuns:
    """Runs an instrumented model stage by stage."""

    def __init__(
        self,
        model: Model,
        fed: FedInput,
        site: Tensor,
        instrumented: InstrumentedModel,
        workers: Workers,
    ) -> None:
        """Take a model.

        Args:
            model: The model as loaded.
            fed: The input that the batch feeds.
            site: The tensor that is nudged.
            instrumented: The model with its probes, on a provider.
            workers: Threads for runs and reductions.
        """
        self._path, self._fed, self._site = model.path, fed, site
        self._instrumented, self._workers = instrumented, workers

    def site_shape(self, layout: Layout, clean: Array) -> tuple[int, ...]:
        """Shape of the site's values for one input, without the batch axis.

        Args:
            layout: How inputs are run.
            clean: Values of the batch's input, [N, *input].

        Raises:
            ModelError: If the site cannot be split by input.
        """
        if self._site.is_input:
            return clean.shape[1:]
        if self._site.name not in layout.shapes:
            raise ModelError(
                f"{self._path}: the site {self._site.name!r} cannot be split by input; choose another site"
            )
        return layout.sample_shape(self._site.name)

    def site_values(self, layout: Layout, clean: Array, feeds: Mapping[str, Feed]) -> Array:
        """Compute the clean values of the site, [N, *site]; arguments as in `measure`."""
        shape = self.site_shape(layout, clean)
        states = [self._begin(layout, clean, feeds, shape, inputs) for inputs in layout.runs(len(clean))]
        return np.concatenate([state.site for state in states])[: len(clean)]

    def measure(
        self, layout: Layout, clean: Array, nudges: FloatArray, feeds: Mapping[str, Feed]
    ) -> list[RunStatistics]:
        """Measure a batch.

        Args:
            layout: How inputs are run.
            clean: Values of the batch's input, [N, *input].
            nudges: [N, K, *site].
            feeds: Values of the other inputs.

        Returns:
            The statistics of each run.

        Raises:
            ModelError: If a run fails.
        """
        self._instrumented.load()
        concurrent = self._workers.runs
        runs = layout.runs(len(clean), concurrent)
        statistics = []
        for first in range(0, len(runs), concurrent):
            states = self._workers.map_runs(
                self._begin,
                repeat(layout),
                repeat(clean),
                repeat(feeds),
                repeat(nudges.shape[2:]),
                runs[first : first + concurrent],
            )
            statistics += self._measure_states(layout, states, nudges)
        return statistics

    def run_groups(
        self,
        layout: Layout,
        clean: Array,
        feeds: Mapping[str, Feed],
        groups: int,
        nudges: GroupNudges,
        reduce: Callable[[PerturbationGroup], None],
    ) -> None:
        """Run groups of copies.

        Args:
            layout: How inputs are run.
            clean: Values of the batch's input, [N, *input].
            feeds: Values of the other inputs.
            groups: As in `Prober.run_groups`, as all that follow.
            nudges: See there.
            reduce: See there.

        Raises:
            ModelError: If a run fails.
        """
        shape = self.site_shape(layout, clean)
        self._instrumented.load()

        def run(state: _RunState, number: int) -> None:
            inputs = state.inputs
            sites = [_nudged(state.site, nudge) for nudge in nudges(inputs, number)]
            known = [self._known(layout, state, values) for values in sites]
            # All copies go through one stage before any goes through the next, so that no more is kept than one stage
            # gives.
            for stage in self._instrumented.stages:
                found = [layout.split_all(stage.run(values, outputs=False), len(inputs)) for values in known]
                for probe in stage.probes:
                    values = [samples[probe] for samples in found]
                    reduce(PerturbationGroup(inputs, number, probe, sites, values))

        concurrent = self._workers.runs
        runs = layout.runs(len(clean), concurrent)
        for first in range(0, len(runs), concurrent):
            states = self._workers.map_runs(
                self._begin,
                repeat(layout),
                repeat(clean),
                repeat(feeds),
                repeat(shape),
                runs[first : first + concurrent],
            )
            pairs = [(state, number) for number in range(groups) for state in states]
            self._workers.map_runs(run, *zip(*pairs, strict=True))

    def _measure_states(
        self, layout: Layout, states: list[_RunState], nudges: FloatArray
    ) -> list[RunStatistics]:
        """Measure concurrent runs stage by stage: clean inputs first, then the copies.

        So the clean activations of a stage are still in cache when copies are compared with them.
        """
        instrumented, copies = self._instrumented, nudges.shape[1]
        # Sizes that differ from the layout's, by the first input of the run.
        sizes: dict[int, dict[str, int]] = {state.inputs[0]: {} for state in states}
        outputs = [layout.split_all(state.start.outputs, len(state.inputs)) for state in states]

        def run_clean(
            stage: Stage, state: _RunState, own: dict[str, Array], known: dict[str, Array]
        ) -> list[CleanActivations]:
            found = layout.split_all(stage.run(known, outputs=True), len(state.inputs))
            own.update((name, found[name]) for name in stage.outputs if name in found)
            clean = self._workers.map_reductions(prepare_clean, [found[name] for name in stage.probes])
            for name, one in zip(stage.probes, clean, strict=True):
                if one.values.shape[1] != layout.units(name):
                    sizes[state.inputs[0]][name] = one.values.shape[1]
            return clean

        def run_copy(
            stage: Stage,
            state: _RunState,
            clean: list[CleanActivations],
            copy: int,
            known: dict[str, Array],
        ) -> list[PairStatistics]:
            if not known:
                known.update(self._known(layout, state, _nudged(state.site, nudges[state.inputs, copy])))
            found = layout.split_all(stage.run(known, outputs=False), len(state.inputs))
            return self._workers.map_reductions(_compared, clean, [found[name] for name in stage.probes])

        at_probes: list[list[list[PairStatistics]]] = [[[] for _ in range(copies)] for _ in states]
        for together in self._passes(copies):
            clean_known = [self._known(layout, state, state.site) for state in states]
            known: dict[tuple[int, int], dict[str, Array]] = {
                (i, k): {} for k in together for i in range(len(states))
            }
            for stage in instrumented.stages:
                clean = self._workers.map_runs(run_clean, repeat(stage), states, outputs, clean_known)
                found = self._workers.map_runs(
                    run_copy,
                    repeat(stage),
                    [states[i] for i, _ in known],
                    [clean[i] for i, _ in known],
                    [k for _, k in known],
                    known.values(),
                )
                for (i, k), statistics in zip(known, found, strict=True):
                    at_probes[i][k] += statistics
            if instrumented.remainder is not None and together.start == 0:
                self._workers.map_runs(
                    run_clean, repeat(instrumented.remainder), states, outputs, clean_known
                )
        given = [name for stage in instrumented.stages for name in stage.probes]
        order = [given.index(name) for name in instrumented.probes]
        return [
            RunStatistics(
                self._at_site(state, nudges),
                tabulate([[column[at] for at in order] for column in columns]),
                own,
                self._sizes(layout, sizes[state.inputs[0]]),
            )
            for state, columns, own in zip(states, at_probes, outputs, strict=True)
        ]

    def _sizes(self, layout: Layout, differing: Mapping[str, int]) -> NDArray[np.int64] | None:
        """Units of the probes in a run; None if they are those of the layout."""
        if not differing:
            return None
        return np.array([differing.get(name, layout.units(name)) for name in self._instrumented.probes])

    def _at_site(self, state: _RunState, nudges: FloatArray) -> PairStatistics:
        clean = prepare_clean(state.site)
        return tabulate(
            [
                [pair_statistics(clean, _nudged(state.site, nudges[state.inputs, k]))]
                for k in range(nudges.shape[1])
            ]
        )

    def _begin(
        self,
        layout: Layout,
        clean: Array,
        feeds: Mapping[str, Feed],
        shape: tuple[int, ...],
        inputs: list[int],
    ) -> _RunState:
        """Bring the inputs of one run to the site."""
        fed = self._fed.arrange(clean[inputs])
        start = self._instrumented.origin.start(fed, feed_arrays(feeds, inputs))
        site = clean[inputs]
        if not self._site.is_input:
            site = start.site
            site = layout.split(self._site.name, site, len(inputs))
            if site[0].size != prod(shape):
                raise ModelError(
                    f"{self._path}: the site {self._site.name!r} has {prod(shape)} values for one input and "
                    f"{site[0].size} for another; choose another site"
                )
            site = site.reshape(len(inputs), *shape)
        return _RunState(inputs, start, site)

    def _passes(self, copies: int) -> list[range]:
        """Divide copies into those that go through the model together."""
        size = copies if len(self._instrumented.stages) == 1 else _MAX_COPIES_PER_PASS
        return [range(first, min(first + size, copies)) for first in range(0, copies, size)]

    def _known(self, layout: Layout, state: _RunState, site: Array) -> dict[str, Array]:
        """Collect the feeds of the first stage; `site` is [R, *site]."""
        if self._site.is_input:
            site = self._fed.arrange(site)
        else:
            site = layout.join(self._site.name, site.reshape(len(site), *layout.shapes[self._site.name]))
        return self._instrumented.known(state.start, site)


def _compared(clean: CleanActivations, nudged: Array) -> PairStatistics:
    found = pair_statistics(clean, nudged)
    # Without elements there is nothing to compare, although another input may have some.
    return (
        found if clean.values.size else found._replace(flips=np.full(len(clean.aa), -1), dd=found.dd + np.nan)
    )


def _nudged(clean: Array, nudge: FloatArray) -> FloatArray:
    # A nudge out of the dtype's range shows as an infinite activation.
    with np.errstate(over="ignore"):
        return (clean + nudge).astype(clean.dtype)
