"""Counts of transitions, against networks whose kinks are known and against exact boundaries."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import small_models
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto

from onnx_ood import models
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import find_units, load
from onnx_ood.perturb import Trajectory, closed_path, ellipse_through, segment, translations
from onnx_ood.piecewise import Boundaries, boundaries, read_program
from onnx_ood.runtime import transitions
from onnx_ood.runtime.activation_patterns import PatternReader, distances
from onnx_ood.runtime.transitions import Transitions, count_transitions

Save = Callable[..., Path]
# Between no two points of repeated bisection.
CENTRE = 0.3


def reader_of(path: Path, **options: object) -> PatternReader:
    model = load(path)
    return PatternReader(model, find_units(model).sites, provider="cpu", **options)  # type: ignore[arg-type]


def line(start: float = 0.0, end: float = 1.0) -> Trajectory:
    return segment([start], [end])


def kinks(places: list[float]) -> ModelProto:
    """One unit for each place, which turns on there."""
    return small_models.build(
        f"kinks (double[N, 1] x) => (double[N, {len(places)}] y) {{ d = Sub (x, places) y = Relu (d) }}",
        {"places": np.array([places])},
    )


def bump(width: float) -> ModelProto:
    """A unit that is on within `width` of a place, behind one that turns there: three transitions."""
    return small_models.build(
        """
        bump (double[N, 1] x) => (double[N, 1] y) {
            d = Sub (x, centre) far = Abs (d) z = Sub (width, far) y = Relu (z)
        }
        """,
        {"centre": np.array([[CENTRE]]), "width": np.array([[width]])},
    )


def test_kinks_are_counted(save: Save) -> None:
    places = [0.1, 0.2, 0.20001, 0.7, 0.9, 1.5]
    (found,) = count_transitions(reader_of(save(kinks(places))), [line()])
    assert found.total == 5
    assert found.converged
    assert found.length == 1.0
    np.testing.assert_array_equal(found.counts, [5])
    assert found.between.sum() == 5
    # In each interval are the kinks that are in it.
    np.testing.assert_array_equal(found.between, np.histogram(places, found.at)[0])
    np.testing.assert_allclose((found.density * np.diff(found.at)).sum(), 5)


def test_what_samples_overlook_is_found(save: Save) -> None:
    """A unit that goes on and off again between two of the first points."""
    (found,) = count_transitions(reader_of(save(bump(0.005))), [line()])
    assert found.uniform[0] == (17, 1)
    np.testing.assert_array_equal(found.counts, [1, 2])
    assert found.converged


def test_there_and_back_is_twice_as_many(save: Save) -> None:
    reader = reader_of(save(kinks([0.1, 0.2, 0.7, 2.0])))
    there, ring = count_transitions(reader, [line(), closed_path([[0.0], [1.0]])])
    assert ring.total == 2 * there.total == 6
    assert ring.length == 2 * there.length


def test_a_network_without_transitions(save: Save) -> None:
    (found,) = count_transitions(reader_of(save(kinks([2.0, 3.0]))), [line()])
    assert found.total == 0
    assert found.converged
    assert found.points < 1025


def random_network(seed: int) -> ModelProto:
    """Three layers in float64 with a skip connection, of units with one threshold and with two."""
    rng = np.random.default_rng(seed)

    def weight(rows: int, columns: int) -> np.ndarray:
        return rng.standard_normal((rows, columns)) / np.sqrt(rows / 2)

    return small_models.build(
        """
        random_network (double[N, 3] x) => (double[N, 5] y) {
            h1 = Gemm (x, w1, b1) a1 = Relu (h1)
            h2 = Gemm (a1, w2, b2) a2 = Clip (h2, low, high) s2 = Add (a1, a2)
            h3 = Gemm (s2, w3, b3) a3 = Abs (h3)
            y = Gemm (a3, w4)
        }
        """,
        {
            "w1": weight(3, 8),
            "w2": weight(8, 8),
            "w3": weight(8, 6),
            "w4": weight(6, 5),
            **{f"b{i}": 0.5 * rng.standard_normal(size) for i, size in ((1, 8), (2, 8), (3, 6))},
            "low": np.array(-0.25),
            "high": np.array(0.75),
        },
    )


def both_ways(seed: int, folder: Path) -> tuple[Transitions, Boundaries]:
    path = folder / "model.onnx"
    path.write_bytes(random_network(seed).SerializeToString())
    start, end = 2 * np.random.default_rng(seed + 1000).standard_normal((2, 3))
    (found,) = count_transitions(reader_of(path), [segment(start, end)])
    return found, boundaries(read_program(load(path), "x", (1, 3)), start, end)


def seen(exact: Boundaries, at: np.ndarray) -> np.ndarray:
    """Transitions that points on a segment can see, of all that there are: [P − 1]."""
    interval = np.searchsorted(at, exact.at) - 1
    unit = exact.site * 100 + exact.unit
    visible = np.zeros(len(at) - 1, int)
    for place, one in sorted(set(zip(interval.tolist(), unit.tolist(), strict=True))):
        here = exact.at[(interval == place) & (unit == one)]
        visible[place] += len(here) % 2
    return visible


@given(st.integers(0, 10_000))
@settings(max_examples=30)
def test_counts_are_what_the_points_can_see(seed: int) -> None:
    """Nothing that is there between its points is overlooked, and nothing is made up; no round loses anything."""
    with tempfile.TemporaryDirectory() as folder:
        found, exact = both_ways(seed, Path(folder))
    # A unit of two thresholds that goes through both at one step counts twice, as it does exactly.
    between = found.between - seen(exact, found.at)
    # Only the units with two thresholds can go through an interval with an even number of visible transitions.
    np.testing.assert_array_equal(between % 2, 0)
    assert (between >= 0).all()
    assert found.total <= len(exact.at)
    counts = [count for _, count in found.uniform] + [found.total]
    assert counts == sorted(counts)
    assert found.converged


def test_converged_counts_are_exact() -> None:
    with tempfile.TemporaryDirectory() as folder:
        results = [both_ways(seed, Path(folder)) for seed in range(50)]
    assert all(found.converged for found, _ in results)
    exact = [len(exact.at) for _, exact in results]
    assert sum(exact) > 500
    assert [found.total for found, _ in results] == exact


def test_a_residual_network_is_counted_to_a_thousandth() -> None:
    images, _ = models.fashion_samples()
    first, second = images[:2].reshape(2, 1, 28, 28) / 255.0
    # A short piece of the way: exact boundaries take their time.
    end = first + 0.01 * (second - first)
    path = models.path("fashion_resnet")
    (found,) = count_transitions(reader_of(path), [segment(first, end)])
    exact = boundaries(read_program(load(path), "image", (1, 1, 28, 28)), first, end)
    assert found.converged
    assert len(exact.at) > 1000
    differences = np.abs(found.counts - np.bincount(exact.site, minlength=len(found.counts)))
    assert differences.sum() <= 1e-3 * len(exact.at)


def test_counts_agree_with_an_even_sweep() -> None:
    images, _ = models.fashion_samples()
    trajectory = segment(*images[:2].reshape(2, 1, 28, 28) / 255.0)
    reader = reader_of(models.path("fashion_cnn"))
    (found,) = count_transitions(reader, [trajectory])
    codes = reader.read(trajectory.at(np.linspace(0, 1, 4097)))
    even = distances(codes.subset(slice(0, -1)), codes.subset(slice(1, None))).sum(axis=0)
    assert found.converged
    assert found.points < 2049
    assert found.total == pytest.approx(even.sum(), rel=1e-3)


@pytest.fixture
def classifier(save: Save) -> PatternReader:
    return reader_of(save(small_models.classifier()))


def test_trajectories_beside_each_other_are_counted_as_alone(
    classifier: PatternReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = small_models.images(4).astype(np.float64)
    walks = [segment(*images[:2]), ellipse_through(*images[:3]), translations(images[3])]
    together = count_transitions(classifier, walks)
    monkeypatch.setattr(transitions, "_MAX_READ_BYTES", 1)
    alone = [count_transitions(classifier, [walk])[0] for walk in walks]
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_array_equal(a.at, b.at)
        # Kernels round otherwise for another number of rows: a unit may lie that near to its threshold.
        assert a.total == pytest.approx(b.total, abs=2)


def test_where_codes_cannot_be_kept_the_count_is_not_taken_for_converged(
    classifier: PatternReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    walks = [ellipse_through(*small_models.images(3, seed=seed)) for seed in (1, 2)]
    whole = count_transitions(classifier, walks)
    monkeypatch.setattr(transitions, "_MAX_KEPT_BYTES", 1)
    parts = count_transitions(classifier, walks)
    for few, many in zip(parts, whole, strict=True):
        assert many.converged
        assert not few.converged
        assert few.points < many.points
        assert 0 < few.total < many.total
        assert few.remainder > 0


def test_points_are_limited(classifier: PatternReader) -> None:
    walk = ellipse_through(*small_models.images(3))
    totals = []
    for most in (18, 30, 100, 16_385):
        (found,) = count_transitions(classifier, [walk], max_points=most)
        assert found.points <= most
        assert found.converged == (most > 1000)
        totals.append(found.total)
    assert totals == sorted(totals)
    (first,) = count_transitions(classifier, [walk], max_points=17)
    assert first.uniform == ((17, first.total),)
    assert first.remainder == np.inf


def test_a_smaller_tolerance_finds_no_less(classifier: PatternReader) -> None:
    walk = translations(small_models.images(1)[0])
    rough, fine = (count_transitions(classifier, [walk], tolerance=t)[0] for t in (0.05, 1e-4))
    assert rough.points < fine.points
    assert rough.total <= fine.total
    assert rough.total == pytest.approx(fine.total, rel=0.1)


def test_other_inputs_belong_to_their_trajectories(save: Save) -> None:
    reader = reader_of(save(small_models.two_inputs()), site="embedding")
    ends = small_models.normal(2, 4, 6, seed=6)
    mask = np.array([[1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 0, 0]])
    others = {"mask": mask, "temperature": np.float32(1)}
    full, none, half = count_transitions(reader, [segment(*ends)] * 3, others)
    assert full.total > half.total > none.total == 0


def test_what_cannot_be_counted(classifier: PatternReader) -> None:
    walk = segment(*small_models.images(2))
    with pytest.raises(UsageError, match="no trajectories"):
        count_transitions(classifier, [])
    with pytest.raises(UsageError, match="tolerance"):
        count_transitions(classifier, [walk], tolerance=0)
    with pytest.raises(UsageError, match="begins with 17 points"):
        count_transitions(classifier, [walk], max_points=16)
