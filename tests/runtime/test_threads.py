"""Distribution of threads over runs and reductions."""

from __future__ import annotations

import threading

import pytest

from onnx_ood.runtime import threads
from onnx_ood.runtime.threads import Workers, decoding_threads, run_threads, run_workers


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 16, 64, 96])
def test_threads_of_all_runs_together_fit_the_cores(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "available_threads", lambda: count)
    assert 1 <= run_workers("cpu") * run_threads("cpu") <= count
    # No more than half of the cores may be left over, and none where they can be shared out evenly.
    assert run_workers("cpu") * run_threads("cpu") > count / 2
    assert run_workers("cuda") == 1


@pytest.mark.parametrize("count", [1, 2, 8, 16, 96])
def test_decoders_leave_no_core_idle_and_are_bounded(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "available_threads", lambda: count)
    assert decoding_threads() == min(count, 16)


def test_runs_go_on_beside_each_other_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "available_threads", lambda: 3)
    together = threading.Barrier(3, timeout=20)  # Passes only if three calls wait at once.
    workers = Workers("cpu")
    assert workers.map_runs(lambda x: (together.wait(), x * x)[1], [1, 2, 3]) == [1, 4, 9]
    names = workers.map_runs(
        lambda _: {threading.current_thread().name, *workers.map_reductions(_thread, range(9))}, range(3)
    )
    assert all(len(name) == 1 for name in names), "a worker reduces what it has run"


def test_reductions_go_on_beside_each_other_where_runs_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "available_threads", lambda: 3)
    together = threading.Barrier(3, timeout=20)
    workers = Workers("cuda")
    assert workers.map_runs(_thread, [1, 2]) == [threading.current_thread().name] * 2
    workers.map_reductions(lambda _: together.wait(), range(3))


def test_an_error_comes_out() -> None:
    def fail(x: int) -> int:
        if x == 2:
            raise ValueError("two")
        return x

    for provider in ("cpu", "cuda"):
        with pytest.raises(ValueError, match="two"):
            Workers(provider).map_runs(fail, range(5))


def _thread(_: int) -> str:
    return threading.current_thread().name
