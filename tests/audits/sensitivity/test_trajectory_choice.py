"""Chosen trajectories: which inputs they pass through, and how often each type occurs."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from onnx_ood.audits.sensitivity.trajectory_choice import choose_trajectories

POINTS = np.random.default_rng(0).standard_normal((9, 2, 3, 4)).astype(np.float32)
CLASSES = ["a", "b", "c", "a", "b", "c", "a", "a", None]


def test_each_type_passes_through_the_inputs_that_it_names() -> None:
    chosen = choose_trajectories(POINTS, CLASSES, 2, 3, seed=1)
    # Of class a alone there are three; of its four members there are four triples.
    assert Counter(one.type for one in chosen) == dict.fromkeys(
        ("translations", "same_class", "different_classes", "random"), 3
    )
    for one in chosen:
        of = [CLASSES[i] for i in one.inputs]
        if one.type == "same_class":
            assert of == ["a"] * 3
        elif one.type == "different_classes":
            assert sorted(map(str, of)) == ["a", "b", "c"]
        else:
            assert len(one.inputs) == (one.type == "translations")
        # An ellipse through three points has them at π/3, π and 5π/3.
        places = {1: [0.0], 3: [1 / 6, 1 / 2, 5 / 6]}.get(len(one.inputs), [])
        for place, i in zip(places, one.inputs, strict=True):
            found = one.trajectory.at(np.array([place]))[0]
            np.testing.assert_allclose(found, POINTS[i], atol=1e-5)


def test_no_triple_is_chosen_twice() -> None:
    chosen = choose_trajectories(POINTS, CLASSES, None, 50, seed=0)
    counts = Counter(one.type for one in chosen)
    # 4 choose 3 of class a; 4 * 2 * 2 of three classes.
    assert (counts["same_class"], counts["different_classes"], counts["translations"]) == (4, 16, 0)
    triples = [one.inputs for one in chosen if one.inputs]
    assert len(set(triples)) == len(triples)


def test_the_seed_decides() -> None:
    first, again, other = (
        [one.inputs for one in choose_trajectories(POINTS, CLASSES, None, 2, seed=seed)] for seed in (3, 3, 4)
    )
    assert first == again != other


@pytest.mark.parametrize("classes", [[None] * 9, ["a", "a", "b", *[None] * 6]])
def test_classes_with_too_few_inputs_have_no_ellipses(classes: list[str | None]) -> None:
    chosen = choose_trajectories(POINTS, classes, None, 2, seed=0)
    assert {one.type for one in chosen} == {"random"}


def test_trajectories_without_length_are_left_out() -> None:
    flat = np.full((3, 1, 4, 4), 0.5, np.float32)
    assert choose_trajectories(flat, [None] * 3, 2, 2, seed=0) == []
    # Values for which rounding makes an ellipse through three equal inputs longer than 0.
    equal = np.tile(np.linspace(0.1, 0.7, 16, dtype=np.float32), (3, 1)) / 3
    assert choose_trajectories(equal, ["a"] * 3, None, 2, seed=0) == []
