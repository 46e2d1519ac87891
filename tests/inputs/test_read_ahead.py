import threading
from collections.abc import Generator

import pytest

from onnx_ood._dialect import dialect, named
from onnx_ood.inputs.read_ahead import one_ahead


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_the_next_item_is_made_while_the_last_is_used_and_no_more() -> None:
    made = [threading.Event() for _ in range(4)]

    def items(_stop: threading.Event) -> Generator[int]:
        for number, event in enumerate(made):
            event.set()
            yield number

    got = []
    for number in one_ahead(items, name="ahead"):
        got.append(number)
        assert all(event.wait(10) for event in made[: number + 2])
        assert not any(event.is_set() for event in made[number + 2 :])
    assert got == [0, 1, 2, 3]
    assert threads() == []


def test_nothing_runs_before_the_first_item_is_asked_for() -> None:
    def items(_stop: threading.Event) -> Generator[int]:
        raise AssertionError("was begun")
        yield 0

    batches = one_ahead(items, name="ahead")
    assert threads() == []
    batches.close()


def test_who_leaves_stops_the_step_that_is_under_way_and_closes_the_generator() -> None:
    said: list[str] = []

    def items(stop: threading.Event) -> Generator[int]:
        try:
            yield 0
            assert stop.wait(10)
            said.append("told to stop")
            yield 1
        finally:
            said.append("closed")

    batches = one_ahead(items, name="ahead")
    assert next(batches) == 0
    batches.close()
    assert said == ["told to stop", "closed"]
    assert threads() == []


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_what_the_generator_raises_comes_out_where_it_would_have_been(kind: type[BaseException]) -> None:
    def items(_stop: threading.Event) -> Generator[int]:
        yield 0
        raise kind("here")

    batches = one_ahead(items, name="ahead")
    assert next(batches) == 0
    with pytest.raises(kind, match="here"):
        next(batches)
    assert threads() == []


def test_the_generator_runs_with_the_caller_s_context() -> None:
    def items(_stop: threading.Event) -> Generator[str]:
        yield named("copies")
        yield named("seed")

    with dialect("cli"):
        assert list(one_ahead(items, name="ahead")) == ["--copies", "--seed"]
    assert list(one_ahead(items, name="ahead")) == ["copies", "seed"]
