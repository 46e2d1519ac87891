"""`onnx_ood.measure` end to end, against reductions that plain onnx, onnxruntime and numpy make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import small_models
from measuring import Feeds, Save, assert_same, measure, ready
from onnx import ModelProto

import onnx_ood
from onnx_ood.perturb import draw
from onnx_ood.runtime import jacobian_norms
from onnx_ood.runtime.batching import layout
from onnx_ood.runtime.session import Session


def inner_tensors(model: ModelProto) -> list[str]:
    return [name for node in model.graph.node for name in node.output]


def run_plain(path: Path, names: list[str], feeds: Feeds) -> dict[str, np.ndarray]:
    """Values of `names` from a session in which they were marked as outputs here."""
    model = onnx.load(path)
    for name in names:
        if name not in [value.name for value in model.graph.output]:
            model.graph.output.append(onnx.ValueInfoProto(name=name))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def reference_drop(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """½‖a/‖a‖ − b/‖b‖‖² of each row in extended precision: another formula than the one under test."""
    x, y = (v.reshape(len(v), -1).astype(np.longdouble) for v in (a, b))
    lengths = [np.sqrt((w * w).sum(1, keepdims=True)) for w in (x, y)]
    u, v = (w / np.where(length == 0, 1, length) for w, length in zip((x, y), lengths, strict=True))
    # By convention a zero vector is at right angles to every other one.
    one_is_zero = (lengths[0] == 0) != (lengths[1] == 0)
    return np.where(one_is_zero[:, 0], 1.0, (((u - v) ** 2).sum(1) / 2)).astype(np.float64)


def reference(
    path: Path, probes: tuple[str, ...], site: str, batch: np.ndarray, nudges: np.ndarray, others: Feeds
) -> tuple[np.ndarray, np.ndarray]:
    """Drops and flips [N, K, P] with all N inputs in one run."""
    clean = run_plain(path, list(probes), {site: batch, **others})
    drops, flips = (np.zeros((len(batch), len(nudges), len(probes))) for _ in range(2))
    for k, nudge in enumerate(nudges):
        moved = run_plain(path, list(probes), {site: (batch + nudge).astype(batch.dtype), **others})
        for p, name in enumerate(probes):
            a, b = (values[name].reshape(len(batch), -1) for values in (clean, moved))
            drops[:, k, p] = reference_drop(a, b)
            flips[:, k, p] = ((a > 0) != (b > 0)).sum(1)
    return drops, flips


CASES = {
    "classifier": (small_models.classifier, small_models.images(6), {}),
    "nodes out of order": (small_models.unsorted, small_models.images(6), {}),
    "float16": (
        lambda: small_models.classifier(dtype="float16"),
        small_models.images(6, dtype="float16"),
        {},
    ),
    "residual": (small_models.residual, small_models.normal(6, 4), {}),
    "If": (small_models.with_if, small_models.normal(6, 4), {"switch": np.array(True)}),
    "Loop": (small_models.with_loop, small_models.normal(6, 4), {}),
    "two inputs": (
        small_models.two_inputs,
        small_models.normal(6, 4, 6),
        {"mask": np.tri(6, 4, 1, dtype=np.int64), "temperature": np.array(2, np.float32)},
    ),
    "contrib": (small_models.contrib, small_models.normal(6, 4), {}),
    "decomposed GELU": (
        lambda: small_models.decomposed("erf gelu, halved last"),
        small_models.normal(6, 4),
        {},
    ),
}


class TestNumbers:
    @pytest.mark.parametrize("case", CASES)
    @pytest.mark.parametrize("scale", [1e-4, 1e-2, 1.0])
    def test_they_are_those_of_an_independent_reduction(self, case: str, scale: float, save: Save) -> None:
        make, batch, others = CASES[case]
        path = save(make())
        nudges = draw("gaussian", batch.shape[1:], 3, seed=5) * scale
        model = onnx_ood.load(path)
        site, main = model.inputs[0].name, inner_tensors(onnx.load(path))
        probes = [t.name for t in onnx_ood.select(model, "all", model.inputs[0]) if t.name in main]
        found = measure(path, batch, nudges, site=site, feeds=others, probes=probes)
        drops, flips = reference(path, found.probes, site, batch, nudges, others)
        np.testing.assert_array_equal(found.flips, flips)
        # What stays parallel has a drop of exactly 0; of the statistics' rounding this much is left there.
        np.testing.assert_allclose(found.cosine_drop(), drops, rtol=1e-4, atol=1e-12 * scale**2)
        assert (drops > 1e-12).mean() > 0.5, "the nudge turns something"

    def test_drops_of_every_size_are_right(self, save: Save) -> None:
        path, batch = save(small_models.classifier()), small_models.images(4)
        for scale in np.geomspace(3e-5, 3, 9):
            nudges = draw("gaussian", batch.shape[1:], 1, seed=1) * scale
            found = measure(path, batch, nudges)
            drops, _ = reference(path, found.probes, "image", batch, nudges, {})
            np.testing.assert_allclose(found.cosine_drop(), drops, rtol=1e-4)

    def test_everything_else_follows_from_the_same_pair(self, save: Save) -> None:
        path, batch = save(small_models.classifier()), small_models.images(5)
        nudges = draw("uniform", batch.shape[1:], 2, seed=3) * 0.1
        found = measure(path, batch, nudges, probes=["op:Conv", "outputs"])
        clean = run_plain(path, list(found.probes), {"image": batch})
        moved = run_plain(path, list(found.probes), {"image": (batch + nudges[1]).astype(np.float32)})
        assert found.size.tolist() == [8 * 8 * 8, 16 * 3 * 3, 5]
        for p, name in enumerate(found.probes):
            a, b = (values[name].reshape(5, -1).astype(np.float64) for values in (clean, moved))
            np.testing.assert_allclose(found.aa[:, 1, p], (a * a).sum(1), rtol=1e-6)
            np.testing.assert_allclose(found.ad[:, 1, p], (a * (b - a)).sum(1), rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(found.dd[:, 1, p], ((b - a) ** 2).sum(1), rtol=1e-5)
            np.testing.assert_array_equal(found.active[:, 1, p], (a > 0).sum(1))
            angle = np.arccos((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1))
            np.testing.assert_allclose(found.angle()[:, 1, p], angle, rtol=1e-5)
            turn = (batch + nudges[1]).reshape(5, -1).astype(np.float32).astype(np.float64)
            flat = batch.reshape(5, -1).astype(np.float64)
            at_site = np.arccos(
                (flat * turn).sum(1) / np.linalg.norm(flat, axis=1) / np.linalg.norm(turn, axis=1)
            )
            np.testing.assert_allclose(found.site_angle()[:, 1], at_site, rtol=1e-8)
            np.testing.assert_allclose(found.distortion()[:, 1, p], angle / at_site, rtol=1e-5)
            np.testing.assert_allclose(found.flip_rate()[:, 1, p], ((a > 0) != (b > 0)).mean(1))

    def test_no_nudge_changes_nothing_at_all(self, save: Save) -> None:
        found = measure(save(small_models.classifier()), small_models.images(5), np.zeros((2, 3, 8, 8)))
        for field in (found.dd, found.ad, found.flips, found.cosine_drop(), found.site_dd, found.angle()):
            assert not field.any()
        assert np.isnan(found.distortion()).all()

    def test_a_nudge_counts_as_it_arrives_in_the_models_dtype(self, save: Save) -> None:
        """1 + 2⁻²⁵ is 1 in float32: nothing was nudged."""
        path = save(small_models.residual())
        found = measure(path, np.ones((1, 4), np.float32), np.full((1, 4), 2.0**-25))
        assert not found.site_dd.any()
        assert not found.dd.any()
        found = measure(path, np.ones((1, 4), np.float32), np.full((1, 4), 1.5 * 2.0**-23))
        assert found.site_dd[0, 0] == 4 * (2 * 2.0**-23) ** 2

    def test_the_models_dtype_is_kept_in_float64(self, save: Save) -> None:
        model = small_models.build(
            "g (double[N, 4] x) => (double[N, 4] y) { h = MatMul (x, w) y = Relu (h) }",
            {"w": small_models.normal(4, 4, dtype="float64")},
        )
        path, batch = save(model), small_models.normal(3, 4, dtype="float64")
        nudges = draw("gaussian", (4,), 2, seed=0) * 1e-7
        found = measure(path, batch, nudges)
        drops, _ = reference(path, found.probes, "x", batch, nudges, {})
        assert found.outputs["y"].dtype == np.float64
        assert drops.max() < 1e-12
        np.testing.assert_allclose(found.cosine_drop(), drops, rtol=1e-4, atol=1e-28)

    def test_inputs_whose_activations_are_not_finite_say_nan(self, save: Save) -> None:
        batch = np.abs(small_models.normal(5, 4))
        batch[2, 1] = -3
        found = measure(save(small_models.roots()), batch, np.full((2, 4), 1e-3))
        assert np.isnan(found.cosine_drop()).all(axis=(1, 2)).tolist() == [False, False, True, False, False]

    def test_a_nudge_that_overflows_the_dtype_says_nan(self, save: Save) -> None:
        path = save(small_models.classifier(dtype="float16"))
        found = measure(path, small_models.images(1, dtype="float16"), np.full((1, 3, 8, 8), 7e4))
        assert np.isnan(found.cosine_drop()).all()


class TestBatches:
    def test_their_size_does_not_matter(self, save: Save) -> None:
        path, batch = save(small_models.classifier()), small_models.images(37)
        nudges = draw("gaussian", batch.shape[1:], 2, seed=2) * 0.05
        whole = measure(path, batch, nudges)
        for size in (1, 7, 32):
            found = measure(path, batch, nudges, batch_size=size)
            assert_same(found, whole, rtol=1e-5)
            np.testing.assert_allclose(found.outputs["logits"], whole.outputs["logits"], rtol=1e-4, atol=1e-5)

    def test_shared_nudges_are_those_of_each_input(self, save: Save) -> None:
        path, batch = save(small_models.classifier()), small_models.images(5)
        nudges = draw("gaussian", batch.shape[1:], 3, seed=2) * 0.05
        assert_same(
            measure(path, batch, np.broadcast_to(nudges, (5, *nudges.shape))),
            measure(path, batch, nudges),
            rtol=0,
        )

    def test_nudges_of_its_own_reach_each_input(self, save: Save) -> None:
        path, batch = save(small_models.classifier()), small_models.images(5)
        nudges = small_models.normal(5, 2, 3, 8, 8, seed=9) * 0.05
        found = measure(path, batch, nudges, batch_size=2)
        for i in range(5):
            alone = measure(path, batch[i : i + 1], nudges[i])
            np.testing.assert_allclose(found.cosine_drop()[i], alone.cosine_drop()[0], rtol=1e-4)
            np.testing.assert_array_equal(found.site_dd[i], alone.site_dd[0])

    def test_outputs_are_the_plain_models(self, save: Save) -> None:
        path, batch = save(small_models.classifier()), small_models.images(40)
        found = measure(path, batch, np.zeros((1, 3, 8, 8)), probes="relu1")
        plain = run_plain(path, ["logits"], {"image": batch})["logits"]
        assert found.outputs["logits"].dtype == np.float32
        np.testing.assert_allclose(found.outputs["logits"], plain, rtol=1e-5, atol=1e-6)

    def test_whole_numbers_and_lists_are_taken_as_floats(self, save: Save) -> None:
        path = save(small_models.residual())
        one = measure(path, [[1, 2, 3, 4]], [[0.5, 0.5, 0.5, 0.5]])
        other = measure(path, np.array([[1, 2, 3, 4]], np.float32), np.full((1, 4), 0.5))
        assert_same(one, other, rtol=0)

    def test_the_batch_is_not_changed(self, save: Save) -> None:
        batch, nudges = small_models.images(3), np.full((1, 3, 8, 8), 0.1)
        kept = batch.copy()
        measure(save(small_models.classifier()), batch, nudges)
        np.testing.assert_array_equal(batch, kept)
        np.testing.assert_array_equal(nudges, 0.1)


class TestFixedBatches:
    @pytest.mark.parametrize("rows", [1, 2, 3])
    @pytest.mark.parametrize("count", [1, 3, 4, 8])
    def test_give_what_the_dynamic_model_gives(self, rows: int, count: int, save: Save) -> None:
        batch = small_models.images(count)
        nudges = draw("gaussian", batch.shape[1:], 2, seed=2) * 0.05
        free = measure(save(small_models.classifier()), batch, nudges)
        found = measure(save(small_models.classifier(rows)), batch, nudges, batch_size=5)
        assert found.aa.shape == (count, 2, 7)
        assert_same(found, free, rtol=1e-5)
        np.testing.assert_allclose(found.outputs["logits"], free.outputs["logits"], rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("rows", [2, 3])
    def test_may_have_the_batch_on_another_axis_inside(self, rows: int, save: Save) -> None:
        batch, nudges = small_models.normal(4, 6, 4), small_models.normal(2, 6, 4, seed=5, scale=0.1)
        free = measure(save(small_models.transposed()), batch, nudges, probes="op:Relu")
        found = measure(save(small_models.transposed(rows)), batch, nudges, probes="op:Relu")
        assert_same(found, free, rtol=1e-5)
        np.testing.assert_allclose(found.outputs["inner"], free.outputs["inner"], rtol=1e-5)

    def test_leave_out_outputs_that_mix_the_inputs(self, save: Save) -> None:
        path = save(
            small_models.build(
                "mixed (float[4, 8] x) => (float[1, 16] y)"
                "{ h = MatMul (x, w) r = Relu (h) y = ReduceMean <axes = [0]> (r) }",
                {"w": small_models.normal(8, 16, seed=3)},
            )
        )
        batch, nudges = small_models.normal(10, 8), small_models.normal(2, 8, seed=5, scale=0.1)
        prober = ready(path, "r")
        found = prober.measure(batch, nudges)
        weights = small_models.normal(8, 16, seed=3)
        for k in range(2):
            a, b = (np.maximum(x @ weights, 0) for x in (batch, batch + nudges[k]))
            np.testing.assert_allclose(found.cosine_drop()[:, k, 0], reference_drop(a, b), rtol=1e-3)
        assert not found.outputs
        assert prober.batching_note == "output 'y' is left out: it cannot be split by input"
        assert np.isnan(prober.observer_effect(batch))


class TestOtherInputs:
    def others(self, count: int) -> dict[str, np.ndarray]:
        return {"mask": np.tri(count, 4, 1, dtype=np.int64), "temperature": np.array(0.5, np.float32)}

    def test_go_with_their_input(self, save: Save) -> None:
        path, batch = save(small_models.two_inputs()), small_models.normal(5, 4, 6)
        nudges = draw("gaussian", (4, 6), 2, seed=2) * 0.05
        others = self.others(5)
        for size in (1, 2, 5):
            found = measure(path, batch, nudges, site="embedding", feeds=others, batch_size=size)
            for i in range(5):
                alone = {"mask": others["mask"][i : i + 1], "temperature": others["temperature"]}
                single = measure(path, batch[i : i + 1], nudges, site="embedding", feeds=alone)
                np.testing.assert_allclose(found.cosine_drop()[i], single.cosine_drop()[0], rtol=1e-5)

    def test_may_be_lists_and_other_whole_numbers(self, save: Save) -> None:
        path, batch = save(small_models.two_inputs()), small_models.normal(2, 4, 6)
        nudges = draw("gaussian", (4, 6), 1, seed=2)
        given = {"mask": [[True, True, False, False], [True] * 4], "temperature": 2}
        exact = {"mask": np.array(given["mask"], np.int64), "temperature": np.array(2, np.float32)}
        assert_same(
            measure(path, batch, nudges, site="embedding", feeds=given),
            measure(path, batch, nudges, site="embedding", feeds=exact),
            rtol=0,
        )

    def test_a_scalar_may_be_the_site(self, save: Save) -> None:
        """A scalar has no batch axis, so inputs are run one at a time."""
        path, others = (
            save(small_models.two_inputs()),
            {"embedding": np.ones((1, 4, 6)), "mask": np.ones((1, 4))},
        )
        found = measure(path, [1.0, 2.0], [0.5], probes="y", site="temperature", feeds=others)
        fed = {"embedding": np.ones((1, 4, 6), np.float32), "mask": np.ones((1, 4), np.int64)}
        for i, (clean, nudged) in enumerate([(1, 1.5), (2, 2.5)]):
            a, b = (
                run_plain(path, ["y"], fed | {"temperature": np.array(t, np.float32)})["y"].astype(np.float64)
                for t in (clean, nudged)
            )
            np.testing.assert_allclose(found.aa[i, 0, 0], (a**2).sum(), rtol=1e-6)
            np.testing.assert_allclose(found.dd[i, 0, 0], ((b - a) ** 2).sum(), rtol=1e-6)


class TestModelsThatMixInputs:
    @pytest.mark.parametrize(
        ("make", "shape", "culprit"),
        [
            (lambda: small_models.mixing("mean"), (4,), "m"),
            (lambda: small_models.mixing("before"), (4,), "m"),
        ],
    )
    def test_are_run_one_input_at_a_time(
        self, make: Callable[[], ModelProto], shape: tuple[int, ...], culprit: str, save: Save
    ) -> None:
        path, batch = save(make()), small_models.normal(5, *shape)
        nudges = draw("gaussian", shape, 2, seed=2) * 0.05
        prober = ready(path)
        found = prober.measure(batch, nudges)
        assert prober.batch_size == 1
        assert prober.batching_note == f"one input at a time: {culprit!r} cannot be split by input"
        for i in range(5):
            alone = measure(path, batch[i : i + 1], nudges, batch_size=1)
            np.testing.assert_array_equal(found.dd[i], alone.dd[0])
            for name, values in alone.outputs.items():
                np.testing.assert_array_equal(found.outputs[name][i], values[0])

    @pytest.mark.parametrize("time", [6, 2])
    def test_or_have_the_batch_on_another_axis_are_told_apart(self, time: int, save: Save) -> None:
        """Two steps of time for two inputs in a trial run: the axes can't be told apart by their sizes."""
        text = """
            g (float[N, T, 4] x) => (float[T, N, 4] inner, float[N, T, 4] y) {
                turned = Transpose <perm = [1, 0, 2]> (x)
                h = MatMul (turned, w)
                inner = Relu (h)
                y = Transpose <perm = [1, 0, 2]> (inner)
            }
        """
        path = save(small_models.build(text, {"w": small_models.normal(4, 4, seed=61)}))
        batch, nudges = small_models.normal(5, time, 4), small_models.normal(2, time, 4, seed=2) * 0.05
        prober = ready(path)
        found = prober.measure(batch, nudges)
        assert (prober.batch_size, prober.batching_note) == (32, "")
        for i in range(5):
            alone = measure(path, batch[i : i + 1], nudges, batch_size=1)
            np.testing.assert_allclose(found.dd[i], alone.dd[0], rtol=1e-6)
            np.testing.assert_allclose(found.outputs["inner"][i], alone.outputs["inner"][0], rtol=1e-6)
        # Inside, the nudge has the layout of one input's share, and reaches the right rows.
        inside = measure(path, batch, nudges, probes="y", site="h")
        for i in range(5):
            alone = measure(path, batch[i : i + 1], nudges, probes="y", site="h", batch_size=1)
            np.testing.assert_allclose(inside.dd[i], alone.dd[0], rtol=1e-6)
            np.testing.assert_allclose(inside.site_aa[i], alone.site_aa[0], rtol=1e-6)

    @pytest.mark.parametrize("first", [np.zeros((1, 4)), np.ones((1, 4)), np.array([[1.0, -2.0, -2.0, 1.0]])])
    def test_are_found_out_by_an_input_that_looks_like_its_mirror_image_too(
        self, first: np.ndarray, save: Save
    ) -> None:
        prober = ready(save(small_models.mixing()))
        prober.measure(first, np.full((1, 4), 0.1))
        assert prober.batch_size == 1

    def test_are_found_out_by_an_output_of_whole_numbers_too(self, save: Save) -> None:
        model = small_models.build(
            """
            g (float[N, 4] x) => (float[N, 4] y, int64[N, 4] best) {
                y = Relu (x)
                m = ReduceSum <keepdims = 0> (x, last)
                _, order = TopK <axis = 0> (m, count)
                best = Expand (order, size)
            }
            """,
            {
                "last": np.array([1], np.int64),
                "count": np.array([1], np.int64),
                "size": np.array([1], np.int64),
            },
        )
        # The index of the largest input in the batch: its shape fits, its value depends on company.
        model.graph.output[1].type.tensor_type.ClearField("shape")
        prober = ready(save(model), "y")
        prober.measure(small_models.normal(3, 4), np.full((1, 4), 0.1))
        assert prober.batch_size == 1
        assert "'best'" in prober.batching_note

    def test_that_do_not_are_run_together(self, save: Save) -> None:
        prober = ready(save(small_models.classifier()))
        assert prober.batch_size is None
        prober.measure(small_models.images(3), np.zeros((1, 3, 8, 8)))
        assert (prober.batch_size, prober.batching_note) == (32, "")

    def test_a_model_that_refuses_several_inputs_is_run_with_one(self, save: Save) -> None:
        model = small_models.build(
            "g (float[N, 4] x) => (float[1, 2, 2] y) { r = Reshape (x, to) y = Relu (r) }",
            {"to": np.array([1, 2, 2], np.int64)},
        )
        prober = ready(save(model))
        found = prober.measure(small_models.normal(3, 4), np.full((1, 4), 0.1))
        assert prober.batching_note == "one input at a time: the model doesn't run several"
        assert found.outputs["y"].shape == (3, 2, 2)

    def test_nan_in_the_first_input_is_no_mixing(self, save: Save) -> None:
        prober = ready(save(small_models.roots()))
        prober.measure(-np.ones((2, 4)), np.full((1, 4), 0.1))
        assert prober.batch_size == 32


class TestDetectors:
    """Models that give as many rows as they find."""

    boxes = np.array([3, 0, 5, 1, 1])

    def batch(self) -> np.ndarray:
        """Inputs with that many positive rows out of five."""
        return np.stack(
            [np.where(np.arange(5)[:, None] < n, 1.0, -1.0) * np.ones((5, 4)) for n in self.boxes]
        ).astype("float32")

    @pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [1, 0, 2, 4, 3], [3, 4, 0, 2, 1], [2, 2, 1, 0, 3]])
    @pytest.mark.parametrize("size", [None, 1, 2])
    def test_outputs_are_one_array_for_each_input(
        self, order: list[int], size: int | None, save: Save
    ) -> None:
        found = measure(
            save(small_models.detector()),
            self.batch()[order],
            np.full((2, 5, 4), 0.01),
            probes="h",
            batch_size=size,
        )
        assert [array.shape for array in found.outputs["found"]] == [(n, 4) for n in self.boxes[order]]
        assert np.isfinite(found.cosine_drop()).all()

    def test_a_first_input_that_happens_to_fit_is_found_out_later(
        self, save: Save, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first input and its neighbour have one box each; the rest have other numbers."""
        monkeypatch.setattr("onnx_ood.runtime.batching.trial.companion", lambda batch: batch[0])
        prober = ready(save(small_models.detector()), "h")
        batch = self.batch()[[3, 4, 0, 1, 2]]
        found = prober.measure(batch, np.full((1, 5, 4), 0.01))
        assert prober.batching_note == "one input at a time: 'found' cannot be split by input"
        assert [len(array) for array in found.outputs["found"]] == [1, 1, 3, 0, 5]

    def test_what_is_found_is_compared_with_the_copies_that_find_as_much(self, save: Save) -> None:
        """One copy finds a row more, another one none more: only the second is comparable."""
        path, order = save(small_models.detector()), [0, 2, 3]
        batch = self.batch()[order]
        more = np.where(np.arange(5) == 4, 5.0, 0.0)[:, None] * np.ones((5, 4))
        some = small_models.normal(5, 4, seed=9, scale=0.01)
        found = measure(path, batch, np.stack([more, some]), probes="found")
        # The second input finds all five rows already.
        assert found.comparable[:, :, 0].tolist() == [[False, True], [True, True], [False, True]]
        assert found.sizes is not None
        np.testing.assert_array_equal(found.sizes[:, 0], 4 * self.boxes[order])
        missing = ~found.comparable
        for values in (found.cosine_drop(), found.angle(), found.flip_rate(), found.distortion()):
            np.testing.assert_array_equal(np.isnan(values), missing)
        for i, n in enumerate(self.boxes[order]):
            a, b = (
                run_plain(path, ["found"], {"x": x[np.newaxis].astype(np.float32)})["found"]
                for x in (batch[i], batch[i] + some)
            )
            assert len(a) == len(b) == n
            drop = reference_drop(a.reshape(1, -1), b.reshape(1, -1))[0]
            np.testing.assert_allclose(found.cosine_drop()[i, 1, 0], drop, rtol=1e-3, atol=1e-12)
            flips = ((a > 0) != (b > 0)).sum() / a.size
            assert found.flip_rate()[i, 1, 0] == pytest.approx(flips)

    def test_an_input_for_which_nothing_is_found_is_not_comparable(self, save: Save) -> None:
        found = measure(
            save(small_models.detector()), self.batch()[[0, 1]], np.zeros((1, 5, 4)), probes="found"
        )
        assert found.comparable[:, 0, 0].tolist() == [True, False]
        assert found.cosine_drop()[0, 0, 0] == 0
        assert np.isnan(found.cosine_drop()[1, 0, 0])

    def test_as_many_for_every_input_are_stacked(self, save: Save) -> None:
        found = measure(save(small_models.detector()), self.batch()[[0, 0]], np.zeros((1, 5, 4)), probes="h")
        assert found.outputs["found"].shape == (2, 3, 4)


class TestFeedsOfInnerSites:
    """The first input may be one of the feeds; the batch then feeds the next."""

    def test_are_those_of_the_input(self, save: Save) -> None:
        path = save(
            small_models.build(
                "g (int64[N, 4] ids, double[N, 4] x) => (double[N, 4] y)"
                "{ f = Cast <to = 11> (ids) s = Add (f, x) h = Sin (s) y = Relu (h) }"
            )
        )
        batch, feeds = small_models.normal(3, 4, dtype="float64"), {"ids": np.arange(12).reshape(3, 4)}
        nudges = draw("gaussian", (4,), 2, seed=2) * 0.05
        settings = {"probes": "y", "provider": "cpu", "feeds": feeds}
        found = onnx_ood.measure(path, batch, nudges=nudges, site="s", **settings)
        # Nudging the sum is nudging its summand.
        expected = onnx_ood.measure(path, batch, nudges=nudges, site="x", **settings)
        np.testing.assert_allclose(found.cosine_drop(), expected.cosine_drop(), rtol=1e-9)
        assert (found.dd > 0).any()
        assert onnx_ood.observer_effect(path, batch, site="s", **settings) < 1e-6
        norms = [jacobian_norms(path, batch, probe="y", site=site, feeds=feeds).norm for site in ("s", "x")]
        np.testing.assert_allclose(norms[0], norms[1], rtol=1e-4)


class TestParts:
    """A model in parts, so that activations are reduced while they are in cache."""

    # Without a float16 kernel the CPU computes chains of operators in float32; what is handed over is rounded.
    @pytest.mark.parametrize("case", [case for case in CASES if case != "float16"])
    def test_give_the_same_numbers(self, case: str, save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
        make, batch, others = CASES[case]
        path = save(make())
        nudges = draw("gaussian", batch.shape[1:], 3, seed=2) * 0.05
        settings = {
            "batch_size": 2,
            "site": onnx_ood.load(path).inputs[0].name,
            "feeds": others,
            "exact": True,
        }
        whole = measure(path, batch, nudges, **settings)
        monkeypatch.setitem(layout.MAX_STAGE_BYTES, "cpu", 1)
        monkeypatch.setattr("onnx_ood.runtime.host._MAX_COPIES_PER_PASS", 2)
        parts = measure(path, batch, nudges, **settings)
        # The same kernels on the same values, without fusions.
        for field in ("aa", "ad", "dd", "flips", "active", "size", "site_dd"):
            np.testing.assert_array_equal(getattr(parts, field), getattr(whole, field), err_msg=field)
        assert parts.probes == whole.probes
        assert parts.outputs.keys() == whole.outputs.keys()
        for name, values in whole.outputs.items():
            np.testing.assert_array_equal(parts.outputs[name], values)

    def test_are_made_where_probes_are_large(self, save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
        path, batch = save(small_models.classifier()), small_models.images(5)
        nudges = draw("gaussian", batch.shape[1:], 2, seed=2) * 0.05
        prober = ready(path, batch_size=2)
        prober.measure(batch, nudges)
        assert len(prober._instrumented.stages) == 1
        monkeypatch.setitem(
            layout.MAX_STAGE_BYTES, "cpu", 2 * 4 * 8 * 64
        )  # Two rows of one of the larger probes.
        prober = ready(path, batch_size=2)
        prober.measure(batch, nudges)
        assert len(prober._instrumented.stages) > 2
        assert [name for stage in prober._instrumented.stages for name in stage.probes] == list(prober.probes)

    def test_what_no_probe_needs_runs_for_clean_inputs_alone(
        self, save: Save, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fetched: list[str] = []
        run = Session.run

        def noting(self: Session, outputs: Sequence[str], feeds: Feeds) -> list[np.ndarray]:
            fetched.extend(outputs)
            return run(self, outputs, feeds)

        path, batch = save(small_models.classifier()), small_models.images(4)
        nudges = draw("gaussian", batch.shape[1:], 9, seed=2) * 0.05
        prober = ready(path, "relu1", batch_size=4)
        prober.measure(batch, nudges)  # Trial runs come first.
        monkeypatch.setattr(Session, "run", noting)
        found = prober.measure(batch, nudges)
        assert (fetched.count("relu1"), fetched.count("logits")) == (10, 1)
        np.testing.assert_allclose(
            found.outputs["logits"], run_plain(path, ["logits"], {"image": batch})["logits"], rtol=1e-5
        )

    def test_few_inputs_are_run_at_once_where_each_needs_much(self) -> None:
        limit = layout._MAX_RUN_BYTES["cpu"]
        assert layout.choose_batch_size(1, "cpu") == 32
        assert layout.choose_batch_size(1, "cuda") == 64
        assert layout.choose_batch_size(limit // 5, "cpu") == 5
        assert layout.choose_batch_size(2 * limit, "cpu") == 1
        assert layout.choose_batch_size(0, "cpu") == 32


@pytest.mark.parametrize("name", ["batch", "nudges"])
@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
def test_infinite_values_are_refused(name: str, value: float, save: Save) -> None:
    path = save(small_models.classifier())
    values = {"batch": small_models.images(2).astype(np.float64), "nudges": np.full((2, 3, 8, 8), 0.1)}
    values[name].flat[[3, 5]] = value
    with pytest.raises(onnx_ood.UsageError, match=f"{name}: found 2 infinite or too large for float32 among"):
        measure(path, **values)
