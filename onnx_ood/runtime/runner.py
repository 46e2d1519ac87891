"""Layout cache and retry; runs that are reduced before the next one is held."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from onnx_ood._types import Array
from onnx_ood.graph import Model, random_operators
from onnx_ood.runtime.arguments import Feed, feed_arrays
from onnx_ood.runtime.batching.independence import BatchDependenceError
from onnx_ood.runtime.batching.layout import Layout
from onnx_ood.runtime.batching.trial import find_layout, one_at_a_time
from onnx_ood.runtime.blocked_layout import in_order
from onnx_ood.runtime.providers import Provider
from onnx_ood.runtime.session import OutOfMemoryError, Session, block_width
from onnx_ood.runtime.threads import Workers

Result = TypeVar("Result")

# The tensors of one run, by name.
Found = dict[str, Array]
# Runs values of the batch's input with what the other inputs are fed; returns probes and outputs by name.
Execute = Callable[[Array, Mapping[str, Array]], Mapping[str, Array]]


class Runner:
    """Layout of a model's inputs, found once per input shape, and retries where it does not hold.

    Attributes:
        layout: The layout in use; None before the first run.
        workers: Threads for runs and reductions.
    """

    def __init__(
        self,
        execute: Execute,
        probes: Callable[[], Sequence[str]],
        *,
        path: Path,
        provider: Provider,
        batch_size: int | None,
        fixed: int | None,
        inner_site: bool = False,
        found: Callable[[Layout], None] = lambda _: None,
    ) -> None:
        """Take what trial runs need; nothing is run yet.

        Args:
            execute: Runs the model, for trial runs.
            probes: Returns the names of the tensors that need a sample per input.
            path: The model's file, for errors.
            provider: `"cuda"` or `"cpu"`.
            batch_size: Inputs in one run; None lets memory decide.
            fixed: The batch size that is written into the model, or None.
            inner_site: As in `find_layout`.
            found: Called with each layout that trial runs gave.
        """
        self._execute, self._probes, self._found = execute, probes, found
        self._path, self._provider = path, provider
        self._batch_size, self._fixed, self._inner_site = batch_size, fixed, inner_site
        self.workers = Workers(provider)
        self.layout: Layout | None = None
        self._planned_for: object = None

    @property
    def batch_size(self) -> int | None:
        """Inputs in one run; None before the first run."""
        return self.layout.batch_size if self.layout else None

    @property
    def note(self) -> str:
        """Reason for running inputs one at a time or omitting an output, or empty."""
        return self.layout.note if self.layout else ""

    def random_operators(self, model: Model) -> tuple[str, ...]:
        """Return the operators that make two runs of the same input differ, as far as runs have shown.

        Args:
            model: The model.

        Returns:
            Their types; empty if the runs agreed.
        """
        if self.layout is None or not self.layout.random:
            return ()
        return random_operators(model) or ("an unknown operator",)

    def plan(self, values: Array, feeds: Mapping[str, Feed]) -> Layout:
        """Return the layout for inputs of these shapes, by trial runs where it isn't known yet.

        Args:
            values: [N, *input].
            feeds: Values of the other inputs.

        Raises:
            ModelError: If a trial run fails.
        """
        shapes = (values.shape[1:], {name: feed.sample_shape for name, feed in feeds.items()})
        if self.layout is None or self._planned_for != shapes:
            self.layout = find_layout(
                lambda values, inputs: self._execute(values, feed_arrays(feeds, inputs)),
                values,
                probes=self._probes(),
                path=self._path,
                provider=self._provider,
                batch_size=self._batch_size,
                fixed=self._fixed,
                inner_site=self._inner_site,
            )
            self._planned_for = shapes
            self._found(self.layout)
        return self.layout

    def run(self, layout: Layout, body: Callable[[Layout], Result]) -> Result:
        """Run all inputs, and start over with a smaller batch size where that of the layout fails.

        One input at a time if those of a run turn out not to be independent: the first input and its companion had
        samples of one size by chance. Half as many if memory is short.

        Args:
            layout: What `plan` gave.
            body: Runs all inputs by a layout.

        Raises:
            ModelError: If a run fails.
        """
        while True:
            try:
                return body(layout)
            except BatchDependenceError as dependence:
                layout = one_at_a_time(layout, dependence.name, self._path)
            except OutOfMemoryError:
                if layout.fixed or layout.batch_size == 1:
                    raise
                layout = replace(layout, batch_size=layout.batch_size // 2)
            self.layout = layout


class TensorRunner(Runner):
    """Runs a session and hands the tensors of each run to a function."""

    def __init__(
        self,
        session: Session,
        path: Path,
        entry: str,
        read: Sequence[str],
        *,
        fetched: Sequence[str] = (),
        finish: Callable[[Found], None] = lambda _: None,
        batch_size: int | None,
        fixed: int | None,
        arrange: Callable[[Array], Array] = lambda values: values,
    ) -> None:
        """Take a session.

        Args:
            session: The model, rewritten.
            path: The model's file, for errors.
            entry: The input that the batch feeds.
            read: Names of the tensors to read, each with one sample per input.
            fetched: Names of tensors that are fetched too and need not have samples.
            finish: Changes the tensors of a run before they are split.
            batch_size: Inputs in one run; None lets memory decide.
            fixed: The batch size that is written into the model, or None.
            arrange: Arranges inputs [R, *input] as the model takes them.
        """
        super().__init__(
            self._trial,
            lambda: read,
            path=path,
            provider=session.provider,
            batch_size=batch_size,
            fixed=fixed,
            # Which tensors have an axis of inputs must not depend on the batch size.
            inner_site=True,
        )
        self._session, self._entry, self._arrange, self._finish = session, entry, arrange, finish
        self._names = [*read, *fetched]

    def reduce(
        self,
        values: Array,
        feeds: Mapping[str, Feed],
        begin: Callable[[Layout], Result],
        take: Callable[[Layout, Found, list[int], Result], None],
    ) -> Result:
        """Run inputs and reduce the tensors of each run.

        Args:
            values: [N, *input].
            feeds: Values of the other inputs.
            begin: Allocates the result.
            take: Reduces one run, of the inputs with these indices, into the result. Called from several threads.

        Returns:
            The result.

        Raises:
            ModelError: If a run fails.
        """

        def body(layout: Layout) -> Result:
            result = begin(layout)

            def run(inputs: list[int]) -> None:
                take(layout, self._run(values[inputs], feed_arrays(feeds, inputs)), inputs, result)

            self.workers.map_runs(run, layout.runs(len(values), self.workers.runs))
            return result

        return self.run(self.plan(values, feeds), body)

    def _trial(self, values: Array, feeds: Mapping[str, Array]) -> Found:
        # The axis of the inputs is looked for among the axes of the model.
        return {
            name: in_order(array, block_width()) if name in self._session.blocked else array
            for name, array in self._run(values, feeds).items()
        }

    def _run(self, values: Array, feeds: Mapping[str, Array]) -> Found:
        arrays = self._session.run(self._names, {self._entry: self._arrange(values), **feeds})
        found = dict(zip(self._names, arrays, strict=True))
        self._finish(found)
        return found
