"""Running points through a model, and reducing what each run gives before the next one is held."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from onnx_ood._types import Array
from onnx_ood.runtime.arguments import Feed
from onnx_ood.runtime.batching.independence import BatchDependenceError
from onnx_ood.runtime.batching.layout import Layout
from onnx_ood.runtime.batching.trial import make_layout, one_at_a_time
from onnx_ood.runtime.session import Session
from onnx_ood.runtime.threads import Workers

Result = TypeVar("Result")

# What one run gave, by name.
Found = dict[str, Array]


class PointRunner:
    """Runs points, several beside each other, and hands what each run gave to a function.

    Attributes:
        layout: How points are laid out in runs; None as long as nothing was run.
    """

    def __init__(
        self,
        session: Session,
        path: Path,
        entry: str,
        read: Sequence[str],
        *,
        fetched: Sequence[str] = (),
        finish: Callable[[Found], None] | None = None,
        batch_size: int | None,
        fixed: int | None,
    ) -> None:
        """Takes what was made ready.

        Args:
            session: The model, rewritten.
            path: Where it came from, for errors.
            entry: The input that points are fed to.
            read: Names of what is read, each of which has a share for each point.
            fetched: Names of what is fetched with it and has no shares.
            finish: Changes what a run gave, before it is cut into shares.
            batch_size: Points in one run; None lets memory decide.
            fixed: The batch size that is written into the model, or None.
        """
        self._session, self._path, self._entry = session, path, entry
        self._read, self._fetched, self._finish = tuple(read), tuple(fetched), finish
        self._batch_size, self._fixed = batch_size, fixed
        self._workers = Workers(session.provider)
        self.layout: Layout | None = None
        self._planned_for: object = None

    @property
    def concurrent_runs(self) -> int:
        """How many runs go on beside each other."""
        return self._workers.runs

    def reduce(
        self,
        values: Array,
        feeds: Mapping[str, Feed],
        begin: Callable[[Layout], Result],
        take: Callable[[Layout, Found, list[int], Result], None],
    ) -> Result:
        """Runs points.

        Args:
            values: [M, *input].
            feeds: What goes with them to other inputs.
            begin: Makes room for the result.
            take: Reduces what one run gave of the points of these indices into the result. Called from several threads.

        Returns:
            The result.

        Raises:
            ModelError: If a run fails.
        """
        layout = self._layout_for(values, feeds)
        try:
            return self._reduce_with(layout, values, feeds, begin, take)
        except BatchDependenceError as uneven:
            self.layout = one_at_a_time(layout, uneven.name, self._path)
            return self._reduce_with(self.layout, values, feeds, begin, take)

    def _reduce_with(
        self,
        layout: Layout,
        values: Array,
        feeds: Mapping[str, Feed],
        begin: Callable[[Layout], Result],
        take: Callable[[Layout, Found, list[int], Result], None],
    ) -> Result:
        result = begin(layout)

        def run(inputs: list[int]) -> None:
            take(layout, self._run(values[inputs], feeds, inputs), inputs, result)

        self._workers.map_runs(run, layout.runs(len(values), self._workers.runs))
        return result

    def _layout_for(self, values: Array, feeds: Mapping[str, Feed]) -> Layout:
        shapes = (values.shape[1:], {name: feed.share_shape for name, feed in feeds.items()})
        if self.layout is None or self._planned_for != shapes:
            self.layout = make_layout(
                lambda values, inputs: self._run(values, feeds, inputs),
                values,
                probes=self._read,
                path=self._path,
                provider=self._session.provider,
                batch_size=self._batch_size,
                fixed=self._fixed,
                inner_site=False,
            )
            self._planned_for = shapes
        return self.layout

    def _run(self, values: Array, feeds: Mapping[str, Feed], inputs: list[int]) -> Found:
        names = [*self._read, *self._fetched]
        fed = {name: feed.at(inputs) for name, feed in feeds.items()}
        found = dict(zip(names, self._session.run(names, {self._entry: values, **fed}), strict=True))
        if self._finish:
            self._finish(found)
        return found
