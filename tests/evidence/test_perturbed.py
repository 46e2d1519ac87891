"""What nudges do, against onnx's reference evaluation in float64 and closed forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path

import numpy as np
import pytest
import small_models
from onnx import ModelProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from scipy.special import softmax

import onnx_ood
from onnx_ood import models
from onnx_ood.detectors import Features, Need, find_detector
from onnx_ood.evidence.perturbed import COPIES, DIRECTIONS, POINTS, SCALE
from onnx_ood.evidence.reader import FeatureReader
from onnx_ood.graph import load
from onnx_ood.inputs import Preprocessing
from onnx_ood.perturb import draw, draw_smooth
from onnx_ood.perturb.directions import Directions
from onnx_ood.runtime import Prober

Save = Callable[..., Path]

NUDGED: tuple[Need, ...] = ("pairs", "smooth", "ring", "jacobian")
FIELDS = ("drops", "flips", "distortions", "smooth_drops", "transitions", "jacobian")
RELUS = ("relu1", "relu2")
COUNT = 5


def read(path: Path, batch: np.ndarray, needs: Sequence[Need] = NUDGED, **settings: object) -> Features:
    return FeatureReader(load(path), needs, provider="cpu", **settings).read(batch)


def evaluate(model: ModelProto, names: Sequence[str], batch: np.ndarray) -> list[np.ndarray]:
    """Rows of tensors by onnx's reference evaluation, in the model's own type."""
    marked = ReferenceEvaluator(small_models.marked(model, names))
    found = marked.run(list(names), {model.graph.input[0].name: batch})
    return [values.reshape(len(batch), -1) for values in found]


def angle(a: np.ndarray, b: np.ndarray) -> float:
    """By the chord between unit vectors."""
    return float(2 * np.arcsin(np.linalg.norm(a / np.linalg.norm(a) - b / np.linalg.norm(b)) / 2))


def network() -> ModelProto:
    """Two ReLU layers on pictures, in float64, for which the runtime has no convolutions."""
    sizes = {"w1": (192, 40), "w2": (40, 30), "w3": (30, 5)}
    return small_models.build(
        """
        network (double[N, 3, 8, 8] image) => (double[N, 5] logits) {
            flat = Flatten (image)
            h1 = MatMul (flat, w1)
            relu1 = Relu (h1)
            h2 = MatMul (relu1, w2)
            relu2 = Relu (h2)
            logits = MatMul (relu2, w3)
        }
        """,
        {
            name: small_models.normal(*size, seed=i, scale=0.3, dtype="float64")
            for i, (name, size) in enumerate(sizes.items())
        },
    )


def expected(model: ModelProto, batch: np.ndarray, gain: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """All that is measured, in float64 and one number after the other."""
    shape = batch.shape[1:]

    def scaled(unit: np.ndarray) -> np.ndarray:
        # Single precision is enough for a nudge, but both sides have to have the same.
        return (unit * SCALE * gain).astype(np.float32).astype(np.float64)

    def shares(at: np.ndarray) -> np.ndarray:
        (logits,) = evaluate(model, ["logits"], at)
        return softmax(logits, axis=1)

    clean = evaluate(model, RELUS, batch)
    found = {name: np.zeros((len(batch), 2)) for name in FIELDS[:-1]}
    white = draw("gaussian", shape, COPIES, seed)
    for family, unit in (("white", white), ("smooth", draw_smooth(shape, COPIES, seed))):
        for nudge in scaled(unit):
            nudged = evaluate(model, RELUS, batch + nudge)
            for i, p in np.ndindex(len(batch), 2):
                a, b = clean[p][i], nudged[p][i]
                drop = 1 - a @ b / np.sqrt((a @ a) * (b @ b))
                if family == "smooth":
                    found["smooth_drops"][i, p] += drop / COPIES
                    continue
                ratio = angle(a, b) / angle(batch[i].ravel(), (batch[i] + nudge).ravel())
                found["drops"][i, p] += drop / COPIES
                found["distortions"][i, p] += ratio / COPIES
                found["flips"][i, p] += ((a > 0) != (b > 0)).sum() / len(a) / COPIES
    turns = [2 * np.pi * k / POINTS for k in range(POINTS)]
    ring = [batch + scaled(np.cos(t) * white[0] + np.sin(t) * white[1]) for t in turns]
    on = [[values > 0 for values in evaluate(model, RELUS, points)] for points in ring]
    for k, p in np.ndindex(POINTS, 2):
        found["transitions"][:, p] += (on[k][p] != on[(k + 1) % POINTS][p]).mean(axis=1)
    directions = Directions(shape, DIRECTIONS, seed)
    steps = [1e-6 * directions[j] for j in range(DIRECTIONS)]
    squares = [(((shares(batch + d) - shares(batch - d)) / 2e-6) ** 2).sum(axis=1) for d in steps]
    return {**found, "jacobian": np.sqrt(prod(shape) * np.mean(squares, axis=0))}


@pytest.mark.parametrize("std", [None, (0.25, 0.5, 1.0)])
def test_everything_is_that_of_the_reference(save: Save, std: tuple[float, ...] | None) -> None:
    model, batch = network(), 0.1 * small_models.images(COUNT, dtype="float64")
    preprocessing, gain = None, np.ones((3, 1, 1))
    if std is not None:
        preprocessing = Preprocessing(channels="RGB", layout="NCHW", size=(8, 8), resize="none", std=std)
        gain = 1 / np.array(std).reshape(3, 1, 1)
    found = read(save(model), batch, preprocessing=preprocessing, seed=3)
    for field, values in expected(model, batch, gain, 3).items():
        tolerance = 1e-5 if field == "jacobian" else 1e-8
        np.testing.assert_allclose(getattr(found, field), values, rtol=tolerance, err_msg=field)
        assert values.max(axis=0).min() > 0, field


def test_a_network_in_single_precision_gives_what_the_reference_does_in_double(save: Save) -> None:
    single = small_models.classifier()
    double = small_models.classifier(dtype="float64")
    for old, new in zip(single.graph.initializer, double.graph.initializer, strict=True):
        new.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(old).astype(np.float64), old.name))
    batch = small_models.images(COUNT)
    found = read(save(single), batch)
    values = expected(double, batch.astype(np.float64), np.ones(1), 0)
    for field, tolerance in zip(FIELDS, (1e-5, 0, 1e-5, 1e-5, 0, 1e-2), strict=True):
        np.testing.assert_allclose(
            getattr(found, field), values[field], rtol=tolerance, atol=1e-12, err_msg=field
        )


def test_of_a_linear_map_of_two_numbers_the_jacobian_is_exact(save: Save) -> None:
    """Two directions are all there are, and there are no class scores: the last layer is differenced."""
    rng = np.random.default_rng(0)
    hidden, last = rng.normal(size=(2, 7)), rng.normal(size=(7, 1))
    model = small_models.build(
        "linear (double[N, 2] x) => (double[N, 1] y) { h = MatMul (x, a)  y = MatMul (h, b) }",
        {"a": hidden, "b": last},
    )
    batch = rng.normal(size=(4, 2))
    found = read(save(model), batch)
    np.testing.assert_allclose(found.jacobian, np.full(4, np.linalg.norm(hidden @ last)), rtol=1e-6)


def test_a_rotation_distorts_nothing(save: Save) -> None:
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(9, 9)))[0]
    model = small_models.build(
        "rotate (double[N, 9] x) => (double[N, 1] y) { h = MatMul (x, q)  y = MatMul (h, ones) }",
        {"q": 3 * rotation, "ones": np.ones((9, 1))},
    )
    reader = FeatureReader(load(save(model)), ("pairs",), provider="cpu")
    found = reader.read(np.random.default_rng(1).normal(size=(4, 9)))
    detector = find_detector("distortion@h")
    assert detector.why_not(reader.info) is None
    np.testing.assert_allclose(detector.fit(reader.info, None)(found), 0, atol=1e-9)
    # One number keeps its sign or not: it has no angle but 0, which counts as rounding, and a half turn.
    assert found.distortions is not None
    assert (found.distortions > 0).all()


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_nothing_depends_on_the_batch(save: Save, batch_size: int) -> None:
    path = save(small_models.classifier())
    batch = small_models.images(7)
    whole = read(path, batch)
    parts = read(path, batch, batch_size=batch_size)
    last = read(path, batch[6:])
    for field in FIELDS:
        expected = getattr(whole, field)
        assert len(expected) == 7
        np.testing.assert_allclose(getattr(parts, field), expected, rtol=1e-4, err_msg=field)
        np.testing.assert_allclose(getattr(last, field)[0], expected[6], rtol=1e-4, err_msg=field)


def test_a_part_depends_on_no_other(save: Save) -> None:
    path = save(small_models.classifier())
    batch = small_models.images(COUNT)
    whole = read(path, batch, (*NUDGED, "logits", "activity"))
    own: dict[Need, tuple[str, ...]] = {
        "pairs": ("drops", "flips", "distortions"),
        "smooth": ("smooth_drops",),
        "ring": ("transitions",),
        "jacobian": ("jacobian",),
    }
    for need, fields in own.items():
        alone = read(path, batch, (need,))
        for field in FIELDS:
            if field in fields:
                np.testing.assert_array_equal(getattr(alone, field), getattr(whole, field))
            else:
                assert getattr(alone, field) is None, (need, field)


def test_the_seed_decides(save: Save) -> None:
    path, batch = save(small_models.classifier()), small_models.images(2)
    one, same, other = (read(path, batch, seed=seed) for seed in (0, 0, 1))
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(one, field), getattr(same, field))
        assert (getattr(one, field) != getattr(other, field)).any(), field


def test_channels_that_come_last_are_told_from_places(save: Save) -> None:
    model = small_models.build(
        """
        last (double[N, 4, 6, 3] x) => (double[N, 1] y) {
            flat = Flatten (x)
            h = MatMul (flat, a)
            act = Relu (h)
            y = MatMul (act, b)
        }
        """,
        {"a": small_models.normal(72, 20, dtype="float64"), "b": np.ones((20, 1))},
    )
    preprocessing = Preprocessing(channels="RGB", layout="NHWC", size=(4, 6), resize="none")
    batch = small_models.normal(3, 4, 6, 3, seed=5, dtype="float64")
    found = read(save(model), batch, ("smooth",), preprocessing=preprocessing)
    (clean,) = evaluate(model, ["act"], batch)
    drops = np.zeros((3, 1))
    for unit in draw_smooth((4, 6, 3), COPIES, 0, channels_last=True):
        nudge = (unit * SCALE).astype(np.float32)
        (nudged,) = evaluate(model, ["act"], batch + nudge)
        drops[:, 0] += [(1 - np.cos(angle(a, b))) / COPIES for a, b in zip(clean, nudged, strict=True)]
    np.testing.assert_allclose(found.smooth_drops, drops, rtol=1e-8)


def test_a_layer_without_units_keeps_the_others_in_place(save: Save) -> None:
    weights = {
        "a": small_models.normal(4, 6),
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
    }
    head = "{ none = Slice (x, zero, zero, one)  empty = Relu (none)  h = MatMul (x, a)  act = Relu (h)"
    tail = "all = Concat <axis = 1> (empty, act)  y = ReduceSum <keepdims = 1> (all, one) }"
    model = small_models.build(f"empty (float[N, 4] x) => (float[N, 1] y) {head} {tail}", weights)
    plain = small_models.build(
        "plain (float[N, 4] x) => (float[N, 1] y) {"
        " h = MatMul (x, a)  act = Relu (h)  y = ReduceSum <keepdims = 1> (act, one) }",
        {"a": weights["a"], "one": weights["one"]},
    )
    batch = small_models.normal(4, 4, seed=3)
    needs: tuple[Need, ...] = ("pairs", "smooth", "ring")
    found, expected = read(save(model), batch, needs), read(save(plain), batch, needs)
    for field in FIELDS[:-1]:
        assert getattr(found, field).shape == (4, 2)
        np.testing.assert_array_equal(getattr(found, field)[:, 1:], getattr(expected, field), err_msg=field)
    assert found.finite().all()


def test_tokens_are_nudged_where_they_become_floats() -> None:
    path = models.path("char_transformer")
    tokens = np.random.default_rng(0).integers(1, 40, (3, 12))
    reader = FeatureReader(load(path), (*NUDGED, "activity"), provider="cpu")
    found = reader.read(tokens)
    assert found.finite().all()
    site = "/embedding/Gather_output_0"
    nudged = (draw("gaussian", (12, 128), COPIES, 0) * SCALE).astype(np.float32)
    layers = list(reader.info.layers)
    measured = onnx_ood.measure(path, tokens, nudges=nudged, probes=layers, site=site, provider="cpu")
    np.testing.assert_allclose(found.drops, measured.cosine_drop().mean(axis=1), rtol=1e-6)


def test_what_a_nudge_makes_undefined_is_not_finite(save: Save) -> None:
    """A root of what a nudge makes negative."""
    model = small_models.build(
        """
        roots (float[N, 30] x) => (float[N, 2] y) {
            root = Sqrt (x)
            act = Relu (root)
            y = MatMul (act, w)
        }
        """,
        {"w": small_models.normal(30, 2)},
    )
    batch = np.full((2, 30), 4, np.float32)
    batch[1] = 1e-3
    for need in ("pairs", "smooth", "ring"):
        np.testing.assert_array_equal(read(save(model), batch, (need,)).finite(), [True, False])


def test_dead_layers_and_blank_inputs_have_numbers(save: Save) -> None:
    """Nothing turns, and an input of zeros has no direction."""
    weights = {"b": np.full(6, -100, np.float32), "w": small_models.normal(4, 6), "v": np.ones((6, 2), "f")}
    model = small_models.build(
        "dead (float[N, 4] x) => (float[N, 2] y) { h = Gemm (x, w, b)  act = Relu (h)  y = MatMul (act, v) }",
        weights,
    )
    found = read(save(model), np.array([[0, 0, 0, 0], [1, 2, 3, 4]], np.float32))
    assert found.finite().all()
    for name in (
        "cosine_drop",
        "distortion",
        "flip_rate",
        "transition_density",
        "jacobian_norm",
        "spectral_ratio",
    ):
        reader = FeatureReader(load(save(model)), ("pairs",), provider="cpu")
        assert np.isfinite(find_detector(name).fit(reader.info, None)(found)).all(), name
    assert (np.asarray(found.transitions) == 0).all()
    assert (np.asarray(found.jacobian) == 0).all()


@pytest.mark.parametrize("needs", [("pairs",), ("pairs", "smooth")])
def test_the_described_nudges_are_those_of_the_runs(
    save: Save, monkeypatch: pytest.MonkeyPatch, needs: tuple[Need, ...]
) -> None:
    added: list[np.ndarray] = []
    measure = Prober.measure

    def spy(prober: Prober, batch: np.ndarray, nudges: np.ndarray, feeds: object = None) -> object:
        added.extend(nudges)
        return measure(prober, batch, nudges, feeds)

    monkeypatch.setattr(Prober, "measure", spy)
    reader = FeatureReader(load(save(network())), needs, provider="cpu")
    reader.read(small_models.normal(COUNT, 3, 8, 8, dtype="float64"))
    described = reader.nudges_for(needs)
    assert described is not None
    assert (described.copies, described.space) == (len(added), "tensor")
    assert np.std(added) == pytest.approx(described.scale, rel=0.1)
    assert reader.nudges_for(("logits",)) is None


def test_the_copies_of_jacobians_are_the_sides_of_their_differences(
    save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    nudged = 0
    run_groups = Prober.run_groups

    def spy(prober: Prober, batch: np.ndarray, groups: int, nudges: Callable, *rest: object) -> None:  # type: ignore[type-arg]
        nonlocal nudged
        nudged += sum(bool(np.any(one)) for group in range(groups) for one in nudges([0], group))
        run_groups(prober, batch, groups, nudges, *rest)

    monkeypatch.setattr(Prober, "run_groups", spy)
    reader = FeatureReader(load(save(network())), ("jacobian",), provider="cpu")
    reader.read(small_models.normal(COUNT, 3, 8, 8, dtype="float64"))
    described = reader.nudges_for(("jacobian",))
    assert described is not None
    assert (described.copies, described.scale) == (nudged, None)
