"""Ordinary inputs and the sets that are told from them: those that are named, and those that are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from onnx_ood.evidence.collect import Collected, Collector, Found, numbered
from onnx_ood.exceptions import NotEvaluatedError
from onnx_ood.perturb import find_corruption, list_corruptions


@dataclass(frozen=True)
class Sets(Generic[Found]):
    """What was measured.

    Attributes:
        usual: Of ordinary inputs.
        given: Of each set that was named.
        made: Of pictures of nothing, and of the ordinary pictures altered.
        notes: What a user should know about them.
    """

    usual: Collected[Found]
    given: Mapping[str, Collected[Found]]
    made: Mapping[str, Found]
    notes: tuple[str, ...]

    @property
    def tested(self) -> dict[str, Found]:
        """All sets by name, named ones first."""
        return {**{name: one.evidence for name, one in self.given.items()}, **self.made}


def collect_sets(
    collector: Collector[Found],
    path: Path,
    ordinary: Sequence[str],
    strange: Mapping[str, Sequence[str]],
    *,
    controls: bool,
    pictures: bool,
    step: Callable[[int], None],
) -> Sets[Found]:
    """Measures everything.

    Args:
        collector: Reads and measures.
        path: The model's file, for errors.
        ordinary: Files, folders or globs.
        strange: The same of each set.
        controls: True to make sets too, of pictures.
        pictures: True if inputs are pictures.
        step: Called with the number of inputs of each batch that is done.

    Returns:
        What was measured; of made pictures those for which the model gives numbers. A made set of the name of one that
        is given is left out, and so is one without numbers, with a note.

    Raises:
        NotEvaluatedError: If no ordinary input could be measured, or none of a set that was named.
    """
    usual = collector.collect(
        ordinary,
        numbered({name: find_corruption(name).at("demo") for name in list_corruptions("demo")})
        if controls and pictures
        else None,
        step,
    )
    given = {name: collector.collect(paths, progress=step) for name, paths in strange.items()}
    for what, found in {
        "ordinary input": usual,
        **{f"input of {name}": one for name, one in given.items()},
    }.items():
        if not found.ids:
            reason = found.failed[0].reason if found.failed else "there is none"
            raise NotEvaluatedError(f"{path}: no {what} could be measured: {reason}")
    notes = usual.notes
    if controls and not pictures:
        notes += ("inputs are no pictures, so that no sets were made of them",)
    made: dict[str, Found] = {}
    for name, all_of_it in (
        collector.nothing(len(usual.ids)) | usual.altered if controls and pictures else {}
    ).items():
        found_numbers = collector.numbers(all_of_it)
        if name in given:
            notes += (f"{name} is the set that was named so, and not made",)
        elif found_numbers is None:
            notes += (f"{name} is left out: the model gives NaN or infinity for it",)
        else:
            made[name] = found_numbers
    return Sets(usual, given, made, notes)


def counting(progress: Callable[[int, int | None], None] | None) -> Callable[[int], None]:
    """Adds up what is done.

    Args:
        progress: Called with the number of inputs that are done; how many there will be isn't known.

    Returns:
        What takes the number of inputs of each batch.
    """
    done = 0

    def step(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(done, None)

    return step
